//! How long messages take at a rate that the server can carry.

use anyhow::Result;

use super::{P50, P99, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Limit, Page, count, number, ratio};
use crate::bench::plot::{Axis, Line, lines};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;

pub(super) const SUITE: Suite = Suite {
    name: "latency",
    title: "Latency",
    round,
    render,
};

const RATES: [u32; 2] = [2_000, 15_000];
const COLUMNS: [u32; 4] = [1000, 2000, 3000, 4000];
const TABLE: &str = "the seed's table";
const ECHO: &str = "echo";
const LINKER: &str = "Linker";

fn case(rate: u32) -> String {
    format!("{}/s", count(rate))
}

fn contestants() -> Vec<(String, Contender, &'static str)> {
    let mut all = vec![
        (ECHO.to_owned(), Contender::Echo, ""),
        ("Linker, FAST".to_owned(), Contender::Linker, "--feature fast"),
        (
            "Linker, RELIABLE".to_owned(),
            Contender::Linker,
            "--feature reliable",
        ),
    ];
    let peers = Contender::PEERS.iter();
    all.extend(peers.map(|peer| (peer.name().to_owned(), *peer, "--feature fast")));
    all
}

fn round(bench: &mut Bench) -> Result<()> {
    for rate in RATES {
        for (name, contender, options) in contestants() {
            let seconds = bench.seconds();
            let scenario = format!("open --connections 1000 --size 1000 --rate {rate} {options} {seconds}");
            let load = Load::new(&case(rate), &name, &bench.programs, &scenario);
            let _ = bench.run(&load.on(contender, &bench.programs).pinned());
        }
    }
    for contender in [Contender::Echo, Contender::Linker, Contender::Mosquitto] {
        let seconds = bench.seconds();
        let columns = bench.count("1000,2000,3000,4000", "1000");
        let scenario = format!("seed-table --connections {columns} --size 1000 {seconds}");
        let load = Load::new(TABLE, contender.name(), &bench.programs, &scenario);
        let _ = bench.run(&load.on(contender, &bench.programs).pinned());
    }
    Ok(())
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph(
        "Messages of 1000 characters at a fixed rate over 1000 connections, each to a random other. A latency counts from when its message should have been \
         sent, so that a server that falls behind cannot hide it. Cores are kept awake by idle spinners: else waking one up is what is measured.",
    );
    let mut rows = Vec::new();
    for (name, ..) in contestants() {
        let mut cells = vec![name.clone()];
        for rate in RATES {
            let case = case(rate);
            let spot = Spot(&case, &name, "");
            cells.push(number(results.median(spot, P50)));
            cells.push(number(results.median(spot, P99)));
            cells.push(ratio(results.ratio(spot, Spot(&case, ECHO, ""), P99)));
        }
        rows.push(cells);
    }
    let head = [
        "",
        "2 000/s: p50, ms",
        "p99, ms",
        "p99 / echo's",
        "15 000/s: p50, ms",
        "p99, ms",
        "p99 / echo's",
    ];
    page.table(&head, &rows);
    marks(results, page);
    seed_table(results, page);
}

fn marks(results: &Results, page: &mut Page) {
    for rate in RATES {
        let case = case(rate);
        for name in ["Linker, FAST", "Linker, RELIABLE"] {
            let spot = Spot(&case, name, "");
            let of = |other| results.ratio(spot, Spot(&case, other, ""), P99);
            page.mark(
                &format!("p99 at {case}, {name}, of the echo"),
                Limit::AtMost(1.5, ""),
                of(ECHO),
            );
            page.mark(
                &format!("p99 at {case}, {name}, of Mosquitto"),
                Limit::AtMost(1.0, ""),
                of("Mosquitto"),
            );
            page.quote(&format!("p99 at {case}, {name}, of Mosquitto's"), of("Mosquitto"));
        }
    }
}

/// The label of a row of the load tester for a column.
fn label(feature: &str, connections: u32) -> String {
    format!("{feature} {connections} at")
}

const SERIES: [(&str, &str, &str, usize); 4] = [
    ("echo", ECHO, "-", 1),
    ("Linker, FAST", LINKER, "FAST", 0),
    ("Linker, RELIABLE", LINKER, "RELIABLE", 4),
    ("Mosquitto, QoS 0", "Mosquitto", "FAST", 2),
];

fn seed_table(results: &Results, page: &mut Page) {
    page.paragraph("The seed's table: every client writes to itself, one message of 1000 characters every 10 ms per 1000 connections. p99 in ms, and of the echo's.");
    let value =
        |name, feature, connections| results.median(Spot(TABLE, name, &label(feature, connections)), P99);
    let of_echo = |name, feature, connections| {
        let (own, echo) = (label(feature, connections), label("-", connections));
        results.ratio(Spot(TABLE, name, &own), Spot(TABLE, ECHO, &echo), P99)
    };
    let rows: Vec<Vec<String>> = SERIES
        .iter()
        .map(|(shown, name, feature, _)| {
            let cells = COLUMNS.iter().flat_map(|column| {
                [
                    number(value(name, feature, *column)),
                    ratio(of_echo(name, feature, *column)),
                ]
            });
            std::iter::once((*shown).to_owned()).chain(cells).collect()
        })
        .collect();
    let head = [
        "connections",
        "1000: p99",
        "/ echo",
        "2000: p99",
        "/ echo",
        "3000: p99",
        "/ echo",
        "4000: p99",
        "/ echo",
    ];
    page.table(&head, &rows);
    let drawn: Vec<Line> = SERIES
        .iter()
        .map(|(shown, name, feature, colour)| Line {
            name: (*shown).to_owned(),
            colour: *colour,
            points: COLUMNS
                .iter()
                .filter_map(|column| Some((f64::from(*column), value(name, feature, *column)?)))
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let axis = Axis {
        across: "connections",
        up: "p99, ms",
        up_by_powers: true,
    };
    let title = "The seed's table: p99 by connections";
    page.picture("seed-table", title, lines(title, axis, &drawn));
    for column in COLUMNS {
        for feature in ["FAST", "RELIABLE"] {
            let what = format!("seed's table, {column} connections, {feature} p99, of the echo");
            page.mark(&what, Limit::AtMost(1.5, ""), of_echo(LINKER, feature, column));
        }
    }
}
