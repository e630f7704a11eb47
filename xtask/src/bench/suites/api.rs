//! Pushes, single messages by HTTP, and what it costs to be watched.

mod collector;
mod http;
mod shown;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::collector::Collector;
use self::http::{Connection, messages_per_second};
use super::{CPU, PER_SECOND, Suite};
use crate::bench::load::{Load, SERVER_CORE};
use crate::bench::process::cpu_seconds;
use crate::bench::results::{Results, Sample};
use crate::bench::running::Bench;
use crate::bench::server::Server;

pub(super) const SUITE: Suite = Suite {
    name: "api",
    title: "Pushes, the API, and being watched",
    round,
    render: |results: &Results, page| shown::render(results, page),
};

const ONLINE: &str = "a push to who is online";
const LISTED: &str = "a push to a list";
const MESSAGES: &str = "single messages";
const WATCHED: &str = "being watched";
const FEATURES: [(&str, &str); 2] = [("FAST", "fast"), ("RELIABLE", "reliable")];
/// Names of the loads of [`MESSAGES`].
const BY_HTTP: &str = "by HTTP";
const BY_WEBSOCKET: &str = "by WebSocket, RELIABLE";

/// Figures that are not the load tester's.
const SESSIONS: &str = "sessions";
const LISTED_USERS: &str = "listedUsers";
const SECONDS: &str = "secondsToTheLast";
const DELIVERED: &str = "delivered";
const STORED: &str = "stored";
const CPU_EACH: &str = "cpuUsEach";
const RESIDENT: &str = "residentIdle";
const PEAK: &str = "residentPeak";

/// Loads of [`WATCHED`], and `telemetry.traceRatio`.
const WATCHED_BY: [(&str, Option<&str>); 3] = [
    ("traces off", None),
    ("1 in 100 messages", Some("0.01")),
    ("all messages", Some("1")),
];

const LOGIN_TIME_MAX: Duration = Duration::from_secs(120);
const PUSH_TIME_MAX: Duration = Duration::from_secs(600);
const SETTLE: Duration = Duration::from_secs(3);
/// The load tester's first user.
const FIRST_USER: u64 = 2_000_000;

fn round(bench: &mut Bench) -> Result<()> {
    // A process may have 20 000 files on the machine that this was written for.
    let online = bench.count(19_000, 500);
    for (name, _) in FEATURES {
        let load = resting(bench, ONLINE, name, online);
        let body = format!(
            "{{\"to\": {{\"all\": true}}, \"content\": \"{}\", \"feature\": \"{name}\"}}",
            "x".repeat(1000)
        );
        let _ = bench.run_with(&load, |bench, load| push(bench, load, online, online, &body));
    }
    let listed = bench.count(1_000_000, 5_000);
    let load = resting(bench, LISTED, "RELIABLE", listed / 100);
    let _ = bench.run_with(&load, |bench, load| {
        let ids: Vec<String> = (0..u64::from(listed))
            .map(|user| format!("\"ANZ-{}\"", FIRST_USER + user))
            .collect();
        let body = format!(
            "{{\"to\": [{}], \"content\": \"{}\"}}",
            ids.join(","),
            "x".repeat(100)
        );
        push(bench, load, listed / 100, listed, &body)
    });
    single_messages(bench);
    watched(bench)
}

/// Sessions that do nothing while something else happens.
fn resting(bench: &Bench, case: &str, name: &str, sessions: u32) -> Load {
    let scenario = format!(
        "idle --sessions {sessions} --burst 0 --settle 1 --seconds 3600 --warm-up 0 --first-user {FIRST_USER}"
    );
    Load::new(case, name, &bench.programs, &scenario)
}

fn on(server: &Server, load: &Load) -> Load {
    let pid = server.pid().to_string();
    load.clone().with(&[
        "--url",
        &server.url,
        "--pid",
        &pid,
        "--server-cpu",
        SERVER_CORE,
        "--keep-awake",
    ])
}

