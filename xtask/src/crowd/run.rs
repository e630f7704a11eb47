//! The run: one phase after the other, each measured, nothing lost in any.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::field::Field;
use super::measure::{MemoryUse, Phase, Reading};
use super::options::Options;
use super::outcome::Outcome;
use super::store;
use crate::local::metric;
use crate::steps::announce;

/// Logins a second below which waiting for them is given up.
const LOGINS_A_SECOND_MIN: u32 = 200;
/// A crowd whose node is gone is back within this time, and what was under way has arrived within this time.
const RECOVERED_WITHIN: Duration = Duration::from_secs(240);
const WARM_UP: Duration = Duration::from_secs(3);
/// Messages flow for this long before a node is lost, and after all are back.
const AROUND_A_FAULT: Duration = Duration::from_secs(3);
/// Whoever spreads connections over the nodes notices after this time that one does not answer.
const NOTICED_AFTER: Duration = Duration::from_secs(2);
/// A part tells its counts every second.
const STATUS_EVERY: Duration = Duration::from_millis(1200);

/// Runs all phases and tells what came of them, also of those before a failure.
///
/// # Errors
/// A phase failed, or something was lost.
pub(super) fn run(options: &Options, ended: &Arc<AtomicBool>) -> Result<()> {
    let mut field = Field::start(options, ended)?;
    let mut outcome = Outcome::new(options);
    let result = phases(options, &mut field, &mut outcome);
    if let Err(error) = &result {
        outcome.failed(format!("{error:#}"));
        tell_what_is_missing(&mut field);
    }
    // The machine is free again before anybody reads.
    drop(field);
    println!("{}", outcome.table());
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", outcome.json()))?;
    }
    result
}

/// What helps to find out why it failed, as far as it can be had.
fn tell_what_is_missing(field: &mut Field) {
    for report in field.reports().unwrap_or_default() {
        for overdue in report["overdue"].as_array().into_iter().flatten() {
            println!("unconfirmed: {}", overdue.as_str().unwrap_or_default());
        }
    }
    if let Ok(rows) = field.store_url().and_then(|url| store::oldest(&url)) {
        println!("waiting in the store:\n{rows}");
    }
    for (place, node) in field.nodes.iter().enumerate() {
        let said = node.said();
        if let Some(last) = said.lines().last() {
            println!("node {} said last: {last}", place + 1);
        }
    }
}

fn phases(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    log_in(options, field, outcome)?;
    idle(options, field, outcome)?;
    messages(options, field, outcome)?;
    node_dies(options, field, outcome)?;
    rolling_restart(options, field, outcome)?;
    verify(options, field, outcome)
}

fn all_ready(options: &Options) -> impl Fn(&super::part::Totals) -> bool + use<> {
    let users = u64::from(options.sessions);
    move |totals| totals.get("ready") == users
}

fn log_in(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    announce(&format!(
        "{} users log in to {} nodes",
        options.sessions, options.nodes
    ));
    field.rest("settling", Duration::from_secs(2))?;
    let before = Reading::take(field)?;
    outcome.empty = Some(MemoryUse::read(field)?);
    let began = Instant::now();
    field.gather()?;
    let limit = Duration::from_secs(u64::from(options.sessions / LOGINS_A_SECOND_MIN) + 60);
    field.wait("logging in", limit, all_ready(options))?;
    let seconds = began.elapsed().as_secs_f64();
    let mut phase = Phase::end("log in", &before, field)?;
    phase
        .more
        .insert("loginsPerSecond", json!(f64::from(options.sessions) / seconds));
    outcome.add(phase);
    Ok(())
}

fn idle(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    announce("they idle");
    field.rest("settling", Duration::from_secs(3))?;
    let before = Reading::take(field)?;
    field.rest("idling", options.idle)?;
    let phase = Phase::end("idle", &before, field)?;
    // Each session was pinged once at least if it idled for longer than the interval.
    let pinged = phase.pinged;
    outcome.add(phase);
    ensure!(
        options.idle <= options.heartbeat || pinged == u64::from(options.sessions),
        "only {pinged} of {} were pinged within {:?}",
        options.sessions,
        options.idle
    );
    Ok(())
}

