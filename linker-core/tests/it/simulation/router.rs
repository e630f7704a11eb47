//! Routers: custody, and carrying out what it wants, as linker-actors does.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::code::ErrorCode;
use linker_core::custody::{
    Adopted, Custody, CustodyContext, CustodyEffect, Delivery, Origin, PAGE_AGE_MAX, Settlement, Submission,
    Ticket,
};
use linker_core::frame::ServerFrame;
use linker_core::id::{MessageId, SessionId};
use linker_core::session::SessionPage;

use super::bus::Frame;
use super::cluster::{Target, Targets};
use super::entry::{Entry, PostError, ToSession};
use super::node::{PageRead, RouterMail, StoreMail};
use super::sim::{Event, Sim, trace};
use super::store::StoreOp;
use crate::virtual_time::next_id;

const RETRY_AFTER: Duration = Duration::from_millis(2);
const REOFFER_EVERY: Duration = Duration::from_secs(1);
const TO_STORE: u16 = 100;

impl Sim {
    /// One input of a router's custody, and what follows from it.
    pub(crate) fn custody<T>(
        &mut self,
        shard: u16,
        input: impl FnOnce(&mut Custody<Target>, &mut CustodyContext<'_, Targets<'_>>) -> T,
    ) -> T {
        let result = self.custody_unwoken(shard, input);
        self.wake_router(shard);
        result
    }

    fn custody_unwoken<T>(
        &mut self,
        shard: u16,
        input: impl FnOnce(&mut Custody<Target>, &mut CustodyContext<'_, Targets<'_>>) -> T,
    ) -> T {
        let (now, mut effects) = (self.clock(), Vec::new());
        let mut counter = *self.id_source();
        let mut new_id = || next_id(&mut counter, now);
        let node = &mut self.nodes[self.at];
        let sessions = Targets {
            table: &node.table,
            cluster: (self.plan.nodes > 1).then_some(&node.cluster),
            shard,
        };
        let result = input(
            &mut node.routers[usize::from(shard)].custody,
            &mut CustodyContext {
                now,
                sessions: &sessions,
                new_id: &mut new_id,
                effects: &mut effects,
            },
        );
        *self.id_source() = counter;
        for effect in effects {
            self.carry_out_custody(shard, effect);
        }
        result
    }

    fn carry_out_custody(&mut self, shard: u16, effect: CustodyEffect<Target>) {
        if let CustodyEffect::Insert { .. } | CustodyEffect::Absent { .. } | CustodyEffect::Behind { .. } =
            &effect
        {
            trace!(self, "router {shard}: {effect:?}");
        }
        let router = &mut self.nodes[self.at].routers[usize::from(shard)];
        match effect {
            CustodyEffect::Insert {
                ticket,
                envelope,
                reason,
                replaces,
                ..
            } => {
                self.checker.stored(&envelope);
                router.ops.push(StoreOp::Insert {
                    ticket,
                    envelope,
                    reason,
                    replaces,
                });
            }
            CustodyEffect::Delete { user, id, .. } => router.ops.push(StoreOp::Delete { user, id }),
            CustodyEffect::Absent { id } => router.ops.push(StoreOp::Absent { id }),
            CustodyEffect::Behind { ticket, id } => router.ops.push(StoreOp::Behind { ticket, id }),
            CustodyEffect::Tell { node, word } => {
                if let Target::Peer(peer) = node {
                    self.nodes[self.at].cluster.tell(&peer, Frame::Word(word));
                }
            }
            CustodyEffect::Outcome { .. } | CustodyEffect::Happened { .. } | CustodyEffect::Traced(_) => {}
            CustodyEffect::Redirect { .. } => panic!("there is no application"),
            CustodyEffect::Settled {
                origin,
                accepted,
                confirm,
                id,
                reference,
                cost,
                settlement,
            } => {
                if let Settlement::Refused(_) = &settlement {
                    self.checker.refused(id);
                }
                if settlement == Settlement::Repeated {
                    self.checker.is_one_with_the_first(id);
                }
                let Origin::Session(Target::Session(entry)) = origin else {
                    return;
                };
                trace!(self, "{entry:?}: {reference:?} {settlement:?} {id}");
                if let Some(word) = word_for_sender(accepted, confirm, id, reference, settlement) {
                    self.post(shard, &entry, word);
                }
                if entry.settled(cost) {
                    self.post(shard, &entry, ToSession::Resume);
                }
            }
        }
    }

    fn post(&mut self, shard: u16, entry: &Rc<Entry>, word: ToSession) {
        if let Err(PostError::Full(word)) = entry.mailbox.post(word) {
            let router = &mut self.nodes[self.at].routers[usize::from(shard)];
            router.undelivered.push_back((Rc::clone(entry), word));
        }
    }

