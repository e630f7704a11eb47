//! One router's custody as a state machine: what it holds, and how a message comes in and goes out. The rest is in the files beside: `routing`,
//! `storing`, `proving`, `repetitions`, `adoption`, `surrender`, `fast`; for several nodes `elsewhere`, `words`, `lines`, `guests`.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smallvec::SmallVec;

use super::dedupe::DedupeKey;
use super::delivery::Ticket;
use super::effect::{CustodyEffect, Origin, Outcome, Settlement};
use super::elsewhere::ElsewhereState;
use super::forwarding::Parked;
use super::forwarding::note_predecessor;
use super::guests::Guests;
use super::lines::Lines;
use super::pending::{Pending, PendingTable, Row};
use super::repetitions::Echo;
use super::sessions::LocalSessions;
use super::shared::CustodyShared;
use crate::clock::Now;
use crate::code::{ErrorCode, FrameError};
use crate::envelope::{Envelope, Feature};
use crate::id::{MessageId, UserId};
use crate::port::WaitReason;
use crate::trace::{Fate, Passage, Role};

/// What a router is given along with each input.
pub struct CustodyContext<'a, L: LocalSessions> {
    /// The time.
    pub now: Now,
    /// The node's sessions.
    pub sessions: &'a L,
    /// Makes message ids.
    pub new_id: &'a mut dyn FnMut() -> MessageId,
    /// Effects are appended here.
    pub effects: &'a mut Vec<CustodyEffect<L::Session>>,
}

/// A message to take into custody.
#[derive(Debug)]
pub struct Submission<S> {
    /// The message.
    pub envelope: Envelope,
    /// Who handed it in.
    pub origin: Origin<S>,
    /// Whether `MESSAGE_ACCEPTED` is wanted.
    pub accepted: bool,
}

/// Pending messages of one router.
#[derive(Debug)]
pub struct Custody<S> {
    pub(super) shared: Arc<CustodyShared>,
    pub(super) pending: PendingTable<S>,
    /// Messages taken by a session and not yet stored, by when they must be.
    pub(super) window: VecDeque<(Duration, Ticket)>,
    /// How many of those there may be for each recipient: what is stored for somebody goes behind them.
    pub(super) windowed: HashSet<UserId>,
    pub(super) echoes: VecDeque<Echo<S>>,
    pub(super) elsewhere: ElsewhereState<S>,
    pub(super) guests: Guests,
    pub(super) lines: Lines,
    pub(super) parked: Parked,
}

impl<S: Clone> Custody<S> {
    /// Nothing pending, for the router of this number.
    pub fn new(shard: u16, shared: Arc<CustodyShared>) -> Self {
        Self {
            shared,
            pending: PendingTable::new(shard),
            window: VecDeque::new(),
            windowed: HashSet::new(),
            echoes: VecDeque::new(),
            elsewhere: ElsewhereState::default(),
            guests: Guests::default(),
            lines: Lines::default(),
            parked: Parked::default(),
        }
    }

    /// Pending messages.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message of this id, if it is pending here. Walks through all: for people who ask.
    pub fn find(&self, id: &MessageId) -> Option<Arc<Envelope>> {
        self.pending.find(id).map(|pending| Arc::clone(&pending.envelope))
    }

    /// Why a message cannot be taken now, if it cannot: to be asked before [`Custody::submit`].
    pub fn refusal(&self, envelope: &Envelope) -> Option<FrameError> {
        let safe = envelope.feature == Feature::Reliable && envelope.kind.counts();
        let refused = safe && self.shared.is_full() && self.shared.store_away.load(Ordering::Relaxed);
        refused.then(|| {
            FrameError::new(
                ErrorCode::Unavailable,
                "the store is away and no more can be kept; send again later",
            )
        })
    }