/// Has messages end, and waits until each is confirmed and has arrived.
fn quiet(field: &mut Field) -> Result<()> {
    field.order("stop")?;
    field.rest("stopping", STATUS_EVERY)?;
    field.wait("what is under way arrives", RECOVERED_WITHIN, |totals| {
        totals.get("underWay") == 0 && totals.get("arrived") >= totals.get("sent")
    })?;
    let totals = field.totals();
    ensure!(
        totals.all_arrived(),
        "{} messages were sent and {} arrived, but not the same ones",
        totals.get("sent"),
        totals.get("arrived")
    );
    Ok(())
}

fn messages(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    announce(&format!("{} messages a second among random pairs", options.rate));
    field.set_rate(options.rate)?;
    field.rest("warming up", WARM_UP)?;
    let before = Reading::take(field)?;
    field.rest("messages", options.traffic)?;
    let phase = Phase::end("messages", &before, field)?;
    outcome.add(phase);
    quiet(field)
}

fn node_dies(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    announce(&format!(
        "node 1 is killed, while {} messages a second go on",
        options.fault_rate
    ));
    // With regard to room, but not to the victim, which nobody knows.
    field.steer_past(None)?;
    field.set_rate(options.fault_rate)?;
    field.rest("messages", AROUND_A_FAULT)?;
    let before = Reading::take(field)?;
    let returns = before.totals.get("returns");
    field.kill_node(0)?;
    let began = Instant::now();
    field.rest("its users come back", NOTICED_AFTER)?;
    field.steer_past(None)?;
    let all = all_ready(options);
    field.wait("its users come back", RECOVERED_WITHIN, |totals| {
        all(totals) && totals.get("returns") > returns
    })?;
    let back = began.elapsed();
    field.rest("messages", AROUND_A_FAULT)?;
    quiet(field)?;
    let settled = began.elapsed();
    let mut phase = Phase::end("a node dies", &before, field)?;
    phase.more.insert("allBackSeconds", json!(back.as_secs_f64()));
    phase
        .more
        .insert("allArrivedSeconds", json!(settled.as_secs_f64()));
    outcome.add(phase);
    field.start_node(0)
}

fn rolling_restart(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    announce(&format!(
        "{} nodes restart, one after the other, while {} messages a second go on",
        options.restart, options.fault_rate
    ));
    let before = Reading::take(field)?;
    field.set_rate(options.fault_rate)?;
    let mut drains = Vec::new();
    let mut rounds = Vec::new();
    for place in 0..options.restart as usize {
        let began = Instant::now();
        field.steer_past(Some(place))?;
        let returns = field.totals().get("returns");
        let sessions = metric(&field.metrics_of(place)?, "linker_sessions", "");
        drains.push(field.drain_node(place)?.as_secs_f64());
        field.start_node(place)?;
        let all = all_ready(options);
        let moved = sessions as u64;
        field.wait(
            "users of a restarted node come back",
            RECOVERED_WITHIN,
            |totals| all(totals) && totals.get("returns") >= returns + moved,
        )?;
        rounds.push(began.elapsed().as_secs_f64());
    }
    quiet(field)?;
    let mut phase = Phase::end("rolling restart", &before, field)?;
    phase.more.insert("drainSeconds", json!(drains));
    phase.more.insert("secondsANode", json!(rounds));
    outcome.add(phase);
    Ok(())
}

/// The end: all are there, everything has arrived, the registry has exactly these sessions, and nothing waits in the store.
fn verify(options: &Options, field: &mut Field, outcome: &mut Outcome) -> Result<()> {
    let totals = field.wait("all are there", RECOVERED_WITHIN, all_ready(options))?;
    outcome.totals = Some(totals);
    quiet(field)?;
    let users = f64::from(options.sessions);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = field.metrics()?;
        let sessions = metric(&text, "linker_sessions", "");
        let registered = metric(&text, "linker_presence_entries", "");
        let waiting = store::waiting(&field.store_url()?)?;
        if (sessions, registered, waiting) == (users, users, 0) {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "the nodes have {sessions} sessions and {registered} are registered, which should be {users} each; \
             {waiting} messages wait in the store, which should be none"
        );
        field.pause()?;
    }
    Ok(())
}
