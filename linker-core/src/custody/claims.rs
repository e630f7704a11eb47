//! Which rows of the store are in somebody's hands: being delivered, or proven and about to be removed. A fetch must pass them over.

use std::collections::HashMap;
use std::time::Duration;

use crate::envelope::Envelope;
use crate::id::{MessageId, SessionId, UserId};

/// How long a removed row is remembered: a page that was read before the removal may still be on its way.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Places that a map may keep though it has nothing for them: what a burst needed goes back when it is over.
const ROOM_KEPT: usize = 64;
/// A page read longer ago than this must be thrown away and read again.
pub const PAGE_AGE_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Being written, or written a moment ago: it will wait, or be offered, as soon as its router knows.
    Written,
    /// A session has it, or has proven it.
    Held,
    /// This one has it from the store.
    Adopted(SessionId),
    /// A router keeps it in line until a fault ends; whoever asks the store may have it.
    Kept,
    /// Another node is storing it for sessions here; whoever finds it may have it.
    Expected,
    /// When, and where another domain has the message, how many it had left then.
    Deleted(Duration, Option<u8>),
}

impl Claim {
    fn is_in_hands(&self) -> bool {
        matches!(self, Self::Held | Self::Adopted(_))
    }

    fn is_known_here(&self) -> bool {
        matches!(self, Self::Written | Self::Held | Self::Adopted(_) | Self::Kept)
    }
}

/// What came of trying to take a row that a page showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was free, and is held now.
    Yes,
    /// Another session has it.
    Held,
    /// The session itself has it, or it was removed lately: pass it over.
    Passed,
    /// Its router has not decided yet: what comes after it must wait for that, or it would be overtaken.
    Undecided,
}

/// Claims of all routers of a node, by recipient.
#[derive(Debug, Default)]
pub struct Claims {
    of: HashMap<UserId, HashMap<MessageId, Claim>>,
}

impl Claims {
    /// A row is about to be written; `held`: a session has it already.
    pub fn write(&mut self, user: UserId, id: MessageId, held: bool) {
        let claim = if held { Claim::Held } else { Claim::Written };
        self.of.entry(user).or_default().insert(id, claim);
    }

    /// A session has been given a row that is being written or was written, or has given it back.
    pub fn set_held(&mut self, user: &UserId, id: &MessageId, held: bool) {
        let claim = self.of.get_mut(user).and_then(|rows| rows.get_mut(id));
        if let Some(claim @ (Claim::Held | Claim::Adopted(_) | Claim::Written)) = claim {
            *claim = if held { Claim::Held } else { Claim::Written };
        }
    }

    /// Takes a row for whoever will have it.
    pub fn take(&mut self, envelope: &Envelope) -> Taken {
        self.take_as(envelope, Claim::Held)
    }

    /// Takes a row that a page showed to this session.
    pub fn adopt(&mut self, envelope: &Envelope, session: SessionId) -> Taken {
        self.take_as(envelope, Claim::Adopted(session))
    }

    fn take_as(&mut self, envelope: &Envelope, claim: Claim) -> Taken {
        let rows = self.of.entry(envelope.to).or_default();
        match rows.get(&envelope.id) {
            None | Some(Claim::Kept | Claim::Expected) => {
                rows.insert(envelope.id, claim);
                Taken::Yes
            }
            Some(Claim::Written) => Taken::Undecided,
            // It has come back since.
            Some(Claim::Deleted(_, Some(within))) if *within < envelope.hops() => {
                rows.insert(envelope.id, claim);
                Taken::Yes
            }
            Some(Claim::Deleted(..)) => Taken::Passed,
            Some(own @ Claim::Adopted(_)) if *own == claim => Taken::Passed,
            Some(Claim::Held | Claim::Adopted(_)) => Taken::Held,
        }
    }

    /// Takes a row that was left to the store: none that a router keeps.
    pub fn take_left(&mut self, envelope: &Envelope) -> bool {
        let known = self.of.get(&envelope.to).and_then(|rows| rows.get(&envelope.id));
        !known.is_some_and(|claim| matches!(claim, Claim::Kept | Claim::Expected))
            && self.take(envelope) == Taken::Yes
    }

    /// Its router keeps it until a fault ends.
    pub fn keep(&mut self, user: UserId, id: MessageId) {
        self.of.entry(user).or_default().insert(id, Claim::Kept);
    }

