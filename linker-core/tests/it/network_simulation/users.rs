//! Users: what they write, where they are logged in, and what they read and prove.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use linker_core::custody::{Adopted, Origin, PAGE_AGE_MAX, Submission, Ticket};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{SessionId, UserId};
use linker_core::port::Page;

use super::node::{Ring, Session};
use super::world::{Event, Mail, World, trace};
use crate::virtual_time::next_id;

const PAGE_ROWS: u32 = 8;

impl World {
    /// Whether the user's home runs, and knows that it is.
    fn home_takes(&mut self, user: usize) -> bool {
        self.at = self.users[user].home;
        let id = self.users[user].id;
        let domain = &self.domains[self.at];
        let node = domain.node.as_ref().filter(|_| domain.frozen_until <= self.now);
        node.is_some_and(|node| node.net.directory.borrow().is_home(&id))
    }

    pub(crate) fn user_writes(&mut self, user: usize) {
        if self.healed {
            return;
        }
        let pause = self.rng.up_to(self.plan.pause * 2);
        self.schedule_in_world(pause, Event::UserWrites(user));
        for _ in 0..1 + self.rng.below(self.plan.burst) {
            let to = self.rng.below(self.users.len() as u64) as usize;
            if to == user || !self.home_takes(user) {
                continue;
            }
            let has_reference = self.rng.percent(85);
            let confirm = has_reference && self.rng.percent(80);
            let number = self.checker.sent(user, to, has_reference, confirm, self.now);
            self.submit(number);
            if has_reference && self.rng.percent(self.plan.repeats) {
                let after = self.rng.up_to(Duration::from_secs(8));
                self.schedule_in_world(after, Event::UserRepeats(number));
            }
        }
    }

    /// A user who had no answer, or lost it, sends a message again.
    pub(crate) fn user_repeats(&mut self, number: usize) {
        let message = &self.checker.messages[number];
        if message.has_reference && self.home_takes(self.checker.messages[number].from) {
            self.checker.messages[number].is_repeated = true;
            self.submit(number);
        }
    }

    fn submit(&mut self, number: usize) {
        let message = &self.checker.messages[number];
        let (from, to) = (self.users[message.from].id, self.users[message.to].id);
        let (has_reference, confirm) = (message.has_reference, message.confirm);
        let now = self.clock();
        let envelope = Envelope {
            id: next_id(&mut self.next_id, now),
            kind: match has_reference {
                true => Kind::Message,
                false => Kind::GroupMessage,
            },
            feature: Feature::Reliable,
            from,
            to,
            reference: has_reference.then(|| number.to_string().into_boxed_str()),
            confirm,
            timestamp_ms: now.unix_ms,
            content: Bytes::from(number.to_string()),
            trail: None,
        };
        trace!(self, "message {number}: {from} -> {to}, {}", envelope.id);
        self.mail(Mail::Submit(Box::new(Submission {
            envelope,
            origin: Origin::Call(number as u64),
            accepted: true,
        })));
    }

    /// Who had no answer from a node that died sends again, or does not.
    pub(crate) fn send_unanswered_again(&mut self, place: usize) {
        for number in self.checker.unanswered() {
            if self.users[self.checker.messages[number].from].home == place && self.rng.percent(60) {
                let after = self.rng.up_to(Duration::from_secs(2));
                self.schedule_in_world(after, Event::UserRepeats(number));
            }
        }
    }

    fn has_session(&self, user: usize) -> bool {
        self.users[user].session.is_some_and(|(at, life, id)| {
            let domain = &self.domains[at];
            let sessions = domain.node.as_ref().filter(|_| domain.life == life);
            sessions.is_some_and(|node| {
                let sessions = node.net.sessions.borrow();
                sessions
                    .get(&self.users[user].id)
                    .is_some_and(|session| session.id == id)
            })
        })
    }

    /// Logs in, or out, or fetches what was missed.
    pub(crate) fn user_moves(&mut self, user: usize) {
        let pause = Duration::from_millis(200) + self.rng.up_to(Duration::from_secs(2));
        self.schedule_in_world(pause, Event::UserMoves(user));
        let id = self.users[user].id;
        let stays = self.users[user].is_steady || self.healed;
        if self.has_session(user) {
            self.at = self.users[user].session.map_or(0, |(at, ..)| at);
            if !stays && self.rng.percent(30) {
                self.end_session(id);
                return;
            }
            let mut sessions = self.node().net.sessions.borrow_mut();
            let session = sessions.get_mut(&id).unwrap();
            if !std::mem::replace(&mut session.fetching, true) {
                let id = session.id;
                drop(sessions);
                self.fetch(self.users[user].id, id, 0);
            }
        } else if (stays || self.rng.percent(40)) && self.home_takes(user) {
            self.next_session += 1;
            let session = SessionId(self.next_session);
            trace!(self, "{id} logs in");
            self.end_session(id);
            if self.now > super::world::STARTED {
                // What waits may come behind what is sent from now on.
                self.checker.left(&id, self.now);
            }
            let entry = Session {
                id: session,
                coming: VecDeque::new(),
                reading: false,
                fetching: true,
            };
            self.node().net.sessions.borrow_mut().insert(id, entry);
            self.users[user].session = Some((self.at, self.domains[self.at].life, session));
            self.fetch(id, session, 0);
        }
    }

