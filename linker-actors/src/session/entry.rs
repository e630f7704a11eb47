//! What the node knows of one logged-in session, readable from every thread.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};

use actix::Recipient;
use actix::prelude::SendError;
use linker_core::code::CloseCode;
use linker_core::custody::{Delivery, Offer};
use linker_core::id::{SessionId, UserId};

use super::ToSession;

/// The gate is shut: live messages go to the store.
const BEHIND: u64 = 1 << 63;
/// It is shut for a replay.
const REPLAYING: u64 = 1 << 62;
/// How many diverted messages are not stored yet (low 24 bits); above them, how often one was diverted.
const DIVERTED_MASK: u64 = (1 << 24) - 1;
const DIVERSION: u64 = 1 << 24;
const DIVERSIONS_MASK: u64 = (REPLAYING - 1) & !DIVERTED_MASK;

/// A logged-in session of this node.
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    mailbox: Recipient<ToSession>,
    max_unproven_bytes: usize,
    gate: AtomicU64,
    /// Bytes in the mailbox, unwritten or unproven.
    backlog_bytes: AtomicUsize,
    /// Bytes this session has submitted that are neither safe nor done.
    unsettled_bytes: AtomicUsize,
    paused: AtomicBool,
    closed: AtomicBool,
    /// A close that did not fit into the mailbox: the code's number, 0 for none.
    must_close: AtomicU16,
}

impl SessionEntry {
    pub(crate) fn new(
        id: SessionId,
        user: UserId,
        mailbox: Recipient<ToSession>,
        max_unproven_bytes: usize,
        replay: bool,
    ) -> Self {
        Self {
            id,
            user,
            mailbox,
            max_unproven_bytes,
            gate: AtomicU64::new(if replay { BEHIND | REPLAYING } else { 0 }),
            backlog_bytes: AtomicUsize::new(0),
            unsettled_bytes: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            must_close: AtomicU16::new(0),
        }
    }

    /// Sends, if the mailbox has room.
    pub(crate) fn post(&self, message: ToSession) -> Result<(), SendError<ToSession>> {
        self.mailbox.try_send(message)
    }

    pub(crate) fn offer(&self, delivery: Delivery, forced: bool) -> Offer {
        if self.is_closed() {
            return Offer::Gone;
        }
        let gate = self.gate.load(Ordering::Acquire);
        let replaying = gate & REPLAYING != 0;
        if gate & BEHIND != 0 && !delivery.courtesy {
            return Offer::Behind { replaying };
        }
        let (cost, courtesy) = (delivery.cost(), delivery.courtesy);
        let before = self.backlog_bytes.fetch_add(cost, Ordering::AcqRel);
        // One message always fits, however large.
        let fits = forced || before == 0 || before + cost <= self.max_unproven_bytes;
        let sent = if fits {
            self.post(ToSession::Deliver(delivery))
        } else {
            Err(SendError::Full(ToSession::Behind))
        };
        match sent {
            // It ended in between, and may have looked into its mailbox for the last time.
            Ok(()) if self.is_closed() => Offer::Gone,
            Ok(()) => Offer::Taken,
            Err(SendError::Full(_)) => {
                self.backlog_bytes.fetch_sub(cost, Ordering::AcqRel);
                if !courtesy {
                    self.fall_behind();
                }
                Offer::Behind { replaying }
            }
            Err(SendError::Closed(_)) => {
                self.backlog_bytes.fetch_sub(cost, Ordering::AcqRel);
                Offer::Gone
            }
        }
    }

    /// Shuts the gate. The session learns of it with its next message at the latest: it looks at the gate each time.
    pub(crate) fn fall_behind(&self) {
        let before = self.gate.fetch_or(BEHIND, Ordering::AcqRel);
        if before & BEHIND == 0 {
            metrics::counter!("linker_slow_consumers_total").increment(1);
            // Full means that it will be awake anyway.
            let _ = self.post(ToSession::Behind);
        }
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.gate.load(Ordering::Acquire) & BEHIND != 0
    }

    /// It is being sent everything that waits, in order, before it goes live for the first time.
    pub(crate) fn is_replaying(&self) -> bool {
        self.gate.load(Ordering::Acquire) & REPLAYING != 0
    }

    /// Whether a step has to look at something before anything else.
    pub(crate) fn has_news(&self) -> bool {
        self.is_behind() || self.wants_close().is_some()
    }

    /// The gate as it is, for [`SessionEntry::try_live`].
    pub(crate) fn gate(&self) -> u64 {
        self.gate.load(Ordering::Acquire)
    }

    /// Opens the gate, if nothing was diverted since it was `seen` and everything diverted before is stored.
    pub(crate) fn try_live(&self, seen: u64) -> bool {
        let open = seen & !(BEHIND | REPLAYING);
        seen & DIVERTED_MASK == 0
            && self
                .gate
                .compare_exchange(seen, open, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    pub(crate) fn divert(&self) -> bool {
        let noted = self
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
                let more = (gate & DIVERTED_MASK) < DIVERTED_MASK;
                (gate & BEHIND != 0 && more).then(|| {
                    let diversions = (gate & DIVERSIONS_MASK).wrapping_add(DIVERSION) & DIVERSIONS_MASK;
                    (gate & !DIVERSIONS_MASK | diversions) + 1
                })
            });
        noted.is_ok()
    }

    pub(crate) fn diverted_is_stored(&self) {
        let _ = self
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
                (gate & DIVERTED_MASK != 0).then(|| gate - 1)
            });
    }

    pub(crate) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes.load(Ordering::Acquire)
    }

    pub(crate) fn hold(&self, bytes: usize) {
        self.backlog_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn free(&self, bytes: usize) {
        let _ = self
            .backlog_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                Some(held.saturating_sub(bytes))
            });
    }

    pub(crate) fn submitted(&self, bytes: usize) {
        self.unsettled_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Answers whether the session waits for this and must be told to go on.
    pub(crate) fn settled(&self, bytes: usize) -> bool {
        let before = self
            .unsettled_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                Some(held.saturating_sub(bytes))
            });
        let left = before.unwrap_or_default().saturating_sub(bytes);
        left <= super::shell::SUBMIT_CREDIT_BYTES / 2 && self.paused.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes.load(Ordering::Acquire)
    }

    /// It reads no more until told to.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    pub(crate) fn unpause(&self) -> bool {
        self.paused.swap(false, Ordering::AcqRel)
    }

    /// Closes the session though its mailbox is full: it looks here with every step.
    pub(crate) fn must_close(&self, code: CloseCode) {
        self.must_close.store(code.number(), Ordering::Release);
    }

    /// Whether [`SessionEntry::must_close`] was called.
    pub(crate) fn wants_close(&self) -> Option<CloseCode> {
        match self.must_close.load(Ordering::Acquire) {
            0 => None,
            number => CloseCode::from_number(number),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for SessionEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {} of {}", self.id, self.user)
    }
}

impl PartialEq for SessionEntry {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
