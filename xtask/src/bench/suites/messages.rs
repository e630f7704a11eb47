//! Messages from client to client, as fast as they go.

use anyhow::Result;

use super::{CPU, P99, PER_SECOND, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Limit, Page, number, ratio};
use crate::bench::plot::{Bar, bars};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;

pub(super) const SUITE: Suite = Suite {
    name: "messages",
    title: "Messages from client to client",
    round,
    render,
};

/// Connections × messages under way of each.
struct Case {
    name: &'static str,
    what: &'static str,
    scenario: &'static str,
    picture: &'static str,
    fast_max_us: f64,
    confirmed_max_us: f64,
}

const CASES: [Case; 2] = [
    Case {
        name: "1000×1",
        what: "1000 connections, one message of 1000 characters under way from each to a random other",
        scenario: "closed --connections 1000 --in-flight 1 --size 1000",
        picture: "messages-1000x1",
        fast_max_us: 19.0,
        confirmed_max_us: 34.0,
    },
    Case {
        name: "100×10",
        what: "100 connections, ten messages of 100 characters under way from each",
        scenario: "closed --connections 100 --in-flight 10 --size 100",
        picture: "messages-100x10",
        fast_max_us: 5.0,
        confirmed_max_us: 10.0,
    },
];

const ECHO: &str = "echo";
const FAST: &str = "Linker, FAST";
const RELIABLE: &str = "Linker, RELIABLE";
const CONFIRMED: &str = "Linker, RELIABLE confirmed";

fn fast(peer: Contender) -> String {
    peer.name().to_owned()
}

fn acknowledged(peer: Contender) -> String {
    format!("{}, acknowledged", peer.name())
}

fn round(bench: &mut Bench) -> Result<()> {
    for case in &CASES {
        for (name, contender, options) in contestants() {
            let scenario = format!("{} {options} {}", case.scenario, bench.seconds());
            let load = Load::new(case.name, &name, &bench.programs, &scenario);
            let load = load.on(contender, &bench.programs).pinned();
            let _ = bench.run(&load);
        }
    }
    Ok(())
}

/// Everybody, in the order of the tables, with the options that make the difference.
fn contestants() -> Vec<(String, Contender, &'static str)> {
    let linker = |name: &str, options| (name.to_owned(), Contender::Linker, options);
    let mut all = vec![
        (ECHO.to_owned(), Contender::Echo, ""),
        linker(FAST, "--feature fast"),
        linker(RELIABLE, "--feature reliable"),
        linker(CONFIRMED, "--feature reliable --confirm"),
    ];
    for peer in Contender::PEERS {
        all.push((fast(peer), peer, "--feature fast"));
        if peer.acknowledges() {
            all.push((acknowledged(peer), peer, "--feature reliable --confirm"));
        }
    }
    all
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph(
        "CPU time of the server for each delivered message. The echo knows no users and no types: what it costs is what sockets and WebSocket frames \
         cost by themselves. None of the peers' acknowledgements survives what RELIABLE must survive.",
    );
    for case in &CASES {
        page.paragraph(&format!("**{}**: {}.", case.name, case.what));
        let spot = |name| Spot(case.name, name, "");
        let rows: Vec<Vec<String>> = contestants()
            .iter()
            .map(|(name, ..)| {
                let spot = spot(name);
                vec![
                    name.clone(),
                    number(results.median(spot, CPU)),
                    number(results.median(spot, PER_SECOND)),
                    number(results.median(spot, P99)),
                    ratio(results.ratio(spot, Spot(case.name, ECHO, ""), CPU)),
                    ratio(results.ratio(spot, Spot(case.name, FAST, ""), CPU)),
                ]
            })
            .collect();
        let head = [
            "",
            "CPU, µs each",
            "messages/s",
            "p99, ms",
            "CPU / echo's",
            "CPU / FAST's",
        ];
        page.table(&head, &rows);
        picture(results, page, case);
        marks(results, page, case);
    }
}

fn picture(results: &Results, page: &mut Page, case: &Case) {
    let drawn: Vec<Bar> = contestants()
        .iter()
        .filter_map(|(name, contender, _)| {
            Some(Bar {
                name: name.clone(),
                value: results.median(Spot(case.name, name, ""), CPU)?,
                colour: match contender {
                    Contender::Linker => 0,
                    Contender::Echo => 1,
                    _ => 2,
                },
            })
        })
        .collect();
    let title = format!("{}: server CPU for each message", case.name);
    let svg = bars(
        &title,
        "µs of CPU a delivered message (less is better)",
        &drawn,
        None,
    );
    page.picture(case.picture, &title, svg);
}

fn marks(results: &Results, page: &mut Page, case: &Case) {
    let name = case.name;
    let [echo, fast, confirmed] = [ECHO, FAST, CONFIRMED].map(|of| Spot(name, of, ""));
    let us = |most| Limit::AtMost(most, "µs");
    page.mark(
        &format!("FAST {name}"),
        us(case.fast_max_us),
        results.median(fast, CPU),
    );
    let of_echo = results.ratio(fast, echo, CPU);
    if name == "1000×1" {
        page.mark("FAST 1000×1, of the echo", Limit::AtMost(1.05, ""), of_echo);
    }
    page.mark(
        &format!("RELIABLE confirmed {name}"),
        us(case.confirmed_max_us),
        results.median(confirmed, CPU),
    );
    let of_fast = results.ratio(confirmed, fast, CPU);
    if name == "1000×1" {
        page.mark(
            "RELIABLE confirmed 1000×1, of FAST",
            Limit::AtMost(2.0, ""),
            of_fast,
        );
        page.stopped_by(
            "with one message under way a confirmed one is four reads and writes (the message, its pong, the confirmation), a FAST one two, \
             and system calls are most of what either costs; what custody adds comes on top of a ratio of 2. FAST itself is below the bare echo, and both are below their marks in µs",
        );
    }
    page.quote(
        &format!("CPU for a FAST message ({name}), of a bare echo's"),
        of_echo,
    );
    for peer in Contender::PEERS {
        let (plain, acknowledged) = (self::fast(peer), acknowledged(peer));
        let peer_name = peer.name();
        let plain = results.ratio(fast, Spot(name, &plain, ""), CPU);
        page.quote(
            &format!("CPU for a FAST message ({name}), of {peer_name}'s"),
            plain,
        );
        let acknowledged = results.ratio(confirmed, Spot(name, &acknowledged, ""), CPU);
        page.quote(
            &format!("CPU for a confirmed RELIABLE message ({name}), of {peer_name}'s acknowledged one"),
            acknowledged,
        );
    }
}
