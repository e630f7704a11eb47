//! Two nodes between which every message goes, beside one.

use anyhow::Result;

use super::{P50, P99, PER_SECOND, Suite};
use crate::bench::databases::Urls;
use crate::bench::load::Load;
use crate::bench::page::{Page, number, ratio};
use crate::bench::process::{cpu_seconds, listener_of};
use crate::bench::results::{Results, Sample, Spot};
use crate::bench::running::Bench;
use crate::bench::server::Server;

pub(super) const SUITE: Suite = Suite {
    name: "nodes",
    title: "Two nodes",
    round,
    render,
};

const EMBEDDED: &str = "one node, embedded parts";
const SERVICES: &str = "one node, services";
const TWO: &str = "two nodes";
const SETUPS: [&str; 3] = [EMBEDDED, SERVICES, TWO];

/// Loads: name, scenario.
const LOADS: [(&str, &str); 5] = [
    ("FAST, full load", "closed --in-flight 4 --feature fast"),
    ("RELIABLE, full load", "closed --in-flight 4 --feature reliable"),
    (
        "RELIABLE confirmed, full load",
        "closed --in-flight 4 --feature reliable --confirm",
    ),
    ("FAST at 1 000/s", "open --rate 1000 --feature fast"),
    (
        "RELIABLE confirmed at 1 000/s",
        "open --rate 1000 --feature reliable --confirm",
    ),
];

/// Figures of what each part cost for a delivered message.
const NODES: &str = "nodesCpuUs";
const BROKER: &str = "brokerCpuUs";
const REDIS: &str = "redisCpuUs";
const POSTGRES: &str = "postgresCpuUs";

fn round(bench: &mut Bench) -> Result<()> {
    let urls = bench.urls()?;
    for setup in SETUPS {
        let database = bench.databases()?.make()?;
        let node = |name: &str| {
            let variables = urls.variables(&database.url(), name);
            bench.programs.linker(&variables.each())
        };
        let commands = match setup {
            EMBEDDED => vec![bench.programs.linker(&[])],
            SERVICES => vec![node("node-1")],
            _ => vec![node("node-1"), node("node-2")],
        };
        let folder = bench.folder.path();
        let servers: Result<Vec<Server>> = commands
            .iter()
            .map(|command| Server::start(command, folder, false))
            .collect();
        let servers = servers?;
        for (case, scenario) in LOADS {
            loaded(bench, &urls, &servers, (case, setup, scenario));
        }
    }
    Ok(())
}

fn loaded(bench: &mut Bench, urls: &Urls, servers: &[Server], (case, setup, scenario): (&str, &str, &str)) {
    let scenario = format!(
        "{scenario} --connections 200 --size 100 --keep-awake {}",
        bench.seconds()
    );
    let load = Load::new(case, setup, &bench.programs, &scenario);
    let to = |load: Load, addresses: &[&str]| match addresses {
        [one, other] => load.with(&["--url", one, "--other-url", other, "--to", "elsewhere"]),
        addresses => addresses
            .iter()
            .fold(load, |load, one| load.with(&["--url", one])),
    };
    let addresses: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
    let real = to(load.clone(), &addresses);
    // Ports are others each time.
    let names = ["ws://127.0.0.1:8088/ws", "ws://127.0.0.1:8089/ws"];
    let shown = to(load, names.get(..addresses.len()).unwrap_or_default());
    let _ = bench.run_with(&shown, |bench, _| {
        let parts: Vec<(&str, Vec<u32>)> = vec![
            (NODES, servers.iter().map(Server::pid).collect()),
            (BROKER, listener_of(&urls.amqp).into_iter().collect()),
            (REDIS, listener_of(&urls.redis).into_iter().collect()),
            (POSTGRES, listener_of(&urls.postgres).into_iter().collect()),
        ];
        let used = |pids: &[u32]| pids.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
        let before: Vec<f64> = parts.iter().map(|(_, pids)| used(pids)).collect();
        let mut sample: Sample = bench.take(&real)?;
        let delivered = sample.figure("", "counts.delivered").unwrap_or(0.0).max(1.0);
        for ((figure, pids), before) in parts.iter().zip(before) {
            if !pids.is_empty() {
                sample.add(figure, (used(pids) - before) * 1e6 / delivered);
            }
        }
        Ok(sample)
    });
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph(
        "One domain on one node, with its embedded parts and with Redis, RabbitMQ and PostgreSQL, and on two nodes between which every message goes. 200 connections, 100 characters. \
         Everything is on this machine and nothing is pinned, so at full load the machine is full. µs of CPU are of the whole run, logins and warm-up included, for each delivered message: of the nodes, and of the services. \
         The nodes were started as in [Several nodes](../README.md#by-hand).",
    );
    let mut rows = Vec::new();
    for (case, scenario) in LOADS {
        for setup in SETUPS {
            let spot = Spot(case, setup, "");
            let value = |figure| number(results.median(spot, figure));
            // A paced load's rate is what was asked for.
            let per_second = if scenario.starts_with("open") {
                String::new()
            } else {
                value(PER_SECOND)
            };
            rows.push(vec![
                format!("{case}: {setup}"),
                per_second,
                value(P50),
                value(P99),
                value(NODES),
                value(BROKER),
                value(REDIS),
                value(POSTGRES),
                ratio(results.ratio(spot, Spot(case, SERVICES, ""), NODES)),
            ]);
        }
    }
    let head = [
        "",
        "messages/s",
        "p50, ms",
        "p99, ms",
        "nodes, µs",
        "RabbitMQ, µs",
        "Redis, µs",
        "PostgreSQL, µs",
        "nodes / one node's",
    ];
    page.table(&head, &rows);
    let fast = |setup| Spot("FAST, full load", setup, "");
    page.quote(
        "CPU of the nodes for a FAST message between two of them, of that within one",
        results.ratio(fast(TWO), fast(SERVICES), NODES),
    );
}
