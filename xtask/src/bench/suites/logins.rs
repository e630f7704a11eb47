//! Connect, upgrade, log in, close.

use anyhow::Result;

use super::{CPU, P99, PER_SECOND, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Limit, Page, number};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;

pub(super) const SUITE: Suite = Suite {
    name: "logins",
    title: "Logins",
    round,
    render,
};

const CASE: &str = "logins";
const WITH_SERVICES: &str = "Linker, presence in Redis";
const CONTESTANTS: [(&str, Contender); 4] = [
    ("echo (upgrade only)", Contender::Echo),
    ("Linker, presence in memory", Contender::Linker),
    ("Mosquitto", Contender::Mosquitto),
    ("NATS", Contender::Nats),
];

fn load(bench: &Bench, name: &str) -> Load {
    let scenario = format!("logins --at-once 100 --users 10000 {}", bench.seconds());
    Load::new(CASE, name, &bench.programs, &scenario)
}

fn round(bench: &mut Bench) -> Result<()> {
    for (name, contender) in CONTESTANTS {
        let load = load(bench, name).on(contender, &bench.programs).pinned();
        let _ = bench.run(&load);
    }
    let database = bench.databases()?.make()?;
    let variables = bench.urls()?.variables(&database.url(), "node-1");
    let command = bench.programs.linker(&variables.each());
    let load = load(bench, WITH_SERVICES).spawning(&command).pinned();
    let _ = bench.run(&load);
    Ok(())
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph("A hundred clients at once, each connecting, logging in and closing over and over; the server on one core. Redis, RabbitMQ and PostgreSQL share the other with the tester.");
    let names = CONTESTANTS.iter().map(|(name, _)| *name).chain([WITH_SERVICES]);
    let rows: Vec<Vec<String>> = names
        .map(|name| {
            let value = |figure| number(results.median(Spot(CASE, name, ""), figure));
            vec![name.to_owned(), value(PER_SECOND), value(CPU), value(P99)]
        })
        .collect();
    page.table(&["", "logins/s", "CPU, µs each", "p99, ms"], &rows);
    let [memory, redis] = ["Linker, presence in memory", WITH_SERVICES].map(|name| Spot(CASE, name, ""));
    let least = |least| Limit::AtLeast(least, "/s");
    page.mark(
        "logins, presence in memory",
        least(9_000.0),
        results.median(memory, PER_SECOND),
    );
    page.mark(
        "logins, presence in Redis",
        least(6_000.0),
        results.median(redis, PER_SECOND),
    );
    for (what, other) in [
        ("a bare echo's upgrades", "echo (upgrade only)"),
        ("Mosquitto's", "Mosquitto"),
    ] {
        let of = results.ratio(memory, Spot(CASE, other, ""), PER_SECOND);
        page.quote(&format!("logins a second on one core, of {what}"), of);
    }
}