/// Waits until so many are there, and the node has nothing more to do for that.
fn await_sessions(server: &Server, sessions: u32) -> Result<()> {
    let began = Instant::now();
    loop {
        let there = server.metric("linker_sessions", "")?;
        if there >= f64::from(sessions) {
            break;
        }
        if began.elapsed() > LOGIN_TIME_MAX {
            bail!("only {there} of {sessions} users have logged in");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(SETTLE);
    Ok(())
}

/// Has so many sessions at a node, pushes, and waits until everybody's fate is known.
fn push(bench: &Bench, load: &Load, online: u32, users: u32, body: &str) -> Result<Sample> {
    let server = Server::start(&bench.programs.linker(&[]), bench.folder.path(), true)?;
    let address: SocketAddr = server
        .admin()
        .parse()
        .context("the node has no address for operators")?;
    let sessions = on(&server, load);
    let resting = sessions.start(bench.folder.path())?;
    await_sessions(&server, online)?;
    let idle = server.memory()?;
    let mut api = Connection::open(address)?;
    let (cpu, began) = (cpu_seconds(server.pid()), Instant::now());
    let push = api.ask("POST", "/api/v1/pushes", body)?;
    let path = format!("/api/v1/pushes/{}", push["pushId"].as_str().context("no pushId")?);
    let report = loop {
        let report = api.ask("GET", &path, "")?;
        if report["pending"] == 0 && report["total"].as_u64().is_some_and(|total| total > 0) {
            break report;
        }
        if began.elapsed() > PUSH_TIME_MAX {
            bail!("after {PUSH_TIME_MAX:?}: {report}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = began.elapsed();
    let cpu = cpu_seconds(server.pid()) - cpu;
    drop(resting);
    let figure = |name: &str| report[name].as_u64().map_or(0.0, |count| count as f64);
    let mut sample = Sample::default();
    for (name, value) in [
        (SESSIONS, f64::from(online)),
        (LISTED_USERS, f64::from(users)),
        (SECONDS, took.as_secs_f64()),
        (DELIVERED, figure("delivered")),
        (STORED, figure("stored")),
        (CPU_EACH, cpu * 1e6 / f64::from(users)),
        (RESIDENT, idle.resident as f64),
        (PEAK, server.memory()?.peak as f64),
    ] {
        sample.add(name, value);
    }
    Ok(sample)
}

/// Sixteen who send one message after the other, by HTTP and by WebSocket, each to a user who is there.
fn single_messages(bench: &mut Bench) {
    const SENDERS: u32 = 16;
    let load = resting(bench, MESSAGES, BY_HTTP, SENDERS);
    let seconds = bench.options.seconds;
    let _ = bench.run_with(&load, |bench, load| {
        let server = Server::start(&bench.programs.linker(&[]), bench.folder.path(), true)?;
        let address: SocketAddr = server
            .admin()
            .parse()
            .context("the node has no address for operators")?;
        let _resting = on(&server, load).start(bench.folder.path())?;
        await_sessions(&server, SENDERS)?;
        let body = |number: u32| {
            let to = FIRST_USER + u64::from(number);
            let message = serde_json::json!({"to": format!("ANZ-{to}"), "content": "x".repeat(1000)});
            Value::to_string(&message)
        };
        let cpu = cpu_seconds(server.pid());
        let per_second = messages_per_second(address, &body, SENDERS, seconds)?;
        let cpu = cpu_seconds(server.pid()) - cpu;
        let mut sample = Sample::default();
        sample.add(PER_SECOND, per_second);
        sample.add(CPU, cpu * 1e6 / (per_second * seconds as f64));
        Ok(sample)
    });
    let scenario = format!(
        "closed --connections {SENDERS} --in-flight 1 --size 1000 --feature reliable {}",
        bench.seconds()
    );
    let load = Load::new(MESSAGES, BY_WEBSOCKET, &bench.programs, &scenario);
    let command = bench.programs.linker(&[]);
    let _ = bench.run(&load.spawning(&command).pinned());
}

/// The same load with traces off, and on at several rates, to a collector that takes everything.
fn watched(bench: &mut Bench) -> Result<()> {
    let collector = Collector::start()?;
    let seconds = bench.seconds();
    for (name, ratio) in WATCHED_BY {
        let traced = [
            ("LINKER__TELEMETRY__OTLPURL", collector.url.as_str()),
            ("LINKER__TELEMETRY__TRACERATIO", ratio.unwrap_or_default()),
        ];
        let variables: &[(&str, &str)] = match ratio {
            Some(_) => &traced,
            None => &[],
        };
        let scenario =
            format!("closed --connections 100 --in-flight 10 --size 100 --feature reliable {seconds}");
        let load = Load::new(WATCHED, name, &bench.programs, &scenario);
        let command = bench.programs.linker(variables);
        let _ = bench.run(&load.spawning(&command).pinned());
    }
    Ok(())
}
