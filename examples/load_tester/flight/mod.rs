//! What one sender has under way: which of its messages have arrived, which were answered, and what went wrong.
//!
//! Sender and receiver live in the same thread, so every arrival is checked against what was really sent.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

/// What has to happen to a message before it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// It arrives at its recipient.
    Arrival,
    /// It arrives, and then its confirmation comes back.
    ArrivalAndAnswer,
    /// It arrives, and the server has told its sender that it took it over, in any order.
    ArrivalAndReceipt,
    /// It is accepted; the recipient is away.
    Answer,
    /// It is sent: whether it arrives is not to be known.
    Sent,
}

impl Goal {
    pub(crate) const fn wants_arrival(self) -> bool {
        !matches!(self, Self::Answer | Self::Sent)
    }

    pub(crate) const fn wants_answer(self) -> bool {
        !matches!(self, Self::Arrival | Self::Sent)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    recipient: u32,
    time_ns: u64,
    arrived: bool,
    answered: bool,
    /// A younger message to the same recipient has arrived before it.
    overtaken: bool,
    /// Given up by [`Flight::expire`] or refused: no longer waited for.
    given_up: bool,
}

impl Entry {
    const fn done(&self, goal: Goal) -> bool {
        match goal {
            Goal::Arrival => self.arrived,
            Goal::ArrivalAndAnswer | Goal::Answer => self.answered,
            Goal::ArrivalAndReceipt => self.arrived && self.answered,
            Goal::Sent => true,
        }
    }

    const fn forgettable(&self, goal: Goal) -> bool {
        self.given_up || ((self.arrived || !goal.wants_arrival()) && (self.answered || !goal.wants_answer()))
    }
}

/// What an arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first one, in order. `slot_freed`: the sender may send its next.
    InOrder { slot_freed: bool },
    /// The first one, but a younger message of the same sender to the same recipient had arrived before.
    OutOfOrder { slot_freed: bool },
    /// It had arrived before.
    Duplicate,
    /// It had been counted as lost.
    Late,
    /// It was never sent, or to somebody else.
    Misdelivered,
}

/// What a confirmation or an acceptance means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first one, of the message sent at `time_ns`; `proven`: it had arrived by then, or need not. `slot_freed`: the sender may
    /// send its next.
    First {
        time_ns: u64,
        proven: bool,
        slot_freed: bool,
    },
    /// A repetition, or one that came after its message was given up.
    Repeated,
    Late,
}

/// What [`Flight::expire`] gave up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    /// Messages that did not arrive.
    pub(crate) lost: u64,
    /// Messages that were not confirmed or accepted.
    pub(crate) unanswered: u64,
    /// Places in the window that are free again.
    pub(crate) slots_freed: u32,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    recipient: u32,
    arrival: bool,
    answer: bool,
}

/// One sender's messages under way, oldest first.
#[derive(Debug)]
pub(crate) struct Flight {
    goal: Goal,
    /// Sequence number of the first entry.
    base: u32,
    entries: VecDeque<Entry>,
    /// All before this sequence number have arrived or been given up: bounds the search for overtaken ones.
    arrived_below: u32,
    /// Given up, by sequence number; at most what the run lost.
    missing: HashMap<u32, Missing>,
}

impl Flight {
    pub(crate) fn new(goal: Goal) -> Self {
        Self {
            goal,
            base: 0,
            entries: VecDeque::new(),
            arrived_below: 0,
            missing: HashMap::new(),
        }
    }

    /// Notes a message to `recipient` and returns its sequence number.
    pub(crate) fn start(&mut self, recipient: u32, time_ns: u64) -> u32 {
        let sequence = self.next_sequence();
        if self.goal == Goal::Sent {
            self.base += 1;
            return sequence;
        }
        let entry = Entry {
            recipient,
            time_ns,
            arrived: false,
            answered: false,
            overtaken: false,
            given_up: false,
        };
        self.entries.push_back(entry);
        sequence
    }

    /// The sequence number that [`Flight::start`] gives next, which is how many messages were started.
    pub(crate) fn next_sequence(&self) -> u32 {
        self.base + self.entries.len() as u32
    }

