//! Who is in the domain: each node's beats, and what follows from the others', as linker-actors does.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::port::{StoredRow, TakeOver};

use super::node::{RouterMail, SHARDS};
use super::presence::PresenceOp;
use super::registry::NODE_TIMEOUT;
use super::sim::{Event, Sim, trace};

/// In life a second.
const BEAT_EVERY: Duration = NODE_TIMEOUT.checked_div(5).expect("not by zero");
const SWEEP_BEATS: u64 = 10;
const RECONCILE_BEATS: u64 = 30;
const FAULT_BEATS: u64 = 2;
const FROM_MEMBERS: u16 = 500;

/// What a node remembers between beats.
pub(crate) struct Members {
    number: u64,
    joined: bool,
    /// Messages of dead nodes may be in the store.
    inherits: bool,
    taking_over: bool,
    /// The registry may not have known this node's sessions for a while.
    pub(crate) was_unknown: bool,
    known: Vec<u32>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            number: 0,
            joined: false,
            inherits: true,
            taking_over: false,
            was_unknown: false,
            known: Vec::new(),
        }
    }
}

impl Sim {
    pub(crate) fn beat(&mut self) {
        self.schedule(BEAT_EVERY, Event::Beat);
        let away = self.registry_is_away();
        let node = &mut self.nodes[self.at];
        node.members.number += 1;
        let (life, number) = (node.life, node.members.number);
        if away {
            if !node.cluster.presence_away.replace(true) {
                node.cluster.forget_all();
            }
            return;
        }
        let rejoined = self.registry.beat(life, self.now) && node.members.joined;
        node.members.joined = true;
        let back = node.cluster.presence_away.replace(false);
        let living = self.registry.living(self.now);
        self.follow(&living);
        if self.nodes[self.at].members.inherits || number.is_multiple_of(SWEEP_BEATS) {
            let (changed, gone) = self.registry.sweep(self.now);
            self.tell_gone(&changed, gone);
        }
        self.nodes[self.at].members.was_unknown |= rejoined || back;
        if rejoined || back || number.is_multiple_of(RECONCILE_BEATS) {
            self.presence(PresenceOp::Reconcile);
        }
        self.move_on(living, number);
    }

    fn follow(&mut self, living: &[u32]) {
        let node = &mut self.nodes[self.at];
        for life in living.iter().filter(|life| **life != node.life) {
            node.cluster.peer(*life);
        }
        if node.members.known != living {
            node.members.known = living.to_vec();
            node.cluster.forget_all();
        }
        for peer in node.cluster.peers() {
            if !living.contains(&peer.life) && peer.set_gone() {
                trace!(self, "{peer:?} lives no more");
                let node = &mut self.nodes[self.at];
                node.cluster.remove(&peer);
                node.cluster.forget_all();
                node.members.inherits = true;
                for shard in 0..SHARDS {
                    let gone = RouterMail::PeerGone(Rc::clone(&peer));
                    self.hop(FROM_MEMBERS, shard, Event::Router(shard, gone));
                }
            }
        }
    }

    /// Moves what dead nodes have left, and what waited for a fault to end.
    fn move_on(&mut self, living: Vec<u32>, number: u64) {
        let node = &mut self.nodes[self.at];
        let has_faults = node.shared.has_faults.load(Ordering::Acquire);
        let waits = has_faults && number.is_multiple_of(FAULT_BEATS);
        let store_away = node.shared.store_away.load(Ordering::Acquire);
        if (!node.members.inherits && !waits) || store_away || node.members.taking_over {
            return;
        }
        let blocked = node.cluster.peers().iter().any(|peer| peer.outbox.is_away());
        let me = node.life;
        let mut spared = living;
        spared.retain(|life| *life != me || blocked || !waits);
        if !spared.contains(&me) {
            node.shared.has_faults.store(false, Ordering::Release);
        }
        node.members.inherits = false;
        node.members.taking_over = true;
        let after = self.store_latency();
        self.schedule(after, Event::TakeOver(spared, 0));
    }

    pub(crate) fn take_over(&mut self, spared: Vec<u32>, after_seq: u64) {
        let node = &mut self.nodes[self.at];
        if self.store_is_away {
            node.shared.has_faults.store(true, Ordering::Release);
            node.members.inherits = true;
            node.members.taking_over = false;
            return;
        }
        let page = self.store.take_over(&TakeOver {
            node: Some(super::node::instance(node.life)),
            spared: spared.iter().map(|life| super::node::instance(*life)).collect(),
            home: None,
            after_seq,
            max_rows: 256,
            max_bytes: 1024 * 1024,
        });
        let Some(last) = page.rows.last().map(|row| row.seq) else {
            node.members.taking_over = false;
            return;
        };
        trace!(self, "takes over {} rows", page.rows.len());
        let exhausted = page.exhausted;
        let faults = RouterMail::Faults(page.rows);
        self.hop(FROM_MEMBERS, 0, Event::Router(0, faults));
        if exhausted {
            self.nodes[self.at].members.taking_over = false;
        } else {
            let after = self.store_latency();
            self.schedule(after, Event::TakeOver(spared, last));
        }
    }

    /// Looks for what others stored as missed while the registry did not know that its recipients are here.
    pub(crate) fn rescue(&mut self) {
        let node = &self.nodes[self.at];
        let mut missed = Vec::new();
        let claims = node.shared.claims();
        let proven = node.shared.proven_lately();
        for (&seq, row) in &self.store.rows {
            let sessions = node.table.of(&row.envelope.to);
            let Some(since_ms) = sessions.iter().map(|entry| entry.since_ms).min() else {
                continue;
            };
            let (envelope, reason) = (Arc::clone(&row.envelope), row.reason);
            let waits = self.store.count(&envelope.to, &claims.known_here(&envelope.to)) > 0;
            if waits && (envelope.timestamp_ms >= since_ms || proven.contains(&envelope.id)) {
                missed.push(StoredRow {
                    seq,
                    envelope,
                    reason,
                });
            }
        }
        drop((claims, proven));
        if !missed.is_empty() {
            trace!(
                self,
                "{} messages were missed by users who are here",
                missed.len()
            );
            self.hop(FROM_MEMBERS, 0, Event::Router(0, RouterMail::Faults(missed)));
        }
    }

    pub(crate) fn faults(&mut self, shard: u16, rows: Vec<StoredRow>) {
        self.custody(shard, |custody, cx| custody.adopt_rows(rows, cx));
    }
}