    /// Takes a message; what becomes of it is told by [`CustodyEffect::Settled`], once.
    pub fn submit<L: LocalSessions<Session = S>>(
        &mut self,
        submission: Submission<S>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if submission.envelope.feature == Feature::Fast {
            self.submit_fast(submission, cx);
            return;
        }
        let Submission {
            mut envelope,
            origin,
            accepted,
        } = submission;
        let is_away = note_predecessor(&mut envelope, cx);
        // A repetition is recognised where the recipient lives.
        let key = self.shared.dedupe.key(&envelope).filter(|_| !is_away);
        if let Some(key) = key
            && let Some(known) = self.shared.dedupe.begin(key, envelope.id, cx.now.elapsed)
        {
            self.repeated(key, known, envelope, origin, accepted, cx);
            return;
        }
        let ticket = self.admit(Arc::new(envelope), origin, accepted, key, None, cx.now.elapsed);
        self.route(ticket, cx);
    }

    pub(super) fn admit(
        &mut self,
        envelope: Arc<Envelope>,
        origin: Origin<S>,
        accepted: bool,
        key: Option<DedupeKey>,
        replaces: Option<MessageId>,
        now: Duration,
    ) -> Ticket {
        let ticket = self.hold(envelope, origin, accepted, key, replaces, now);
        self.join_line(ticket);
        ticket
    }

    /// As [`Custody::admit`], for what is not on its way to anybody.
    pub(super) fn hold(
        &mut self,
        envelope: Arc<Envelope>,
        origin: Origin<S>,
        accepted: bool,
        key: Option<DedupeKey>,
        replaces: Option<MessageId>,
        now: Duration,
    ) -> Ticket {
        self.shared
            .pending_bytes
            .fetch_add(envelope.cost(), Ordering::Relaxed);
        self.shared.pending_messages.fetch_add(1, Ordering::Relaxed);
        self.pending.insert(Pending {
            generation: 0,
            envelope,
            origin,
            accepted,
            settled: false,
            taken_at: now,
            key,
            holders: SmallVec::new(),
            diverted: SmallVec::new(),
            sought: false,
            stored_at: now,
            looked_once_more: false,
            refused_by: SmallVec::new(),
            asked_at: now,
            asked: false,
            row: Row::None,
            stripped: false,
            wants_behind: false,
            in_line: false,
            home: None,
            parked: false,
            diverted_forward: None,
            replaces,
        })
    }

    /// What this node answers for keeps its order also where it goes to others.
    pub(super) fn join_line(&mut self, ticket: Ticket) {
        if !self.shared.config.several_nodes {
            return;
        }
        if let Some(pending) = self.pending.get_mut(ticket)
            && pending.feature_is_reliable()
            && !matches!(pending.origin, Origin::Guest(..))
        {
            pending.in_line = true;
            self.lines.join(pending.envelope.to, ticket);
        }
    }

    /// It is not on its way to anybody of this domain any more.
    pub(super) fn leave_line(&mut self, ticket: Ticket) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if std::mem::take(&mut pending.in_line) {
            let user = pending.envelope.to;
            let table = &mut self.pending;
            self.lines.leave(&user, |other| {
                table.get_mut(*other).is_some_and(|left| left.in_line)
            });
        }
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Pending<S>> {
        self.leave_line(ticket);
        let pending = self.pending.remove(ticket)?;
        self.shared
            .pending_bytes
            .fetch_sub(pending.envelope.cost(), Ordering::Relaxed);
        self.shared.pending_messages.fetch_sub(1, Ordering::Relaxed);
        Some(pending)
    }

    /// What is not proven, or confirmed by the next domain, within the commit window is stored.
    pub(super) fn open_window(&mut self, ticket: Ticket, now: Duration) {
        let unsaved = |pending: &&mut Pending<S>| pending.row == Row::None;
        let Some(pending) = self.pending.get_mut(ticket).filter(unsaved) else {
            return;
        };
        let to = pending.envelope.to;
        self.window
            .push_back((now + self.shared.config.commit_window, ticket));
        self.windowed.insert(to);
    }

