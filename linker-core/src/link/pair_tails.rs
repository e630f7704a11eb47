//! Which message a message must not overtake.

use std::time::Duration;

use crate::generations::Generations;
use crate::id::{MessageId, UserId};

/// A message that left longer ago than this is not waited for: it has arrived, or will not soon. More than [`super::WAIT`], lest one that names none overtakes one that
/// is held.
pub const PAIR_TIME: Duration = Duration::from_secs(30);

/// Pairs of one generation, and messages of one.
const GENERATION_MAX: usize = 1 << 15;

#[derive(Debug)]
struct Tail {
    id: MessageId,
    left_at: Duration,
}

/// The last message that left the domain for another one, of each sender to each recipient.
///
/// For one feature: order is that of messages of the same one. Only of messages, whose ids are new when they leave: the id of a confirmation is as old as
/// its message, and who is to wait for it might take it for long past ([`super::Sequencer`]).
#[derive(Debug)]
pub struct PairTails {
    tails: Generations<(UserId, UserId), Tail>,
    /// What was answered for a message.
    answers: Generations<MessageId, Option<MessageId>>,
}

impl PairTails {
    /// Nothing has left yet.
    pub fn new(now: Duration) -> Self {
        Self {
            tails: Generations::new(GENERATION_MAX, PAIR_TIME, now),
            answers: Generations::new(GENERATION_MAX, PAIR_TIME, now),
        }
    }

    /// `id` leaves now: the message of the pair that left just before it, if that was within [`PAIR_TIME`].
    ///
    /// One that leaves again, because nobody knows whether it arrived, stands where it stood: if it were put behind those that left since then, it would wait for them and
    /// they for it.
    pub fn next(&mut self, from: UserId, to: UserId, id: MessageId, now: Duration) -> Option<MessageId> {
        if let Some(answer) = self.answers.get(&id) {
            return *answer;
        }
        let pair = (from, to);
        let tail = self.tails.get(&pair);
        let after = tail
            .filter(|tail| now <= tail.left_at.saturating_add(PAIR_TIME))
            .map(|tail| tail.id);
        self.tails.insert(pair, Tail { id, left_at: now }, now);
        self.answers.insert(id, after, now);
        after
    }
}
