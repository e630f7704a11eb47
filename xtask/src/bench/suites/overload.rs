//! Twice the load that a node can carry, readers that do not read, and floods to who is away.

mod shown;

use std::time::Duration;

use anyhow::{Context, Result};

use super::{P99, PER_SECOND, Suite};
use crate::bench::load::{Load, SERVER_CORE};
use crate::bench::results::{Results, Sample};
use crate::bench::running::Bench;
use crate::bench::server::Server;

pub(super) const SUITE: Suite = Suite {
    name: "overload",
    title: "Overload",
    round,
    render: |results: &Results, page| shown::render(results, page),
};

const TWICE: &str = "twice what it carries";
const SLOW: &str = "readers that do not read";
const FLOOD: &str = "a flood to absent users";
const FEATURES: [(&str, &str); 2] = [("FAST", "fast"), ("RELIABLE", "reliable")];
/// Twice, so that what a reader costs is told from what the load costs once, as the store's caches.
const READERS: [u32; 2] = [32, 96];

/// Figures that are not the load tester's.
const CARRIED: &str = "carriedPerSecond";
const DROPPED: &str = "droppedByMetrics";
const BEFORE: &str = "residentBefore";
const PEAK: &str = "residentPeak";
const AFTER: &str = "residentAfter";
const BACK_AFTER: &str = "backAfterSeconds";
const ALONE_P99: &str = "aloneP99Ms";

/// Longest that memory may take to come back.
const BACK_MAX: Duration = Duration::from_secs(30);
/// What is freed within this is not of the load.
const REST: Duration = Duration::from_secs(2);

fn round(bench: &mut Bench) -> Result<()> {
    for (name, feature) in FEATURES {
        let shown = twice_load(bench, name, feature, "TWICE").pinned();
        let _ = bench.run_with(&shown, |bench, _| twice(bench, name, feature));
    }
    for readers in READERS {
        for (name, feature) in FEATURES {
            let seconds = bench.seconds();
            let scenario = format!(
                "slow-reader --readers {readers} --senders 16 --rate 20000 --size 1000 --feature {feature} {seconds}"
            );
            let load = Load::new(&slow_case(readers), name, &bench.programs, &scenario);
            let shown = load.clone().spawning(&bench.programs.linker(&[])).pinned();
            let _ = bench.run_with(&shown, |bench, _| beside(bench, &load));
        }
    }
    for (name, feature) in FEATURES {
        let scenario = format!(
            "open --connections 200 --rate 2000 --size 1000 --feature {feature} {}",
            bench.seconds()
        );
        let load = Load::new(FLOOD, name, &bench.programs, &scenario);
        let shown = load.clone().with(&["--url", "ws://127.0.0.1:8088/ws"]);
        let _ = bench.run_with(&shown, |bench, _| flood(bench, &load));
    }
    Ok(())
}

fn slow_case(readers: u32) -> String {
    format!("{readers} {SLOW}")
}

fn start(bench: &Bench) -> Result<Server> {
    Server::start(&bench.programs.linker(&[]), bench.folder.path(), true)
}

/// On a server that is there already.
fn on(server: &Server, load: Load) -> Load {
    let pid = server.pid().to_string();
    load.with(&[
        "--url",
        &server.url,
        "--pid",
        &pid,
        "--server-cpu",
        SERVER_CORE,
        "--keep-awake",
    ])
}

fn twice_load(bench: &Bench, name: &str, feature: &str, rate: &str) -> Load {
    let scenario = format!(
        "open --connections 1000 --size 1000 --feature {feature} --rate {rate} --timeout 60 {}",
        bench.seconds()
    );
    Load::new(TWICE, name, &bench.programs, &scenario)
}

/// First how much it carries, then twice that, then what is left of it.
fn twice(bench: &Bench, name: &str, feature: &str) -> Result<Sample> {
    let server = start(bench)?;
    let closed = format!(
        "closed --connections 1000 --in-flight 16 --size 1000 --feature {feature} {}",
        bench.seconds()
    );
    let carried = bench.take(&on(&server, Load::new(TWICE, name, &bench.programs, &closed)))?;
    let carried = carried.figure("", PER_SECOND).context("nothing was carried")?;
    let (before, _) = server.await_memory(0, REST)?;
    let rate = ((carried * 2.0) as u64).max(1).to_string();
    let dropped = || {
        server.metric(
            "linker_messages_total",
            &format!("feature=\"{name}\",outcome=\"dropped\""),
        )
    };
    let dropped_before = dropped()?;
    let mut sample = bench.take(&on(&server, twice_load(bench, name, feature, &rate)))?;
    let peak = server.memory()?.peak;
    let (after, took) = server.await_memory((before.resident as f64 * 1.1) as u64, BACK_MAX)?;
    for (figure, value) in [
        (CARRIED, carried),
        (DROPPED, dropped()? - dropped_before),
        (BEFORE, before.resident as f64),
        (PEAK, peak as f64),
        (AFTER, after.resident as f64),
        (BACK_AFTER, took.as_secs_f64()),
    ] {
        sample.add(figure, value);
    }
    Ok(sample)
}

/// A load on a server of its own, and the memory around it.
fn beside(bench: &Bench, load: &Load) -> Result<Sample> {
    let server = start(bench)?;
    let warm = format!(
        "closed --connections 100 --in-flight 4 --size 1000 {}",
        bench.seconds()
    );
    bench.take(&on(&server, Load::new(SLOW, "warm", &bench.programs, &warm)))?;
    let (before, _) = server.await_memory(0, REST)?;
    let mut sample = bench.take(&on(&server, load.clone()))?;
    let peak = server.memory()?.peak;
    let (after, took) = server.await_memory((before.resident as f64 * 1.1) as u64, BACK_MAX)?;
    for (figure, value) in [
        (BEFORE, before.resident as f64),
        (PEAK, peak as f64),
        (AFTER, after.resident as f64),
        (BACK_AFTER, took.as_secs_f64()),
    ] {
        sample.add(figure, value);
    }
    Ok(sample)
}

/// The same traffic alone and beside a flood to users who are away.
fn flood(bench: &Bench, load: &Load) -> Result<Sample> {
    let server = start(bench)?;
    let load = on(&server, load.clone());
    let alone = bench.take(&load)?;
    // Around the other on both sides.
    let seconds = bench.options.seconds + 6;
    let flooding = format!(
        "store --senders 16 --users 1000 --in-flight 256 --size 1000 --first-user 3000000 --warm-up 0 --seconds {seconds}"
    );
    let flooding = on(&server, Load::new(FLOOD, "flood", &bench.programs, &flooding));
    let (flooded, sample) = std::thread::scope(|scope| {
        let flooded = scope.spawn(|| bench.take(&flooding));
        let sample = bench.take(&load);
        (flooded.join(), sample)
    });
    let flooded = flooded.map_err(|_| anyhow::anyhow!("the flood's thread failed"))??;
    let mut sample = sample?;
    if let Some(p99) = alone.figure("", P99) {
        sample.add(ALONE_P99, p99);
    }
    if let Some(per_second) = flooded.figure("", PER_SECOND) {
        sample.add(CARRIED, per_second);
    }
    Ok(sample)
}