    /// Takes a row that its router kept, unless somebody has had it from the store meanwhile.
    pub fn take_kept(&mut self, user: &UserId, id: &MessageId) -> bool {
        match self.of.get_mut(user).and_then(|rows| rows.get_mut(id)) {
            Some(claim @ Claim::Kept) => {
                *claim = Claim::Held;
                true
            }
            _ => false,
        }
    }

    /// Another node is storing it for sessions here: what comes later would overtake it.
    pub fn expect(&mut self, user: UserId, id: MessageId) {
        self.of.entry(user).or_default().insert(id, Claim::Expected);
    }

    /// It is stored, or will not be, for all that is known here.
    pub fn expect_no_more(&mut self, user: &UserId, id: &MessageId) {
        let claim = self.of.get(user).and_then(|rows| rows.get(id));
        if claim == Some(&Claim::Expected) {
            self.release(user, id);
        }
    }

    /// The row waits again, for whoever asks.
    pub fn release(&mut self, user: &UserId, id: &MessageId) {
        if let Some(rows) = self.of.get_mut(user) {
            rows.remove(id);
            if rows.is_empty() {
                self.of.remove(user);
            }
        }
    }

    /// The row is gone for good, if it is not that of a message which has come back: `forwarded` as in [`crate::port::StoreBatch::forwarded`].
    pub fn deleted(&mut self, user: UserId, id: MessageId, forwarded: Option<u8>, now: Duration) {
        let claim = Claim::Deleted(now, forwarded);
        self.of.entry(user).or_default().insert(id, claim);
    }

    /// Rows of a user that do not wait for it, though the store may show them.
    pub fn of(&self, user: &UserId) -> Vec<MessageId> {
        self.rows(user, |claim| !matches!(claim, Claim::Kept | Claim::Expected))
    }

    /// Rows of a user that somebody has, or whose removal is on its way.
    pub fn in_hands(&self, user: &UserId) -> Vec<MessageId> {
        self.rows(user, Claim::is_in_hands)
    }

    /// Keeps those of these rows that [`Claims::in_hands`] would still name.
    pub fn keep_in_hands(&self, user: &UserId, ids: &mut Vec<MessageId>) {
        let rows = self.of.get(user);
        ids.retain(|id| rows.and_then(|rows| rows.get(id)).is_some_and(Claim::is_in_hands));
    }

    /// Whether somebody of this node has it, or will be given it: then it is known here when it is proven.
    pub fn is_known_here(&self, user: &UserId, id: &MessageId) -> bool {
        let claim = self.of.get(user).and_then(|rows| rows.get(id));
        claim.is_some_and(Claim::is_known_here)
    }

    /// Rows of a user of which [`Claims::is_known_here`] is true.
    pub fn known_here(&self, user: &UserId) -> Vec<MessageId> {
        self.rows(user, Claim::is_known_here)
    }

    fn rows(&self, user: &UserId, which: impl Fn(&Claim) -> bool) -> Vec<MessageId> {
        let rows = self.of.get(user).into_iter().flatten();
        rows.filter(|(_, claim)| which(claim))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether a row of this user is being written, here or by another node, and nobody has it: what is sent to the user before it overtakes it.
    pub fn is_undecided(&self, user: &UserId) -> bool {
        let rows = self.of.get(user);
        rows.is_some_and(|rows| {
            rows.values()
                .any(|claim| matches!(claim, Claim::Written | Claim::Expected))
        })
    }

    /// Forgets rows removed long ago.
    pub fn forget_old(&mut self, now: Duration) {
        self.of.retain(|_, rows| {
            rows.retain(|_, claim| !matches!(claim, Claim::Deleted(at, _) if *at + REMEMBERED <= now));
            if rows.capacity() > ROOM_KEPT {
                rows.shrink_to(rows.len() * 2);
            }
            !rows.is_empty()
        });
        if self.of.capacity() > ROOM_KEPT {
            self.of.shrink_to(self.of.len() * 2);
        }
    }

    /// Rows held, or remembered as removed.
    pub fn len(&self) -> usize {
        self.of.values().map(HashMap::len).sum()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Rows held, not counting remembered removals.
    pub fn held(&self) -> usize {
        self.of
            .values()
            .flat_map(HashMap::values)
            .filter(|claim| !matches!(claim, Claim::Deleted(..)))
            .count()
    }
}
