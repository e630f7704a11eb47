//! One sender to groups of growing size.

use anyhow::Result;

use super::{CPU, PER_SECOND, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Limit, Page, number};
use crate::bench::plot::{Axis, Line, lines};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;

pub(super) const SUITE: Suite = Suite {
    name: "groups",
    title: "Messages to groups",
    round,
    render,
};

const SIZES: [u32; 4] = [1, 10, 100, 1000];
/// Deliveries under way, about: small groups are written to several at a time.
const UNDER_WAY: u32 = 1000;

const CONTESTANTS: [(&str, Contender, &str); 4] = [
    ("Linker, FAST", Contender::Linker, "--feature fast"),
    ("Linker, RELIABLE", Contender::Linker, "--feature reliable"),
    ("Mosquitto", Contender::Mosquitto, "--feature fast"),
    ("NATS", Contender::Nats, "--feature fast"),
];

/// Messages under way at once to a group of 1000, where a member can be written several at a time.
const BURST: u32 = 10;

fn case(size: u32) -> String {
    format!("groups of {size}")
}

fn burst_case() -> String {
    format!("groups of 1000, {BURST} messages under way")
}

fn round(bench: &mut Bench) -> Result<()> {
    let sizes = SIZES.map(|size| (size, (UNDER_WAY / size).clamp(1, 100), case(size)));
    for (size, in_flight, case) in sizes.into_iter().chain([(1000, BURST, burst_case())]) {
        for (name, contender, options) in CONTESTANTS {
            let seconds = bench.seconds();
            let scenario =
                format!("group --group-size {size} --in-flight {in_flight} --size 1000 {options} {seconds}");
            let load = Load::new(&case, name, &bench.programs, &scenario);
            let _ = bench.run(&load.on(contender, &bench.programs).pinned());
        }
    }
    Ok(())
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph("One sender, 1000 characters, about 1000 deliveries under way, and to 1000 members also ten times that; CPU time of the server for each delivery. The peers' members subscribe to one topic.");
    let value = |name, size, figure| results.median(Spot(&case(size), name, ""), figure);
    let rows: Vec<Vec<String>> = CONTESTANTS
        .iter()
        .map(|(name, ..)| {
            let us = SIZES.iter().map(|size| number(value(name, *size, CPU)));
            let burst = number(results.median(Spot(&burst_case(), name, ""), CPU));
            let per_second = number(value(name, 1000, PER_SECOND));
            std::iter::once((*name).to_owned())
                .chain(us)
                .chain([burst, per_second])
                .collect()
        })
        .collect();
    let head = [
        "µs of CPU a delivery",
        "1 member",
        "10",
        "100",
        "1000",
        "1000, ten messages under way",
        "deliveries/s to 1000",
    ];
    page.table(&head, &rows);
    page.paragraph(
        "A message alone on its way to a thousand sockets is a thousand system calls: 70 % of Linker's time in that run is spent in `send` (`perf`), more than the 4 µs of the mark. Several \
         under way share them.",
    );
    let drawn: Vec<Line> = CONTESTANTS
        .iter()
        .zip([0, 4, 2, 3])
        .map(|((name, ..), colour)| Line {
            name: (*name).to_owned(),
            colour,
            points: SIZES
                .iter()
                .filter_map(|size| Some((f64::from(*size), value(name, *size, CPU)?)))
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let axis = Axis {
        across: "members of the group",
        up: "µs of CPU a delivery",
        up_by_powers: false,
    };
    let title = "Server CPU for each delivery to a group";
    page.picture("groups", title, lines(title, axis, &drawn));
    let largest = value("Linker, FAST", 1000, CPU);
    page.mark("group of 1000, each delivery", Limit::AtMost(4.0, "µs"), largest);
    page.stopped_by(
        "one message to a thousand sockets is a thousand calls of `send`, 70 % of the time (`perf`) and more than 4 µs each; several under way share them",
    );
    page.mark(
        "group of 1000, ten messages under way, each delivery",
        Limit::AtMost(4.0, "µs"),
        results.median(Spot(&burst_case(), "Linker, FAST", ""), CPU),
    );
    let ours = case(1000);
    let ratio_to = |other| results.ratio(Spot(&ours, "Linker, FAST", ""), Spot(&ours, other, ""), CPU);
    page.quote(
        "CPU for a delivery to a group of 1000, of Mosquitto's",
        ratio_to("Mosquitto"),
    );
    page.quote(
        "CPU for a delivery to a group of 1000, of NATS's",
        ratio_to("NATS"),
    );
}