    /// When [`Custody::on_tick`] wants to be called, if anything waits for time to pass.
    pub fn deadline(&self) -> Option<Duration> {
        let echo = self.echoes.front().map(|_| Duration::ZERO);
        let window = self.window.front().map(|(at, _)| *at + self.shared.patience(*at));
        [window, echo, self.elsewhere_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: what was not proven within the commit window is stored.
    pub fn on_tick<L: LocalSessions<Session = S>>(&mut self, cx: &mut CustodyContext<'_, L>) {
        let patience = self.shared.patience(cx.now.elapsed);
        while let Some(&(at, ticket)) = self.window.front() {
            if at + patience > cx.now.elapsed {
                break;
            }
            self.window.pop_front();
            if self
                .pending
                .get_mut(ticket)
                .is_some_and(|pending| pending.row == Row::None)
            {
                let reason = self.reason_in_flight(ticket);
                self.insert_row(ticket, reason, cx);
            }
        }
        if self.window.is_empty() {
            self.windowed.clear();
            self.windowed.shrink_to(1024);
        }
        if self.window.is_empty() && self.window.capacity() > 1024 {
            self.window = VecDeque::new();
        }
        self.answer_echoes(cx);
        self.look_elsewhere(cx);
    }

    /// What the row of a message says that somebody has unproven.
    pub(super) fn reason_in_flight(&mut self, ticket: Ticket) -> WaitReason {
        let forwarded = self
            .pending
            .get_mut(ticket)
            .is_some_and(|pending| pending.home.is_some());
        match self.shared.config.several_nodes {
            _ if forwarded => WaitReason::Forward,
            true => WaitReason::Fault,
            false => WaitReason::Absent,
        }
    }
}

/// Tells of a traced message that is or was pending: before its sender is told of it ([`settle`]), since that is what tells its first time from others.
pub(super) fn trace<L: LocalSessions>(
    shared: &CustodyShared,
    pending: &Pending<L::Session>,
    fate: Fate,
    cx: &mut CustodyContext<'_, L>,
) {
    if shared.sampling.takes(&pending.envelope.id) {
        let role = match pending.origin {
            Origin::Guest(..) => Role::Guest,
            _ if pending.settled => Role::Again,
            _ => Role::New,
        };
        cx.effects.push(CustodyEffect::Traced(Passage {
            envelope: Arc::clone(&pending.envelope),
            since: pending.taken_at,
            fate,
            role,
        }));
    }
}

/// The same of a message that was never pending.
pub(super) fn trace_at_once<L: LocalSessions>(
    shared: &CustodyShared,
    envelope: &Arc<Envelope>,
    role: Role,
    fate: Fate,
    cx: &mut CustodyContext<'_, L>,
) {
    if shared.sampling.takes(&envelope.id) {
        cx.effects.push(CustodyEffect::Traced(Passage {
            envelope: Arc::clone(envelope),
            since: cx.now.elapsed,
            fate,
            role,
        }));
    }
}

pub(super) fn settle<L: LocalSessions>(
    pending: &mut Pending<L::Session>,
    settlement: Settlement,
    id: MessageId,
    cx: &mut CustodyContext<'_, L>,
) {
    if std::mem::replace(&mut pending.settled, true) || matches!(pending.origin, Origin::Node) {
        return;
    }
    cx.effects.push(CustodyEffect::Settled {
        origin: std::mem::replace(&mut pending.origin, Origin::Node),
        accepted: pending.accepted,
        confirm: pending.envelope.confirm,
        id,
        reference: pending.envelope.reference.clone(),
        cost: pending.envelope.cost(),
        settlement,
    });
}

pub(super) fn count<L: LocalSessions>(
    cx: &mut CustodyContext<'_, L>,
    feature: Feature,
    outcome: Outcome,
    latency: Option<Duration>,
) {
    cx.effects.push(CustodyEffect::Outcome {
        feature,
        outcome,
        latency,
    });
}
