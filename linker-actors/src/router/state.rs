//! A router: custody, and what it has to send to others.

mod turn;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::SendError;
use linker_core::clock::Now;
use linker_core::code::{ErrorCode, FrameError};
use linker_core::custody::{
    Adopted, AdoptedForward, Custody, CustodyContext, CustodyEffect, Delivery, Elsewhere, Origin, Outcome,
    PAGE_AGE_MAX, Settlement, Submission, Surrendered, Ticket,
};
use linker_core::envelope::Envelope;
use linker_core::frame::ServerFrame;
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, Page, StoredRow};
use linker_core::session::SessionPage;
use linker_core::upstream::UpstreamEvent;

use super::messages::{PageRead, RouterMail};
use super::outlets::RouterOutlets;
use super::targets::{Sought, Target, Targets};
use crate::cluster::{Located, Peer, PeerFrame};
use crate::links::Neighbour;
use crate::node::Node;
use crate::presence::{PresenceMail, PresenceOp};
use crate::runtime::outlet::Outlet;
use crate::session::{SessionEntry, ToSession};
use crate::store::{StoreMail, StoreOp, StoreRequest};
use crate::upstream::UpstreamOutlet;

type NewId<'a> = &'a mut dyn FnMut() -> MessageId;

/// The state of one router.
pub(crate) struct Router {
    node: Arc<Node>,
    shard: u16,
    custody: Custody<Target>,
    /// Whom presence is to be asked about, and whether it is being asked.
    sought: RefCell<Vec<Sought>>,
    epochs: RefCell<HashMap<SessionId, u64>>,
    asking: bool,
    effects: Vec<CustodyEffect<Target>>,
    ops: Vec<StoreOp>,
    requests: Vec<StoreRequest>,
    presence: Vec<PresenceOp>,
    proven: HashMap<u16, Vec<Ticket>>,
    given_back: HashMap<u16, Vec<(Ticket, SessionId)>>,
    routers: RouterOutlets,
    to_store: Option<Outlet<StoreMail>>,
    to_presence: Option<Outlet<PresenceMail>>,
    /// What the application is to be told of.
    happened: Vec<(UpstreamEvent, Arc<Envelope>)>,
    /// Word for sessions whose mailbox was full.
    undelivered: VecDeque<(Arc<SessionEntry>, ToSession)>,
    paused: Vec<Arc<SessionEntry>>,
    was_away: bool,
    reoffered_at: Duration,
}

impl Router {
    pub(crate) fn new(node: Arc<Node>, shard: u16) -> Self {
        Self {
            custody: Custody::new(shard, Arc::clone(&node.custody)),
            node,
            shard,
            sought: RefCell::default(),
            epochs: RefCell::default(),
            asking: false,
            effects: Vec::new(),
            ops: Vec::new(),
            requests: Vec::new(),
            presence: Vec::new(),
            proven: HashMap::new(),
            given_back: HashMap::new(),
            routers: RouterOutlets::default(),
            to_store: None,
            to_presence: None,
            happened: Vec::new(),
            undelivered: VecDeque::new(),
            paused: Vec::new(),
            was_away: false,
            reoffered_at: Duration::ZERO,
        }
    }

    /// Runs one input of custody and carries out what it wants.
    fn custody(
        &mut self,
        new_id: NewId<'_>,
        now: Now,
        input: impl FnOnce(&mut Custody<Target>, &mut CustodyContext<'_, Targets<'_>>),
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        let sessions = Targets {
            node: &self.node,
            now,
            sought: &self.sought,
            epochs: &self.epochs,
        };
        input(
            &mut self.custody,
            &mut CustodyContext {
                now,
                sessions: &sessions,
                new_id: &mut *new_id,
                effects: &mut effects,
            },
        );
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
        if !self.happened.is_empty() {
            self.tell_what_happened(new_id, now);
        }
    }

