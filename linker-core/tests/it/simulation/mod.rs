//! A whole node in virtual time: the real state machines of sessions and custody, wired as linker-actors wires them, and everything around them that can
//! go wrong. A seed gives a world; `SEED=n` replays one with a trace, `SEEDS=n` runs more of them.

mod audit;
mod bus;
mod checker;
mod client;
mod cluster;
mod entry;
mod faults;
mod mail;
mod members;
mod node;
mod plan;
mod presence;
mod reading;
mod registry;
mod router;
mod shell;
mod sim;
mod socket;
mod store;

use std::sync::atomic::Ordering;
use std::time::Duration;

use client::Connection;
pub(crate) use client::directory;
use linker_core::id::MessageId;
pub(crate) use plan::Rng;
use sim::{Event, Sim};

/// Worlds of one run of the tests.
const SEEDS: u64 = 1000;
/// Failing worlds after which no more are tried.
const FAILURES_SHOWN: usize = 10;

fn live_through(seed: u64, tracing: bool) {
    let mut sim = Sim::new(seed, tracing);
    for client in 0..sim.clients.len() {
        sim.schedule_in_world(Duration::ZERO, Event::ClientActs(client));
    }
    sim.schedule_faults();
    sim.run_until(sim.now + sim.plan.length);
    sim.heal();
    sim.check_nobody_there();
    sim.bring_everybody_back();
    sim.check_all_quiet();
    sim.checker.at_the_end(&sim.waiting());
}

impl Sim {
    /// Where a node was taken for dead, who stays connected need neither come again nor fetch, nor send anything again.
    fn stay(&mut self) {
        let excused =
            self.plan.crashes + self.plan.router_faults + self.plan.store_faults + self.plan.bus_losses;
        if self.plan.freezes + self.plan.cut_offs == 0 || excused + self.plan.bus_aways > 0 {
            return;
        }
        self.run_until(self.now + Duration::from_secs(15));
        // Of two sessions of a user, one may be passed over for what the other has, and then does not give.
        let there = |user| {
            let of_user = |one: &&Connection| self.clients[one.client].user == user;
            let open = self
                .connections
                .iter()
                .filter(of_user)
                .filter(|one| one.is_open());
            let since = open.map(|connection| connection.logged_in_at).min()?;
            let before = |one: &Connection| one.ended_at < since;
            let others = self.connections.iter().filter(of_user).filter(|one| !before(one));
            (others.count() == 1).then_some(since)
        };
        self.checker.confirmed_who_stayed(there);
    }

    fn heal(&mut self) {
        sim::trace!(self, "everything heals");
        self.end_faults();
        self.stay();
        self.hang_up();
        // Longer than silent connections, an absent store and remembered removals last; of several nodes, than guests wait for word.
        let several = Duration::from_secs(if self.plan.nodes > 1 { 35 } else { 0 });
        self.run_until(self.now + Duration::from_secs(25) + several);
    }

    fn check_nobody_there(&mut self) {
        for node in &self.nodes {
            assert!(node.sessions.is_empty(), "connections of nobody");
            assert!(node.table.all().is_empty(), "sessions of nobody");
        }
        assert!(self.registry.is_empty(), "somebody is registered still");
        self.check_nothing_held();
    }

    fn check_nothing_held(&mut self) {
        for (place, node) in self.nodes.iter_mut().enumerate() {
            for router in &mut node.routers {
                if !router.custody.is_empty() {
                    panic!("pending at node {place}: {:?}", router.custody.surrender());
                }
                let waits = router.custody.deadline();
                assert_eq!(waits, None, "custody of node {place} waits");
                assert!(router.undelivered.is_empty() && router.paused.is_empty());
                assert!(!router.asking, "a router asks");
            }
            assert_eq!(node.shared.pending_bytes.load(Ordering::Relaxed), 0);
            assert_eq!(node.shared.pending_messages.load(Ordering::Relaxed), 0);
            assert_eq!(node.shared.claims().held(), 0, "claims of node {place}");
            assert!(node.store_is_idle(), "the store of node {place} has work");
            assert!(node.turns.is_empty(), "turns to fetch");
            assert!(node.cluster.peers().iter().all(|peer| peer.outbox.is_empty()));
        }
    }

    /// One device of each user, with replay.
    fn bring_everybody_back(&mut self) {
        for client in 0..self.clients.len() {
            self.connect(client, false, true);
        }
        let several = Duration::from_secs(if self.plan.nodes > 1 { 50 } else { 0 });
        self.run_until(self.now + Duration::from_secs(15) + several);
    }

    fn check_all_quiet(&mut self) {
        self.check_nothing_held();
        for node in &self.nodes {
            for entry in node.table.all() {
                assert_eq!(entry.backlog_bytes.get(), 0, "{entry:?} holds bytes");
                assert_eq!(entry.unsettled_bytes.get(), 0, "{entry:?} waits");
                let gate = entry.gate.get();
                assert!(
                    !gate.behind && gate.diverted == 0,
                    "{entry:?} is not live: {gate:?}"
                );
            }
            for session in node.sessions.values() {
                assert!(session.is_idle(), "connection {} has something left", session.id);
            }
        }
        // A router that starts over may ask twice for one insert, and the queue then cancels only the later.
        let left = |node: &node::Node| node.table.audit.borrow().left_for_a_fetch;
        let known = self.checker.a_router_panicked || self.nodes.iter().any(left);
        // Two nodes that were both shown a row, and proved it, both owe its confirmation; and what is sent again by another node may be stored there.
        let twice = |row: &&store::Row| self.plan.nodes > 1 && self.checker.has_had(&row.envelope);
        let rows = self.store.rows.values().filter(|row| !twice(row));
        let rows: Vec<_> = rows.map(|row| (row.reason, &row.envelope)).collect();
        assert!(rows.is_empty() || known, "rows nobody was sent: {rows:?}");
    }

    fn waiting(&self) -> Vec<MessageId> {
        self.store.rows.values().map(|row| row.envelope.id).collect()
    }
}

#[test]
fn no_world_loses_repeats_or_leaks_anything() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        live_through(seed, true);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let fails = |seed: &u64| std::panic::catch_unwind(|| live_through(*seed, false)).is_err();
    let share = |first| {
        (first..seeds)
            .step_by(2)
            .filter(fails)
            .take(FAILURES_SHOWN)
            .collect()
    };
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let other = scope.spawn(|| share(1));
        let mut failed: Vec<u64> = share(0);
        failed.extend(other.join().expect("failures are caught"));
        failed
    });
    assert!(
        failed.is_empty(),
        "worlds that fail: {failed:?}; run one of them alone with SEED=n to see its trace"
    );
}
