//! What is registered, and by whom. No clock and no lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use linker_core::id::{NodeInstance, NodeName, UserId};
use linker_core::port::{Cluster, NodeRecord, PresenceError, Reconciled, Registered, SessionRef};

use super::Change;
use super::turns::Turns;
use crate::runtime::by_user::{ByUser, OfUser};

#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Oldest first. Boxed, so that the room that is free takes none.
    sessions: ByUser<Box<Entry>>,
    beats: BTreeMap<NodeName, Beat>,
    /// Who lived when last somebody beat.
    seen: Vec<NodeInstance>,
    /// Runs of which something was swept, the newest of each name.
    swept: HashMap<NodeName, u64>,
    pub(super) turns: Turns,
    /// What the nodes share.
    pub(super) secret: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Entry {
    session: SessionRef,
    first: bool,
}

impl OfUser for Box<Entry> {
    fn user(&self) -> &UserId {
        &self.session.user
    }
}

#[derive(Debug)]
struct Beat {
    record: NodeRecord,
    at: Instant,
}

/// How to tell who lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alive {
    pub(super) now: Instant,
    /// `None`: everybody does.
    pub(super) timeout: Option<Duration>,
}

impl Alive {
    fn beats(self, beat: &Beat) -> bool {
        let fresh = |timeout| self.now.saturating_duration_since(beat.at) < timeout;
        self.timeout.is_none_or(fresh)
    }
}

/// What came of removing an entry.
#[derive(Debug, Default)]
pub(super) struct Removal {
    removed: bool,
    /// And it was the user's last.
    pub(super) last: bool,
}

impl Registry {
    pub(super) fn register(&mut self, session: SessionRef, limit: usize, alive: Alive) -> Registered {
        let mut registered = Registered {
            first: self.add(session.clone()),
            evicted: Vec::new(),
        };
        let count = self.sessions.of(&session.user).len();
        for _ in limit..count {
            let Some(entry) = self.to_evict(&session, alive) else {
                break;
            };
            self.remove(&entry);
            registered.evicted.push(entry);
        }
        registered
    }

    /// Whether it was its user's first, also if it was there already.
    fn add(&mut self, session: SessionRef) -> bool {
        let entries = self.sessions.of(&session.user);
        if let Some(known) = entries.iter().find(|entry| entry.session == session) {
            return known.first;
        }
        let first = entries.is_empty();
        self.sessions.push(Box::new(Entry { session, first }));
        first
    }

    /// The oldest of a dead node, else the oldest; not the one for whom room is made.
    fn to_evict(&self, newest: &SessionRef, alive: Alive) -> Option<SessionRef> {
        let others = || {
            let entries = self.sessions.of(&newest.user).iter();
            entries
                .map(|entry| &entry.session)
                .filter(move |entry| *entry != newest)
        };
        let dead = others().find(|entry| !self.lives(&entry.node, alive));
        dead.or_else(|| others().next()).cloned()
    }

    pub(super) fn remove(&mut self, session: &SessionRef) -> Removal {
        let (removed, left) = self
            .sessions
            .retain(&session.user, |entry| entry.session != *session);
        Removal {
            removed: removed > 0,
            last: removed > 0 && left == 0,
        }
    }

    pub(super) fn sessions_of(&self, user: &UserId, alive: Alive) -> Vec<SessionRef> {
        let entries = self.sessions.of(user).iter();
        entries
            .filter(|entry| self.lives(&entry.session.node, alive))
            .map(|entry| entry.session.clone())
            .collect()
    }

    pub(super) fn entries(&self, node: &NodeInstance) -> u64 {
        let all = self.sessions.all();
        all.filter(|entry| entry.session.node == *node).count() as u64
    }

    fn lives(&self, node: &NodeInstance, alive: Alive) -> bool {
        let holder = || self.holder(&node.name, alive);
        alive.timeout.is_none() || holder().is_some_and(|holder| holder == node)
    }