    pub(crate) fn submit(&mut self, shard: u16, submission: Submission<Target>) {
        self.custody(shard, |custody, cx| custody.submit(submission, cx));
    }

    pub(crate) fn proven(&mut self, shard: u16, ticket: Ticket) {
        if ticket.shard == shard {
            self.custody(shard, |custody, cx| custody.on_proven(ticket, cx));
            return;
        }
        let router = &mut self.nodes[self.at].routers[usize::from(shard)];
        router.proven.entry(ticket.shard).or_default().push(ticket);
        self.wake_router(shard);
    }

    pub(crate) fn given_back(&mut self, shard: u16, ticket: Ticket, session: SessionId) {
        if ticket.shard == shard {
            self.custody(shard, |custody, cx| custody.on_given_back(ticket, session, cx));
            return;
        }
        let router = &mut self.nodes[self.at].routers[usize::from(shard)];
        router
            .given_back
            .entry(ticket.shard)
            .or_default()
            .push((ticket, session));
        self.wake_router(shard);
    }

    pub(crate) fn router_mail(&mut self, shard: u16, mail: RouterMail) {
        match mail {
            RouterMail::Proven(tickets) => {
                tickets.into_iter().for_each(|ticket| self.proven(shard, ticket));
            }
            RouterMail::GivenBack(tickets) => {
                for (ticket, session) in tickets {
                    self.given_back(shard, ticket, session);
                }
            }
            RouterMail::Stored(outcomes) => self.custody(shard, |custody, cx| {
                for (ticket, outcome) in outcomes {
                    custody.on_stored(ticket, outcome, cx);
                }
            }),
            RouterMail::Page(read) => self.page(shard, *read),
            RouterMail::Submit(submission) => self.submit(shard, *submission),
            RouterMail::Peer(peer, frames) => self.peer_frames(shard, peer, frames),
            RouterMail::PeerGone(peer) => {
                let node = Target::Peer(peer);
                self.custody(shard, |custody, cx| custody.on_node_gone(&node, cx));
            }
            RouterMail::PeerBack(peer) => self.peer_back(shard, &peer),
            RouterMail::Located(located) => self.located(shard, located),
            RouterMail::Faults(rows) => self.faults(shard, rows),
        }
    }

    fn page(&mut self, shard: u16, read: PageRead) {
        let PageRead {
            entry,
            page,
            after_seq,
            asked_at,
            deferred,
        } = read;
        let Some(page) = page.filter(|_| asked_at + PAGE_AGE_MAX > self.now) else {
            self.post(shard, &entry, ToSession::Page(None));
            return;
        };
        let (rows, exhausted) = (page.rows, page.exhausted);
        let found = rows.len();
        let Adopted {
            deliveries,
            last_seq,
            cut_short,
        } = {
            let target = Target::Session(Rc::clone(&entry));
            let patient = entry.is_patient(self.now);
            self.custody(shard, |custody, cx| {
                custody.adopt(rows, &target, patient, &deferred, cx)
            })
        };
        let (last_seq, exhausted) = (last_seq.unwrap_or(after_seq), exhausted && !cut_short);
        trace!(
            self,
            "{entry:?}: page of {found} rows, {} of them free",
            deliveries.len()
        );
        if entry.mailbox.open.get() {
            let mut audit = self.nodes[self.at].table.audit.borrow_mut();
            for delivery in deliveries.iter().filter(|delivery| !delivery.courtesy) {
                audit.handed_to_session(&delivery.envelope, entry.id);
            }
        }
        // What it has already is held already.
        let new = deliveries.iter().filter(|delivery| !delivery.courtesy);
        entry.hold(new.map(Delivery::cost).sum());
        let page = Box::new(SessionPage {
            deliveries,
            last_seq,
            exhausted,
        });
        match entry.mailbox.post(ToSession::Page(Some(page))) {
            Ok(()) => {}
            Err(PostError::Full(word)) => {
                let router = &mut self.nodes[self.at].routers[usize::from(shard)];
                router.undelivered.push_back((entry, word));
            }
            Err(PostError::Closed(word)) => self.return_page(shard, &entry, word),
        }
    }

    fn return_page(&mut self, shard: u16, entry: &Entry, word: ToSession) {
        if let ToSession::Page(Some(page)) = word {
            for ticket in page.deliveries.into_iter().filter_map(|delivery| delivery.ticket) {
                self.given_back(shard, ticket, entry.id);
            }
        }
    }

    /// The router's loop is to come by soon.
    pub(crate) fn wake_router(&mut self, shard: u16) {
        let after = self.rng.up_to(self.plan.hop);
        self.turn_router_at(shard, self.now + after);
    }