    fn carry_out(&mut self, effect: CustodyEffect<Target>) {
        match effect {
            CustodyEffect::Insert {
                ticket,
                envelope,
                reason,
                home,
                replaces,
            } => {
                tracing::debug!(message.id = %envelope.id, user.id = %envelope.to, reason = ?reason, "to be stored");
                self.ops.push(StoreOp::Insert {
                    ticket,
                    envelope,
                    reason,
                    home,
                    replaces,
                });
            }
            CustodyEffect::Delete { user, id, forwarded } => {
                tracing::debug!(message.id = %id, user.id = %user, forwarded, "leaves the store");
                self.ops.push(StoreOp::Delete { user, id, forwarded });
            }
            CustodyEffect::Absent { id } => self.ops.push(StoreOp::Absent { id }),
            CustodyEffect::Behind { ticket, id } => self.ops.push(StoreOp::Behind { ticket, id }),
            CustodyEffect::Redirect { ticket, id, home } => {
                self.ops.push(StoreOp::Redirect { ticket, id, home });
            }
            CustodyEffect::Tell { node, word } => {
                if let Target::Peer(peer) = node {
                    peer.tell_word(word);
                }
            }
            CustodyEffect::Outcome {
                feature,
                outcome,
                latency,
            } => {
                self.node.metrics.message(feature, outcome, latency);
            }
            CustodyEffect::Happened { message, event } => self.happened.push((event, message)),
            CustodyEffect::Traced(passage) => self.node.tracer.passage(&passage),
            CustodyEffect::Settled {
                origin,
                accepted,
                confirm,
                id,
                reference,
                cost,
                settlement,
            } => {
                tracing::debug!(message.id = %id, outcome = settlement.name(), "settled");
                self.node.tell_settled(id, &settlement);
                match origin {
                    Origin::Session(Target::Session(entry)) => {
                        if let Some(word) = word_for_sender(accepted, confirm, id, reference, settlement) {
                            self.post(&entry, word);
                        }
                        if entry.settled(cost) {
                            self.post(&entry, ToSession::Resume);
                        }
                    }
                    Origin::Call(call) => self.node.calls.answer(call, id, settlement),
                    Origin::Arrival(id) => self.node.links.receipts.settle(&id),
                    // Custody tells other nodes by a word of their own.
                    Origin::Node | Origin::Session(Target::Peer(_)) | Origin::Guest(..) => {}
                }
            }
        }
    }

    /// Tells a session, later where its mailbox is full.
    fn post(&mut self, entry: &Arc<SessionEntry>, word: ToSession) {
        if let Err(SendError::Full(word)) = entry.post(word) {
            self.undelivered.push_back((Arc::clone(entry), word));
        }
    }

    /// Takes a message; or says why not, where a session is to be told.
    pub(crate) fn submit(
        &mut self,
        submission: Submission<Target>,
        new_id: NewId<'_>,
        now: Now,
    ) -> Result<(), FrameError> {
        let taken = &submission.envelope;
        tracing::debug!(
            message.id = %taken.id,
            user.id = %taken.from,
            recipient.id = %taken.to,
            feature = ?taken.feature,
            "a message comes in"
        );
        if let Origin::Session(Target::Session(_)) | Origin::Call(_) = submission.origin {
            self.node.metrics.tally().received(taken.feature);
        }
        if let Some(error) = self.custody.refusal(&submission.envelope) {
            let Submission { envelope, origin, .. } = submission;
            self.node
                .metrics
                .message(envelope.feature, Outcome::Refused, None);
            if self.node.tracer.takes(&envelope.id) {
                self.node.tracer.refused(&envelope, now.elapsed);
            }
            return match origin {
                Origin::Call(call) => {
                    self.node
                        .calls
                        .answer(call, envelope.id, Settlement::Refused(error));
                    Ok(())
                }
                Origin::Session(_) | Origin::Node | Origin::Guest(..) | Origin::Arrival(_) => Err(error),
            };
        }
        self.custody(new_id, now, |custody, cx| custody.submit(submission, cx));
        Ok(())
    }

    pub(crate) fn proven(&mut self, ticket: Ticket, new_id: NewId<'_>, now: Now) {
        if ticket.shard == self.shard {
            self.custody(new_id, now, |custody, cx| custody.on_proven(ticket, cx));
        } else {
            self.proven.entry(ticket.shard).or_default().push(ticket);
        }
    }

    pub(crate) fn given_back(&mut self, ticket: Ticket, session: SessionId, new_id: NewId<'_>, now: Now) {
        if ticket.shard == self.shard {
            self.custody(new_id, now, |custody, cx| {
                custody.on_given_back(ticket, session, cx)
            });
        } else {
            self.given_back
                .entry(ticket.shard)
                .or_default()
                .push((ticket, session));
        }
    }