    /// The living node of that name.
    fn holder(&self, name: &NodeName, alive: Alive) -> Option<&NodeInstance> {
        let beat = self.beats.get(name).filter(|beat| alive.beats(beat))?;
        Some(&beat.record.node)
    }

    fn take_name(&mut self, record: NodeRecord, alive: Alive) -> Result<(), PresenceError> {
        let name = record.node.name.clone();
        if let Some(holder) = self.holder(&name, alive).filter(|holder| **holder != record.node) {
            return Err(PresenceError::NameTaken(holder.clone()));
        }
        let beat = Beat {
            record,
            at: alive.now,
        };
        self.beats.insert(name, beat);
        Ok(())
    }

    pub(super) fn join(&mut self, record: NodeRecord, alive: Alive) -> Result<(), PresenceError> {
        let name = record.node.name.clone();
        self.take_name(record, alive)?;
        self.swept.remove(&name);
        Ok(())
    }

    pub(super) fn beat(
        &mut self,
        record: NodeRecord,
        alive: Alive,
    ) -> (Result<Cluster, PresenceError>, Change) {
        let node = record.node.clone();
        let rejoined = self.holder(&node.name, alive) != Some(&node);
        if let Err(error) = self.take_name(record, alive) {
            return (Err(error), Change::None);
        }
        self.beats.retain(|_, beat| alive.beats(beat));
        self.turns.forget_old(alive.now);
        let nodes: Vec<NodeRecord> = self.beats.values().map(|beat| beat.record.clone()).collect();
        let living: Vec<NodeInstance> = nodes.iter().map(|record| record.node.clone()).collect();
        let change = if living == self.seen {
            Change::None
        } else {
            Change::All
        };
        self.seen = living;
        (Ok(Cluster { nodes, rejoined }), change)
    }

    pub(super) fn leave(&mut self, node: &NodeInstance) {
        let named = self.beats.get(&node.name);
        if named.is_some_and(|beat| beat.record.node == *node) {
            self.beats.remove(&node.name);
        }
    }

    pub(super) fn sweep(&mut self, max: u32, alive: Alive) -> (Vec<UserId>, Change) {
        let all = self.sessions.all().map(|entry| &entry.session);
        let dead: Vec<SessionRef> = all
            .filter(|session| !self.lives(&session.node, alive))
            .take(max as usize)
            .cloned()
            .collect();
        for session in &dead {
            let SessionRef { node, .. } = session;
            self.swept.insert(node.name.clone(), node.incarnation);
        }
        let users = dead.iter().map(|session| session.user).collect();
        let last = dead.iter().filter(|session| self.remove(session).last);
        (last.map(|session| session.user).collect(), Change::Users(users))
    }

    pub(super) fn reconcile(
        &mut self,
        node: &NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> (Reconciled, Change) {
        let kept: HashSet<&SessionRef> = sessions.iter().collect();
        let all = self.sessions.all().map(|entry| &entry.session);
        let surplus: Vec<SessionRef> = all
            .filter(|session| session.node == *node && !kept.contains(session))
            .cloned()
            .collect();
        let swept = self.swept.get(&node.name) == Some(&node.incarnation);
        let mut reconciled = Reconciled::default();
        let mut changed = Vec::new();
        for session in sessions {
            let user = session.user;
            let known = self.sessions.of(&user);
            if known.iter().any(|entry| entry.session == session) {
                continue;
            }
            reconciled.added += 1;
            changed.push(user);
            if self.add(session) && swept {
                reconciled.back.push(user);
            }
        }
        for session in surplus {
            let removal = self.remove(&session);
            reconciled.removed += u64::from(removal.removed);
            changed.push(session.user);
            if removal.last {
                reconciled.gone.push(session.user);
            }
        }
        if swept {
            self.swept.remove(&node.name);
        }
        (reconciled, Change::Users(changed))
    }
}