    fn turn_router_at(&mut self, shard: u16, at: Duration) {
        let router = &mut self.nodes[self.at].routers[usize::from(shard)];
        if at < router.turn_at {
            router.turn_at = at;
            let after = at.saturating_sub(self.now);
            self.schedule(after, Event::RouterTurn(shard));
        }
    }

    pub(crate) fn router_turn(&mut self, shard: u16) {
        let at = usize::from(shard);
        if self.nodes[self.at].routers[at].turn_at > self.now {
            return;
        }
        self.nodes[self.at].routers[at].turn_at = Duration::MAX;
        let due = self.nodes[self.at].routers[at]
            .custody
            .deadline()
            .is_some_and(|at| at <= self.now);
        if due {
            self.custody_unwoken(shard, |custody, cx| custody.on_tick(cx));
        }
        let away = self.nodes[self.at].shared.store_away.load(Ordering::Acquire);
        if away && self.nodes[self.at].routers[at].reoffered_at + REOFFER_EVERY <= self.now {
            self.nodes[self.at].routers[at].reoffered_at = self.now;
            self.custody_unwoken(shard, |custody, cx| custody.retry_queued(cx));
        }
        if shard == 0 {
            self.nodes[self.at].shared.claims().forget_old(self.now);
        }
        self.post_undelivered(shard);
        self.resume_paused(shard, away);
        self.ask_presence(shard);
        self.send_out(shard);
        let router = &self.nodes[self.at].routers[at];
        let retry = (!router.undelivered.is_empty()).then_some(self.now + RETRY_AFTER);
        let custody = router.custody.deadline().map(|at| at.max(self.now + RETRY_AFTER));
        let waits = (away || !router.paused.is_empty()).then_some(self.now + REOFFER_EVERY);
        let next = [retry, custody, waits].into_iter().flatten().min();
        if let Some(next) = next {
            self.turn_router_at(shard, next);
        }
    }

    fn post_undelivered(&mut self, shard: u16) {
        let waiting = std::mem::take(&mut self.nodes[self.at].routers[usize::from(shard)].undelivered);
        for (entry, word) in waiting {
            match entry.mailbox.post(word) {
                Ok(()) => {}
                Err(PostError::Full(word)) => {
                    let router = &mut self.nodes[self.at].routers[usize::from(shard)];
                    router.undelivered.push_back((entry, word));
                }
                Err(PostError::Closed(word)) => self.return_page(shard, &entry, word),
            }
        }
    }

    fn resume_paused(&mut self, shard: u16, away: bool) {
        if self.nodes[self.at].is_crowded() && !away {
            return;
        }
        let paused = std::mem::take(&mut self.nodes[self.at].routers[usize::from(shard)].paused);
        for entry in paused {
            if away || entry.settled(0) {
                entry.paused.set(false);
                self.post(shard, &entry, ToSession::Resume);
            }
        }
    }

    fn send_out(&mut self, shard: u16) {
        let router = &mut self.nodes[self.at].routers[usize::from(shard)];
        let (ops, requests) = (
            std::mem::take(&mut router.ops),
            std::mem::take(&mut router.requests),
        );
        let (proven, given) = (
            std::mem::take(&mut router.proven),
            std::mem::take(&mut router.given_back),
        );
        if !ops.is_empty() {
            self.hop(shard, TO_STORE, Event::Store(StoreMail::Ops(ops)));
        }
        for request in requests {
            self.hop(shard, TO_STORE, Event::Store(request));
        }
        for (to, tickets) in proven {
            self.hop(shard, to, Event::Router(to, RouterMail::Proven(tickets)));
        }
        for (to, tickets) in given {
            self.hop(shard, to, Event::Router(to, RouterMail::GivenBack(tickets)));
        }
    }

    /// As after a panic: everything the router answered for is handed to a new one in its place.
    pub(crate) fn restart_router(&mut self, shard: u16) {
        let surrendered = self.nodes[self.at].routers[usize::from(shard)]
            .custody
            .surrender();
        self.custody(shard, |custody, cx| custody.take_over(surrendered, cx));
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
    let told = match settlement {
        Settlement::Refused(error) if error.code == ErrorCode::InboxFull => return None,
        Settlement::Refused(error) => return Some(ToSession::Refused(Box::new((error, reference)))),
        Settlement::Stored | Settlement::Forwarded => accepted,
        Settlement::Delivered => accepted && !confirm,
        Settlement::Dropped | Settlement::Repeated => false,
    };
    let reference = reference.filter(|_| told)?;
    Some(ToSession::Accepted(Box::new(ServerFrame::Accepted {
        reference,
        id,
    })))
}