    pub(crate) fn stored(&mut self, outcomes: Vec<(Ticket, InsertOutcome)>, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| {
            for (ticket, outcome) in outcomes {
                custody.on_stored(ticket, outcome, cx);
            }
        });
    }

    pub(crate) fn take_over(&mut self, surrendered: Surrendered<Target>, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| custody.take_over(surrendered, cx));
    }

    /// Takes a page into custody and hands it to its session.
    pub(crate) fn page(&mut self, read: PageRead, new_id: NewId<'_>, now: Now) {
        let PageRead {
            entry,
            page,
            after_seq,
            asked_at,
            deferred,
        } = read;
        // What was removed since may be remembered no more.
        let page = page.filter(|_| asked_at + PAGE_AGE_MAX > now.elapsed);
        let Some(page) = page else {
            self.post(&entry, ToSession::Page(None));
            return;
        };
        let Page { rows, exhausted } = page;
        if self.node.tracer.is_on() {
            let read = rows.len();
            let traced = rows.iter().filter(|row| self.node.tracer.takes(&row.envelope.id));
            traced.for_each(|row| self.node.tracer.read(&row.envelope, read, asked_at));
        }
        let mut adopted = None;
        self.custody(new_id, now, |custody, cx| {
            let patient = entry.is_patient(now.elapsed);
            adopted = Some(custody.adopt(rows, &Target::Session(Arc::clone(&entry)), patient, &deferred, cx))
        });
        let Some(Adopted {
            deliveries,
            last_seq,
            cut_short,
        }) = adopted
        else {
            return;
        };
        let (last_seq, exhausted) = (last_seq.unwrap_or(after_seq), exhausted && !cut_short);
        // What it has already is held already.
        let new = deliveries.iter().filter(|delivery| !delivery.courtesy);
        entry.hold(new.map(Delivery::cost).sum());
        let tickets: Vec<Ticket> = deliveries.iter().filter_map(|delivery| delivery.ticket).collect();
        let page = Box::new(SessionPage {
            deliveries,
            last_seq,
            exhausted,
        });
        self.post(&entry, ToSession::Page(Some(page)));
        if entry.is_closed() {
            // Nobody may ever look at it.
            for ticket in tickets {
                self.given_back(ticket, entry.id, new_id, now);
            }
        }
    }

    /// A session of this node has ended with something in its mailbox.
    pub(crate) fn session_ended(&mut self, session: SessionId, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| custody.on_session_ended(session, cx));
    }

    /// The same, for all routers.
    pub(crate) fn tell_session_ended(&mut self, session: SessionId, new_id: NewId<'_>, now: Now) {
        for (shard, _) in self.node.routers.all() {
            if shard == self.shard {
                self.session_ended(session, new_id, now);
            } else {
                self.routers
                    .send(&self.node.routers, shard, RouterMail::SessionEnded(session));
            }
        }
    }

    /// What another node says.
    pub(crate) fn peer(&mut self, peer: &Arc<Peer>, frames: Vec<PeerFrame>, new_id: NewId<'_>, now: Now) {
        let node = Target::Peer(Arc::clone(peer));
        self.custody(new_id, now, |custody, cx| {
            for frame in frames {
                match frame {
                    PeerFrame::Deliver { ticket, envelope } => custody.on_guest(&node, ticket, envelope, cx),
                    PeerFrame::Word(word) => custody.on_node_word(&node, word, cx),
                }
            }
        });
    }

    pub(crate) fn peer_gone(&mut self, peer: Arc<Peer>, new_id: NewId<'_>, now: Now) {
        self.epochs.borrow_mut().remove(&peer.id);
        let node = Target::Peer(peer);
        self.custody(new_id, now, |custody, cx| custody.on_node_gone(&node, cx));
    }

    /// Something may have been lost on the way to a node.
    pub(crate) fn peer_back(&mut self, peer: Arc<Peer>, new_id: NewId<'_>, now: Now) {
        self.epochs.borrow_mut().insert(peer.id, peer.epoch());
        let node = Target::Peer(peer);
        self.custody(new_id, now, |custody, cx| custody.on_node_back(&node, cx));
    }

    /// Presence has answered, or could not.
    pub(crate) fn located(&mut self, located: Vec<(UserId, Option<Located>)>, new_id: NewId<'_>, now: Now) {
        self.asking = false;
        self.custody(new_id, now, |custody, cx| {
            for (user, peers) in located {
                let elsewhere = match peers {
                    Some(peers) => Elsewhere::Nodes(peers.into_iter().map(Target::Peer).collect()),
                    None => Elsewhere::Unknown,
                };
                custody.on_located(user, elsewhere, cx);
            }
        });
    }

    pub(crate) fn faults(&mut self, rows: Vec<StoredRow>, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| custody.adopt_rows(rows, cx));
    }

    /// A neighbour has confirmed what it was handed.
    pub(crate) fn forwarded(&mut self, tickets: Vec<Ticket>, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| {
            for ticket in tickets {
                custody.on_forwarded(ticket, cx);
            }
        });
    }

    /// What a neighbour has not confirmed may be lost.
    pub(crate) fn link_lost(&mut self, neighbour: &Neighbour, new_id: NewId<'_>, now: Now) {
        self.epochs.borrow_mut().insert(neighbour.id, neighbour.epoch());
        self.custody(new_id, now, |custody, cx| custody.on_link_lost(neighbour.id, cx));
    }

    /// What the application has not taken may be lost.
    pub(crate) fn upstream_lost(&mut self, outlet: &UpstreamOutlet, new_id: NewId<'_>, now: Now) {
        self.epochs.borrow_mut().insert(outlet.id, outlet.epoch());
        self.custody(new_id, now, |custody, cx| custody.on_link_lost(outlet.id, cx));
    }

    /// The application does not want these.
    pub(crate) fn upstream_refused(
        &mut self,
        refused: Vec<(Ticket, FrameError)>,
        new_id: NewId<'_>,
        now: Now,
    ) {
        self.custody(new_id, now, |custody, cx| {
            for (ticket, error) in refused {
                custody.on_upstream_refused(ticket, error, cx);
            }
        });
    }

    /// Tells the application what has become of messages. That becomes of messages for users only, so it ends.
    fn tell_what_happened(&mut self, new_id: NewId<'_>, now: Now) {
        for (event, message) in std::mem::take(&mut self.happened) {
            let told = self
                .node
                .upstream
                .of_message(&self.node, event, &message, &mut *new_id, now);
            if let Some(submission) = told {
                self.custody(&mut *new_id, now, |custody, cx| custody.submit(submission, cx));
            }
        }
    }

    pub(crate) fn way_changed(&mut self, home: &DomainName, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| custody.on_way_changed(home, cx));
    }

    /// Rows of the store that wait for another domain.
    pub(crate) fn forward_rows(
        &mut self,
        rows: Vec<StoredRow>,
        home: &DomainName,
        new_id: NewId<'_>,
        now: Now,
    ) -> AdoptedForward {
        let mut adopted = AdoptedForward::default();
        self.custody(new_id, now, |custody, cx| {
            adopted = custody.adopt_forward(rows, home, cx);
        });
        adopted
    }

    /// What came from other domains. None of it is refused for want of room: what is not safe here stays with them.
    pub(crate) fn arrivals(&mut self, submissions: Vec<Submission<Target>>, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, cx| {
            for submission in submissions {
                custody.submit(submission, cx);
            }
        });
    }

    pub(crate) fn find(&self, id: &MessageId) -> Option<Arc<Envelope>> {
        self.custody.find(id)
    }

    pub(crate) fn let_go(&mut self, new_id: NewId<'_>, now: Now) {
        self.custody(new_id, now, |custody, _| custody.let_go_of_stored());
    }

    /// Asks presence about everybody who came up since it was asked last.
    fn ask_presence(&mut self) {
        if self.asking || self.sought.borrow().is_empty() {
            return;
        }
        self.asking = true;
        let sought = self.sought.take();
        super::lookup::ask(Arc::clone(&self.node), self.shard, sought);
    }

    pub(crate) fn ask_store(&mut self, request: StoreRequest) {
        self.requests.push(request);
    }

    pub(crate) fn presence(&mut self, op: PresenceOp) {
        self.presence.push(op);
    }

    pub(crate) fn remember_paused(&mut self, entry: Arc<SessionEntry>) {
        if entry.enlist() {
            self.paused.push(entry);
        }
    }

    /// Gives up everything: the thread ends, or the state is not to be trusted after a panic.
    pub(crate) fn surrender(&mut self) -> Surrendered<Target> {
        // The same table goes on, empty: it must not give a ticket twice.
        self.custody.surrender()
    }
}

/// What a sender's session is told of a message, if anything.
fn word_for_sender(
    accepted: bool,
    confirm: bool,
    id: MessageId,
    reference: Option<Box<str>>,
    settlement: Settlement,
) -> Option<ToSession> {
    match settlement {
        // A message of its own tells it.
        Settlement::Refused(error) if matches!(error.code, ErrorCode::InboxFull | ErrorCode::Refused) => None,
        Settlement::Refused(error) => Some(ToSession::Refused(Box::new((error, reference)))),
        Settlement::Stored | Settlement::Forwarded if accepted => {
            Some(ToSession::Accepted(Box::new(ServerFrame::Accepted {
                reference: reference?,
                id,
            })))
        }
        Settlement::Delivered if accepted && !confirm => {
            Some(ToSession::Accepted(Box::new(ServerFrame::Accepted {
                reference: reference?,
                id,
            })))
        }
        Settlement::Stored
        | Settlement::Forwarded
        | Settlement::Delivered
        | Settlement::Dropped
        | Settlement::Repeated => None,
    }
}
