//! The presence registry as its port describes it: who is where, over all nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use linker_core::id::{SessionId, UserId};

/// A node that did not beat for so long is dead. In life 5 s.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionRef {
    pub(crate) life: u32,
    pub(crate) session: SessionId,
}

#[derive(Default)]
pub(crate) struct Registry {
    of: BTreeMap<UserId, Vec<SessionRef>>,
    beats: BTreeMap<u32, Duration>,
    pub(crate) away: bool,
    /// Nothing is registered by nodes that do not beat.
    one_node: bool,
}

impl Registry {
    pub(crate) fn of(nodes: usize) -> Self {
        Self {
            one_node: nodes == 1,
            ..Self::default()
        }
    }

    fn lives(&self, life: u32, now: Duration) -> bool {
        let beat = self.beats.get(&life);
        self.one_node || beat.is_some_and(|at| *at + NODE_TIMEOUT > now)
    }

    /// Answers whether it was counted as dead before.
    pub(crate) fn beat(&mut self, life: u32, now: Duration) -> bool {
        let rejoined = !self.lives(life, now);
        self.beats.insert(life, now);
        rejoined
    }

    pub(crate) fn living(&self, now: Duration) -> Vec<u32> {
        let lives = self.beats.keys().copied();
        lives.filter(|life| self.lives(*life, now)).collect()
    }

    /// Whether it is the first, and which have to go.
    pub(crate) fn register(
        &mut self,
        user: UserId,
        session: SessionRef,
        max: usize,
        now: Duration,
    ) -> (bool, Vec<SessionRef>) {
        let mut sessions = self.of.remove(&user).unwrap_or_default();
        let first = sessions.is_empty();
        sessions.push(session);
        let mut evicted = Vec::new();
        while sessions.len() > max {
            let dead = sessions.iter().position(|known| !self.lives(known.life, now));
            evicted.push(sessions.remove(dead.unwrap_or(0)));
        }
        self.of.insert(user, sessions);
        (first, evicted)
    }

    /// Whether it was the last.
    pub(crate) fn farewell(&mut self, user: UserId, session: SessionId) -> bool {
        let Some(sessions) = self.of.get_mut(&user) else {
            return false;
        };
        let before = sessions.len();
        sessions.retain(|known| known.session != session);
        let last = before > 0 && sessions.is_empty();
        if sessions.is_empty() {
            self.of.remove(&user);
        }
        last
    }

    pub(crate) fn lookup(&self, user: &UserId, now: Duration) -> Vec<SessionRef> {
        let sessions = self.of.get(user).into_iter().flatten().copied();
        sessions.filter(|known| self.lives(known.life, now)).collect()
    }

    /// Removes what matches; answers whose sessions these were, and who has none left.
    fn remove(&mut self, gone: impl Fn(&UserId, &SessionRef) -> bool) -> (Vec<UserId>, Vec<UserId>) {
        let mut changed = Vec::new();
        for (user, sessions) in &mut self.of {
            let before = sessions.len();
            sessions.retain(|known| !gone(user, known));
            if sessions.len() < before {
                changed.push(*user);
            }
        }
        let empty = |user: &UserId| self.of.get(user).is_some_and(Vec::is_empty);
        let last = changed.iter().copied().filter(empty).collect();
        self.of.retain(|_, sessions| !sessions.is_empty());
        (changed, last)
    }

    /// Removes what dead nodes left.
    pub(crate) fn sweep(&mut self, now: Duration) -> (Vec<UserId>, Vec<UserId>) {
        let living = self.living(now);
        self.remove(|_, known| !living.contains(&known.life))
    }

    pub(crate) fn forget_life(&mut self, life: u32) {
        self.remove(|_, known| known.life == life);
    }

    /// Makes a node's entries equal to its sessions; answers who changed and who is gone.
    pub(crate) fn reconcile(
        &mut self,
        life: u32,
        sessions: &[(UserId, SessionId)],
    ) -> (Vec<UserId>, Vec<UserId>) {
        let (mut changed, gone) =
            self.remove(|user, known| known.life == life && !sessions.contains(&(*user, known.session)));
        for &(user, session) in sessions {
            let known = self.of.entry(user).or_default();
            if !known.iter().any(|known| known.session == session) {
                known.push(SessionRef { life, session });
                changed.push(user);
            }
        }
        (changed, gone)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}
