//! Whether the application is there, by what becomes of messages.

use std::collections::HashSet;
use std::time::Duration;

use linker_core::id::MessageId;
use tokio::time::Instant;

/// So many different messages not taken, and none taken in between nor for a while, and the application counts as away.
const FAILURES_MAX: usize = 3;
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Different messages that an application which was away is tried with before it counts as away again: enough to find one that it takes behind some that it does not.
const TRIED_MAX: usize = 64;
/// How many of those at once.
const TRIED_AT_ONCE: usize = 8;

pub(super) struct Trials {
    /// Not taken since something was.
    failing: HashSet<MessageId>,
    /// The same, of senders who were set aside for it.
    failing_aside: HashSet<MessageId>,
    /// When something was taken last, or it came up.
    heard_at: Instant,
    /// It counts, or counted, as away, and nothing was taken since.
    is_trying: bool,
}

impl Trials {
    pub(super) fn new() -> Self {
        Self {
            failing: HashSet::new(),
            failing_aside: HashSet::new(),
            heard_at: Instant::now(),
            is_trying: false,
        }
    }

    /// It comes up.
    pub(super) fn begin(&mut self) {
        self.failing.clear();
        self.failing_aside.clear();
        self.heard_at = Instant::now();
    }

    /// It was away, or seems to be.
    pub(super) fn doubt(&mut self) {
        self.is_trying = true;
    }

    pub(super) fn is_trying(&self) -> bool {
        self.is_trying
    }

    /// It was found to be there, or its connection was: that shows as much as a message that is taken. Whether that was in doubt.
    pub(super) fn trust(&mut self) -> bool {
        std::mem::take(&mut self.is_trying)
    }

    /// It has answered sensibly. Whether it was in doubt.
    pub(super) fn heard(&mut self) -> bool {
        self.begin();
        self.trust()
    }

    /// This one was not taken, and is held to be handed over again.
    pub(super) fn failed(&mut self, id: MessageId) {
        self.failing.insert(id);
    }

    /// This one was not taken, and waits in the store with what is behind it.
    pub(super) fn failed_aside(&mut self, id: MessageId) {
        self.failing.remove(&id);
        if self.failing_aside.len() < FAILURES_MAX {
            self.failing_aside.insert(id);
        }
    }

    fn is_quiet(&self) -> bool {
        self.heard_at.elapsed() >= QUIET_MAX
    }

    /// It is not about single messages: nothing more is to be handed over.
    pub(super) fn takes_nothing(&self) -> bool {
        match self.is_trying {
            true => self.failing.len() >= TRIED_MAX,
            false => self.failing.len() >= FAILURES_MAX && self.is_quiet(),
        }
    }

    /// Nothing was taken for a while: but all of whom something was not are set aside, and in nobody's way.
    pub(super) fn seems_away(&self) -> bool {
        let failing = self.failing.len() + self.failing_aside.len();
        !self.is_trying && failing >= FAILURES_MAX && self.is_quiet()
    }

    /// How many may be under way.
    pub(super) fn at_once(&self) -> usize {
        match self.is_trying {
            true => TRIED_AT_ONCE,
            false => usize::MAX,
        }
    }
}