    pub(crate) fn end_session(&mut self, user: UserId) {
        let ended = self.node().net.sessions.borrow_mut().remove(&user);
        if let Some(session) = ended {
            trace!(self, "{user} is logged out");
            self.checker.left(&user, self.now);
            self.mail(Mail::SessionEnded(session.id));
        }
    }

    fn fetch(&mut self, user: UserId, session: SessionId, after_seq: u64) {
        let after = self.store_takes();
        self.schedule(after, Event::FetchReads(user, session, after_seq));
    }

    pub(crate) fn fetch_reads(&mut self, user: UserId, session: SessionId, after_seq: u64) {
        let domain = &self.domains[self.at];
        let page = (!domain.store_is_away).then(|| {
            domain
                .store
                .page(after_seq, PAGE_ROWS, |row| row.envelope.to == user)
        });
        let (after, now) = (self.store_takes(), self.now);
        self.schedule(after, Event::FetchHas(user, session, after_seq, page, now));
    }

    pub(crate) fn fetch_has(
        &mut self,
        user: UserId,
        session: SessionId,
        _after_seq: u64,
        page: Option<Page>,
        asked_at: Duration,
    ) {
        match page {
            Some(page) => self.mail(Mail::Page(user, session, page, asked_at)),
            None => self.fetch_ends(user, session),
        }
    }

    fn fetch_ends(&mut self, user: UserId, session: SessionId) {
        let mut sessions = self.node().net.sessions.borrow_mut();
        if let Some(session) = sessions.get_mut(&user).filter(|found| found.id == session) {
            session.fetching = false;
        }
    }

    /// The router takes a page into custody for a session.
    pub(crate) fn adopt_page(&mut self, user: UserId, session: SessionId, page: Page, asked_at: Duration) {
        let sessions = self.node().net.sessions.borrow();
        let lives = sessions.get(&user).is_some_and(|found| found.id == session);
        drop(sessions);
        if !lives {
            return;
        }
        if asked_at + PAGE_AGE_MAX <= self.now {
            self.fetch_ends(user, session);
            return;
        }
        let mut adopted = None;
        self.custody(|custody, cx| adopted = Some(custody.adopt(page.rows, &session, false, &[], cx)));
        let Some(Adopted {
            deliveries,
            last_seq,
            cut_short,
        }) = adopted
        else {
            return;
        };
        let net = &self.node().net;
        if let Some(entry) = net.sessions.borrow_mut().get_mut(&user) {
            entry.coming.extend(deliveries);
        }
        net.ring(Ring::Session(session));
        match last_seq.filter(|_| !page.exhausted && !cut_short) {
            Some(last) => self.fetch(user, session, last),
            None => self.fetch_ends(user, session),
        }
    }

    pub(crate) fn wake_session(&mut self, id: SessionId) {
        let mut sessions = self.node().net.sessions.borrow_mut();
        let found = sessions.iter_mut().find(|(_, session)| session.id == id);
        let woken = found.filter(|(_, session)| !session.reading);
        if let Some((&user, session)) = woken {
            session.reading = true;
            drop(sessions);
            self.hop(7, Event::SessionReads(id, user));
        }
    }

    pub(crate) fn session_reads(&mut self, id: SessionId, user: UserId) {
        let mut sessions = self.node().net.sessions.borrow_mut();
        let Some(session) = sessions.get_mut(&user).filter(|session| session.id == id) else {
            return;
        };
        session.reading = false;
        let read = std::mem::take(&mut session.coming);
        drop(sessions);
        let now = self.now;
        for delivery in &read {
            trace!(
                self,
                "{user} has {:?} {}", delivery.envelope.kind, delivery.envelope.id
            );
            self.checker.received(&user, &delivery.envelope, now);
        }
        let tickets: Vec<Ticket> = read.iter().filter_map(|delivery| delivery.ticket).collect();
        let after = self.rng.up_to(self.plan.proof);
        self.schedule(after, Event::SessionProves(id, user, tickets));
    }

    pub(crate) fn session_proves(&mut self, id: SessionId, user: UserId, tickets: Vec<Ticket>) {
        let sessions = self.node().net.sessions.borrow();
        let lives = sessions.get(&user).is_some_and(|session| session.id == id);
        drop(sessions);
        if lives {
            self.mail(Mail::Proven(tickets));
        }
    }
}
