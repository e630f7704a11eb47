//! Which nodes live, as far as this one knows.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use linker_core::id::NodeInstance;

#[derive(Debug, Default)]
pub(super) struct Living {
    alive: HashSet<NodeInstance>,
    /// Known to be dead, and perhaps not swept yet.
    dead: HashSet<NodeInstance>,
    beaten_at: Option<Instant>,
}

impl Living {
    /// Whether it is known to live, by a beat that is no older than `max_age`. Otherwise its heartbeat has to be looked at.
    pub(super) fn is_alive(&self, node: &NodeInstance, max_age: Duration) -> bool {
        let fresh = |at: Instant| at.elapsed() < max_age;
        self.beaten_at.is_some_and(fresh) && self.alive.contains(node)
    }

    pub(super) fn dead(&self) -> impl Iterator<Item = &NodeInstance> {
        self.dead.iter()
    }

    /// A beat saw these. Answers whether sessions that were found are absent now, or the other way round.
    pub(super) fn beaten(&mut self, alive: HashSet<NodeInstance>, dead: HashSet<NodeInstance>) -> bool {
        let died = !self.alive.is_subset(&alive);
        let back = !self.dead.is_disjoint(&alive);
        *self = Self {
            alive,
            dead,
            beaten_at: Some(Instant::now()),
        };
        died || back
    }

    /// The heartbeat of one was looked at. Answers the same as [`Living::beaten`].
    pub(super) fn seen(&mut self, node: NodeInstance, lives: bool) -> Seen {
        if lives {
            let back = self.dead.remove(&node);
            self.alive.insert(node);
            if back { Seen::Back } else { Seen::Known }
        } else {
            self.alive.remove(&node);
            let new = self.dead.insert(node);
            if new { Seen::Died } else { Seen::Known }
        }
    }
}

/// What is new about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Known,
    Died,
    Back,
}
