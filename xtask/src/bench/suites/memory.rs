//! Memory of sessions that do nothing, and what is left of sessions that have gone.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Suite;
use crate::bench::contender::Contender;
use crate::bench::load::{Load, SERVER_CORE};
use crate::bench::page::{Limit, Page, bytes, number, ratio};
use crate::bench::plot::{Bar, bars};
use crate::bench::results::{Results, Sample, Spot};
use crate::bench::running::Bench;
use crate::bench::server::Server;

pub(super) const SUITE: Suite = Suite {
    name: "memory",
    title: "Memory of sessions",
    round,
    render,
};

const IDLE: &str = "idle sessions";
const CHURN: &str = "sessions that came and went";
const LINKER: &str = "Linker";
const EACH: &str = "bytesPerSession";
const BEFORE: &str = "residentBefore";
const AFTER: &str = "residentAfter";
const GONE: &str = "sessionsGone";
/// How long a node has to give memory back.
const SETTLE_MAX: Duration = Duration::from_secs(15);

fn contestants() -> impl Iterator<Item = Contender> {
    [Contender::Echo, Contender::Linker]
        .into_iter()
        .chain(Contender::PEERS)
}

fn round(bench: &mut Bench) -> Result<()> {
    let sessions = bench.count(10_000, 1_000);
    for contender in contestants() {
        let seconds = bench.seconds();
        let scenario = format!("idle --sessions {sessions} --burst 20 --size 1000 {seconds}");
        let load = Load::new(IDLE, contender.name(), &bench.programs, &scenario);
        let _ = bench.run(&load.on(contender, &bench.programs).pinned());
    }
    let scenario =
        format!("idle --sessions {sessions} --burst 1 --size 1000 --settle 1 --seconds 1 --warm-up 0");
    let load = Load::new(CHURN, LINKER, &bench.programs, &scenario);
    let load = load
        .with(&["--server-cpu", SERVER_CORE])
        .on(Contender::Linker, &bench.programs);
    let _ = bench.run_with(&load, |bench, _| churn(bench, &scenario));
    Ok(())
}

/// The same sessions come and go ten times at one server; the first time brings it to the size that it then should keep.
fn churn(bench: &Bench, scenario: &str) -> Result<Sample> {
    let server = Server::start(&bench.programs.linker(&[]), bench.folder.path(), true)?;
    let pid = server.pid().to_string();
    let load = Load::new(CHURN, LINKER, &bench.programs, scenario);
    let load = load.with(&["--url", &server.url, "--pid", &pid, "--server-cpu", SERVER_CORE]);
    let times = bench.count(10, 2);
    let mut gone = 0.0;
    let mut before = 0.0;
    for time in 0..=times {
        let sample = bench.take(&load)?;
        let sessions = sample
            .figure("idle", "sessions")
            .context("it says nothing of sessions")?;
        let (memory, _) = server.await_memory(0, Duration::from_secs(2))?;
        if time == 0 {
            before = memory.resident as f64;
        } else {
            gone += sessions;
        }
    }
    let (memory, took) = server.await_memory((before * 1.1) as u64, SETTLE_MAX)?;
    let mut sample = Sample::default();
    sample.add(BEFORE, before);
    sample.add(AFTER, memory.resident as f64);
    sample.add(GONE, gone);
    sample.add("settledAfterSeconds", took.as_secs_f64());
    Ok(sample)
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph(
        "Resident memory above the server without sessions, divided by the sessions: logged in and idle, then after each had 20 messages of 1000 characters at once.",
    );
    let stage = |name, stage, figure| results.median(Spot(IDLE, name, stage), figure);
    let rows: Vec<Vec<String>> = contestants()
        .map(|contender| {
            let name = contender.name();
            vec![
                name.to_owned(),
                number(stage(name, "idle", "sessions")),
                bytes(exact_idle(results, name)),
                bytes(stage(name, "idle after a burst", EACH)),
                number(stage(name, "idle", "idleCpuPercent")),
            ]
        })
        .collect();
    page.table(
        &[
            "",
            "sessions",
            "idle",
            "after a burst",
            "CPU while idle, % of a core",
        ],
        &rows,
    );
    let drawn: Vec<Bar> = contestants()
        .filter_map(|contender| {
            Some(Bar {
                name: contender.name().to_owned(),
                value: stage(contender.name(), "idle after a burst", EACH)? / 1024.0,
                colour: match contender {
                    Contender::Linker => 0,
                    Contender::Echo => 1,
                    _ => 2,
                },
            })
        })
        .collect();
    let title = "Memory of a session after a burst";
    page.picture(
        "memory",
        title,
        bars(title, "KiB a session (less is better)", &drawn, Some(2.5)),
    );
    let kib = |value: Option<f64>| value.map(|bytes| bytes / 1024.0);
    let most = Limit::AtMost(2.5, "KiB");
    page.mark("idle session", most, kib(exact_idle(results, LINKER)));
    page.mark(
        "idle session after a burst",
        most,
        kib(stage(LINKER, "idle after a burst", EACH)),
    );
    for peer in Contender::PEERS {
        let label = "idle after a burst";
        let of = results.ratio(Spot(IDLE, LINKER, label), Spot(IDLE, peer.name(), label), EACH);
        page.quote(
            &format!("memory of a session after a burst, of {}'s", peer.name()),
            of,
        );
    }
    churned(results, page);
}

/// "idle" is also how the other stage begins, so the row is the first of the two.
fn exact_idle(results: &Results, name: &str) -> Option<f64> {
    results.median(Spot(IDLE, name, "idle"), EACH)
}

fn churned(results: &Results, page: &mut Page) {
    let spot = Spot(CHURN, LINKER, "");
    let of = results.ratio_of(spot, AFTER, BEFORE);
    page.paragraph(&format!(
        "One node, to which the same users came and went, {} sessions in all, a message each: resident memory without sessions {} after the first wave, {} after the last: {} of it.",
        number(results.median(spot, GONE)),
        bytes(results.median(spot, BEFORE)),
        bytes(results.median(spot, AFTER)),
        ratio(of)
    ));
    page.mark(
        "memory after 100 000 sessions came and went, of before",
        Limit::AtMost(1.1, ""),
        of,
    );
}
