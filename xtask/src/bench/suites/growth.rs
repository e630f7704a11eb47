//! Whether a message costs the same when there is more of everything.

use anyhow::Result;

use super::{CPU, PER_SECOND, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Page, count, number, ratio};
use crate::bench::plot::{Axis, Line, lines};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;
use crate::bench::server::Server;

pub(super) const SUITE: Suite = Suite {
    name: "growth",
    title: "Growth",
    round,
    render,
};

/// What grows, and the loads by which it is seen.
struct Dimension {
    /// Also the beginning of the cases' names.
    what: &'static str,
    sizes: &'static [u32],
    series: &'static [&'static str],
    says: &'static str,
    unit: &'static str,
    picture: &'static str,
}

const FAST: &str = "FAST";
const RELIABLE: &str = "RELIABLE";
const STORE: &str = "store";
const MANY: &str = "fetch, a thousand users";
const ONE: &str = "fetch, one user";
const SETTINGS: [(&str, &str); 1] = [("LINKER__RELIABLE__RETENTION__MAXPERUSER", "10000000")];

/// A process can open some 20 000 files, and so can the tester: more sessions take more nodes (`cargo xtask crowd`).
const SESSIONS: Dimension = Dimension {
    what: "sessions",
    sizes: &[1_000, 4_000, 10_000, 18_000],
    series: &[FAST, RELIABLE],
    says: "10 000 messages/s of 1000 characters among random pairs of so many sessions.",
    unit: "sessions",
    picture: "growth-sessions",
};
/// A frame names at most 1000 recipients; ten of them are ten frames.
const RECIPIENTS: Dimension = Dimension {
    what: "recipients",
    sizes: &[1, 10, 100, 1_000, 10_000],
    series: &[FAST],
    says: "One sender to groups of so many, 1000 characters; beyond 1000, which is what a frame may name, one frame for each thousand.",
    unit: "recipients",
    picture: "growth-recipients",
};
const WAITING: Dimension = Dimension {
    what: "waiting messages",
    sizes: &[1_000, 10_000, 100_000, 1_000_000],
    series: &[STORE, MANY, ONE],
    says: "Messages of 100 characters in SQLite: what storing one more costs while so many wait, and fetching each of so many by `replay`, when they wait for a thousand users and when for one.",
    unit: "messages that wait",
    picture: "growth-waiting",
};

fn case(dimension: &Dimension, size: u32) -> String {
    format!("{} {}", count(size), dimension.what)
}

fn round(bench: &mut Bench) -> Result<()> {
    // What --quick leaves out proves nothing more.
    let most = bench.count(u32::MAX, 10_000);
    let sizes =
        |dimension: &'static Dimension| dimension.sizes.iter().copied().filter(move |size| *size <= most);
    for size in sizes(&SESSIONS) {
        for (name, feature) in [(FAST, "fast"), (RELIABLE, "reliable")] {
            let seconds = bench.seconds();
            let scenario =
                format!("open --connections {size} --rate 10000 --size 1000 --feature {feature} {seconds}");
            let load = Load::new(&case(&SESSIONS, size), name, &bench.programs, &scenario);
            let _ = bench.run(&load.on(Contender::Linker, &bench.programs).pinned());
        }
    }
    for size in sizes(&RECIPIENTS) {
        let (groups, members) = (size.div_ceil(1000), size.min(1000));
        let in_flight = groups.max(1000 / size).min(100);
        let seconds = bench.seconds();
        let scenario = format!(
            "group --groups {groups} --group-size {members} --in-flight {in_flight} --size 1000 {seconds}"
        );
        let load = Load::new(&case(&RECIPIENTS, size), FAST, &bench.programs, &scenario);
        let _ = bench.run(&load.on(Contender::Linker, &bench.programs).pinned());
    }
    for size in sizes(&WAITING) {
        waiting(bench, size);
    }
    Ok(())
}

fn waiting(bench: &mut Bench, size: u32) {
    let case = case(&WAITING, size);
    let storing = "--senders 16 --users 1000 --in-flight 64 --size 100";
    let seconds = bench.seconds();
    let measured = format!("store {storing} {seconds}");
    let load = Load::new(&case, STORE, &bench.programs, &measured);
    let shown = load.clone().on(Contender::Linker, &bench.programs).pinned();
    let _ = bench.run_with(&shown, |bench, _| {
        let server = Server::start(&bench.programs.linker(&SETTINGS), bench.folder.path(), true)?;
        let pid = server.pid().to_string();
        let here = |load: Load| {
            load.with(&[
                "--url",
                &server.url,
                "--pid",
                &pid,
                "--server-cpu",
                "0",
                "--keep-awake",
            ])
        };
        let filling = format!("store {storing} --messages {size} --warm-up 0 --seconds 600");
        bench.take(&here(Load::new(&case, "filling", &bench.programs, &filling)))?;
        bench.take(&here(load))
    });
    for (name, who) in [
        (MANY, "--senders 16 --users 1000 --in-flight 64"),
        (ONE, "--senders 1 --users 1 --in-flight 1000"),
    ] {
        let scenario = format!("drain {who} --size 100 --messages {size}");
        let load = Load::new(&case, name, &bench.programs, &scenario);
        let _ = bench.run(&load.spawning(&bench.programs.linker(&SETTINGS)).pinned());
    }
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph("The same work with more of one thing: flat is what is wanted. µs of the server's CPU for each message, and how much that is of the cost at the smallest size.");
    for dimension in [&SESSIONS, &RECIPIENTS, &WAITING] {
        table(results, page, dimension);
    }
}

fn table(results: &Results, page: &mut Page, dimension: &Dimension) {
    page.paragraph(&format!("**More {}.** {}", dimension.what, dimension.says));
    let cases: Vec<String> = dimension
        .sizes
        .iter()
        .map(|size| case(dimension, *size))
        .collect();
    let smallest = cases.first().map_or("", String::as_str);
    let mut rows = Vec::new();
    for name in dimension.series {
        for case in &cases {
            let spot = Spot(case, name, "");
            rows.push(vec![
                format!("{name}: {case}"),
                number(results.median(spot, CPU)),
                number(results.median(spot, PER_SECOND)),
                ratio(results.ratio(spot, Spot(smallest, name, ""), CPU)),
            ]);
        }
    }
    page.table(&["", "CPU, µs each", "messages/s", "CPU / the smallest's"], &rows);
    let drawn: Vec<Line> = dimension
        .series
        .iter()
        .zip([0, 4, 2])
        .map(|(name, colour)| Line {
            name: (*name).to_owned(),
            colour,
            points: dimension
                .sizes
                .iter()
                .zip(&cases)
                .filter_map(|(size, case)| {
                    Some((f64::from(*size), results.median(Spot(case, name, ""), CPU)?))
                })
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let axis = Axis {
        across: dimension.unit,
        up: "µs of CPU a message",
        up_by_powers: false,
    };
    let title = format!("Server CPU for each message, by {}", dimension.unit);
    page.picture(dimension.picture, &title, lines(&title, axis, &drawn));
}
