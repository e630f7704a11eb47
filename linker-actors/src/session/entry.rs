//! What the node knows of one logged-in session, readable from every thread.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::Recipient;
use actix::prelude::SendError;
use linker_core::clock::Now;
use linker_core::code::CloseCode;
use linker_core::custody::{Delivery, Offer};
use linker_core::envelope::Feature;
use linker_core::id::{SessionId, UserId};
use linker_core::session::CLOSE_LINGER;

use super::ToSession;
use crate::runtime::clock::unix_ms;

/// The gate is shut: live messages go to the store.
const BEHIND: u64 = 1 << 63;
/// It is shut for a replay.
const REPLAYING: u64 = 1 << 62;
/// Messages wait behind the replay: what comes now waits behind them, and not in the store, from where it would overtake them.
const DEFERS: u64 = 1 << 61;
/// How many diverted messages are not stored yet (low 24 bits); above them, how often one was diverted.
const DIVERTED_MASK: u64 = (1 << 24) - 1;
const DIVERSION: u64 = 1 << 24;
const DIVERSIONS_MASK: u64 = (DEFERS - 1) & !DIVERTED_MASK;

/// A replay waits no longer than this: a device out of reach must not keep another one waiting. But it outlasts a session that this one has just replaced, which gives back
/// what it did not prove after that time.
const PATIENCE: Duration = CLOSE_LINGER.saturating_add(Duration::from_millis(500));

/// A logged-in session of this node.
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    /// When it logged in, ms since the epoch.
    pub(crate) since_ms: u64,
    /// Its client has asked for what it missed to be sent unasked.
    pub(crate) replays: bool,
    /// Where its connection comes from.
    pub(crate) address: Option<IpAddr>,
    /// So long its replay waits for what other sessions of the user have.
    patient_until: Duration,
    /// Shared with its worker: each of one's own takes some 130 bytes.
    mailbox: Arc<Recipient<ToSession>>,
    max_unproven_bytes: usize,
    gate: AtomicU64,
    /// When it fell behind last, ms since the epoch.
    behind_since_ms: AtomicU64,
    /// Bytes in the mailbox, unwritten or unproven.
    backlog_bytes: AtomicUsize,
    /// All bytes it was ever handed.
    handed_bytes: AtomicU64,
    /// Bytes this session has submitted that are neither safe nor done.
    unsettled_bytes: AtomicUsize,
    paused: AtomicBool,
    /// A router has it on its list of those that wait for room.
    listed: AtomicBool,
    closed: AtomicBool,
    /// It has given back what it had.
    ended: AtomicBool,
    /// A close that did not fit into the mailbox: the code's number, 0 for none.
    must_close: AtomicU16,
}

impl SessionEntry {
    pub(crate) fn new(
        id: SessionId,
        user: UserId,
        mailbox: Arc<Recipient<ToSession>>,
        max_unproven_bytes: usize,
        replay: bool,
        now: Now,
    ) -> Self {
        Self {
            id,
            user,
            since_ms: now.unix_ms,
            replays: replay,
            address: None,
            patient_until: now.elapsed + PATIENCE,
            mailbox,
            max_unproven_bytes,
            gate: AtomicU64::new(if replay { BEHIND | REPLAYING } else { 0 }),
            behind_since_ms: AtomicU64::new(0),
            backlog_bytes: AtomicUsize::new(0),
            handed_bytes: AtomicU64::new(0),
            unsettled_bytes: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            listed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            must_close: AtomicU16::new(0),
        }
    }

    /// Sends, if the mailbox has room.
    pub(crate) fn post(&self, message: ToSession) -> Result<(), SendError<ToSession>> {
        let sent = self.mailbox.try_send(message);
        if matches!(sent, Err(SendError::Full(_))) {
            metrics::counter!("linker_mailbox_full_total", "actor" => "session").increment(1);
        }
        sent
    }

    /// Sends, room or not: from who cannot come again.
    #[expect(
        clippy::disallowed_methods,
        reason = "as much as the sender had under way, once"
    )]
    pub(crate) fn post_last(&self, message: ToSession) {
        self.mailbox.do_send(message);
    }

    pub(crate) fn offer(&self, mut delivery: Delivery, forced: bool) -> Offer {
        if self.is_closed() {
            return Offer::Gone;
        }
        let gate = self.gate.load(Ordering::Acquire);
        let replaying = gate & REPLAYING != 0;
        if gate & BEHIND != 0 && !delivery.courtesy {
            if gate & DEFERS == 0 {
                return Offer::Behind { replaying };
            }
            delivery.courtesy = true;
        }
        let (cost, courtesy) = (delivery.cost(), delivery.courtesy);
        if courtesy && replaying && gate & DEFERS == 0 && delivery.envelope.feature == Feature::Reliable {
            self.defer();
        }
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
            Ok(()) => {
                self.handed_bytes.fetch_add(cost as u64, Ordering::AcqRel);
                Offer::Taken
            }
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
        if !self.is_behind() {
            self.behind_since_ms.store(unix_ms(), Ordering::Relaxed);
        }
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

    /// It does not keep up: of a replay nobody can tell yet.
    pub(crate) fn is_slow(&self) -> bool {
        self.gate.load(Ordering::Acquire) & (BEHIND | REPLAYING) == BEHIND
    }

    /// When it fell behind last, ms since the epoch.
    pub(crate) fn behind_since_ms(&self) -> u64 {
        self.behind_since_ms.load(Ordering::Relaxed)
    }

    /// Whether its replay waits for what other sessions have: one that has lost its connection is about to give that back.
    pub(crate) fn is_patient(&self, now: Duration) -> bool {
        self.is_replaying() && now < self.patient_until
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
        let seen = seen & !DEFERS;
        let opened = self
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
                let open = gate & !(BEHIND | REPLAYING | DEFERS);
                (gate & !DEFERS == seen && gate & DIVERTED_MASK == 0).then_some(open)
            });
        opened.is_ok()
    }

    fn defer(&self) {
        let _ = self
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
                (gate & REPLAYING != 0).then_some(gate | DEFERS)
            });
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
        self.handed_bytes.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// What it was handed so far, for [`SessionEntry::is_done_with`].
    pub(crate) fn handed_bytes(&self) -> u64 {
        self.handed_bytes.load(Ordering::Acquire)
    }

    /// Whether everything it had been handed by then is proven or given back.
    pub(crate) fn is_done_with(&self, handed: u64) -> bool {
        let under_way = self.backlog_bytes() as u64;
        self.ended.load(Ordering::Acquire) || self.handed_bytes().saturating_sub(under_way) >= handed
    }

    /// It has given back what it had.
    pub(crate) fn has_ended(&self) {
        self.ended.store(true, Ordering::Release);
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

    /// Whether it was not on the list yet.
    pub(crate) fn enlist(&self) -> bool {
        !self.listed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn unlist(&self) {
        self.listed.store(false, Ordering::Release);
    }

    pub(crate) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes.load(Ordering::Acquire)
    }

    /// It reads no more until told to.
    /// Whether nothing is read from its socket, since too much of what it sent is under way.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

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