    /// How many entries are kept, those done but behind an older one included.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// Message `sequence` has come to `recipient`.
    pub(crate) fn arrived(&mut self, sequence: u32, recipient: u32) -> Arrival {
        if sequence < self.base {
            return self.arrived_late(sequence, recipient);
        }
        let index = (sequence - self.base) as usize;
        let goal = self.goal;
        let (overtaken, slot_freed) = match self.entries.get_mut(index) {
            Some(entry) if entry.recipient != recipient => return Arrival::Misdelivered,
            Some(entry) if entry.arrived => return Arrival::Duplicate,
            Some(entry) if entry.given_up => return self.arrived_late(sequence, recipient),
            Some(entry) => {
                let was_done = entry.done(goal);
                entry.arrived = true;
                (entry.overtaken, entry.done(goal) && !was_done)
            }
            None => return Arrival::Misdelivered,
        };
        self.mark_overtaken(sequence, recipient);
        self.forget();
        if overtaken {
            Arrival::OutOfOrder { slot_freed }
        } else {
            Arrival::InOrder { slot_freed }
        }
    }

    /// Message `sequence` has been confirmed or accepted.
    pub(crate) fn answered(&mut self, sequence: u32) -> Answer {
        let goal = self.goal;
        if let Some(missing) = self.missing.get_mut(&sequence) {
            if std::mem::take(&mut missing.answer) {
                return Answer::Late;
            }
            return Answer::Repeated;
        }
        let Some(index) = sequence.checked_sub(self.base) else {
            return Answer::Repeated;
        };
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return Answer::Repeated;
        };
        if entry.answered {
            return Answer::Repeated;
        }
        entry.answered = true;
        let first = Answer::First {
            time_ns: entry.time_ns,
            proven: entry.arrived || goal != Goal::ArrivalAndAnswer,
            slot_freed: entry.done(goal),
        };
        self.forget();
        first
    }

    /// The server refused message `sequence`: it is neither lost nor waited for. True if it was under way.
    pub(crate) fn refused(&mut self, sequence: u32) -> bool {
        let Some(index) = sequence.checked_sub(self.base) else {
            return false;
        };
        let goal = self.goal;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return false;
        };
        if entry.given_up || entry.done(goal) {
            return false;
        }
        entry.given_up = true;
        self.forget();
        true
    }

    /// Gives up what was sent before `before_ns` and is not done.
    pub(crate) fn expire(&mut self, before_ns: u64) -> Expired {
        let mut expired = Expired::default();
        for (sequence, entry) in (self.base..).zip(self.entries.iter_mut()) {
            if entry.time_ns >= before_ns {
                break;
            }
            if entry.forgettable(self.goal) {
                continue;
            }
            let missing = Missing {
                recipient: entry.recipient,
                arrival: self.goal.wants_arrival() && !entry.arrived,
                answer: self.goal.wants_answer() && !entry.answered,
            };
            expired.lost += u64::from(missing.arrival);
            expired.unanswered += u64::from(missing.answer);
            expired.slots_freed += u32::from(!entry.done(self.goal));
            entry.given_up = true;
            self.missing.insert(sequence, missing);
        }
        self.forget();
        expired
    }

    fn arrived_late(&mut self, sequence: u32, recipient: u32) -> Arrival {
        let Some(missing) = self.missing.get_mut(&sequence) else {
            return Arrival::Duplicate;
        };
        if missing.recipient != recipient {
            return Arrival::Misdelivered;
        }
        if std::mem::take(&mut missing.arrival) {
            Arrival::Late
        } else {
            Arrival::Duplicate
        }
    }

    /// Marks what is still to come for `recipient` and older than `sequence`, which has arrived. It counts as out of
    /// order when it arrives; if it never does, it is lost and nothing else.
    fn mark_overtaken(&mut self, sequence: u32, recipient: u32) {
        self.arrived_below = self.arrived_below.max(self.base);
        while let Some(entry) = self.entries.get((self.arrived_below - self.base) as usize) {
            if !entry.arrived && !entry.given_up {
                break;
            }
            self.arrived_below += 1;
        }
        let (from, until) = (
            (self.arrived_below - self.base) as usize,
            (sequence - self.base) as usize,
        );
        for entry in self.entries.range_mut(from.min(until)..until) {
            entry.overtaken |= entry.recipient == recipient;
        }
    }

    fn forget(&mut self) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.forgettable(self.goal))
        {
            self.entries.pop_front();
            self.base += 1;
        }
    }
}
