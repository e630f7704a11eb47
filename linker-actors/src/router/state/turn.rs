//! A turn of the loop: what is due happens, and what was collected goes out.

use std::sync::OnceLock;
use std::time::Duration;

use actix::prelude::SendError;
use actix::{Message, Recipient};
use linker_core::clock::Now;

use super::{NewId, Router};
use crate::presence::PresenceMail;
use crate::router::RouterMail;
use crate::runtime::outlet::Outlet;
use crate::session::ToSession;
use crate::store::StoreMail;

/// How soon an outlet that was full, or a repetition that waits for its original, is looked at again.
const RETRY_AFTER: Duration = Duration::from_millis(2);
/// How often messages that wait for a store that is away are offered to sessions again.
const REOFFER_EVERY: Duration = Duration::from_secs(1);

/// The way to an actor, made when it is first `wanted` and the actor is there.
fn outlet<'a, M>(
    known: &'a mut Option<Outlet<M>>,
    wanted: bool,
    actor: &'static str,
    recipient: &OnceLock<Recipient<M>>,
) -> Option<&'a mut Outlet<M>>
where
    M: Message<Result = ()> + Send + 'static,
{
    if known.is_none() && wanted {
        *known = recipient
            .get()
            .map(|recipient| Outlet::to(actor, recipient.clone()));
    }
    known.as_mut()
}

impl Router {
    /// Whether a turn has anything to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.ops.is_empty()
            || !self.requests.is_empty()
            || !self.presence.is_empty()
            || !self.proven.is_empty()
            || !self.given_back.is_empty()
            || !self.undelivered.is_empty()
            || !self.sought.borrow().is_empty()
            || !self.custody.is_empty()
    }

    /// One turn of the loop; answers when the next one is due.
    pub(crate) fn turn(&mut self, new_id: NewId<'_>, now: Now) -> Option<Duration> {
        self.custody(new_id, now, |custody, cx| custody.on_tick(cx));
        self.follow_store(new_id, now);
        self.post_undelivered();
        self.resume_paused();
        self.ask_presence();
        let flushed = self.send_out();
        let retry = (!flushed || !self.undelivered.is_empty()).then_some(now.elapsed + RETRY_AFTER);
        let custody = self
            .custody
            .deadline()
            .map(|at| at.max(now.elapsed + RETRY_AFTER));
        let paused = (!self.paused.is_empty()).then_some(now.elapsed + REOFFER_EVERY);
        let away = self.was_away.then_some(now.elapsed + REOFFER_EVERY);
        [retry, custody, paused, away].into_iter().flatten().min()
    }

    /// What changes when the store goes away or comes back.
    fn follow_store(&mut self, new_id: NewId<'_>, now: Now) {
        let away = self.node.store_is_away();
        if away && self.reoffered_at + REOFFER_EVERY <= now.elapsed {
            self.reoffered_at = now.elapsed;
            self.custody(new_id, now, |custody, cx| custody.retry_queued(cx));
        }
        self.was_away = away;
    }

    fn post_undelivered(&mut self) {
        for _ in 0..self.undelivered.len() {
            let Some((entry, word)) = self.undelivered.pop_front() else {
                break;
            };
            // What a session that ends does not take is given back for it (`session_ended`).
            if let Err(SendError::Full(word)) = entry.post(word) {
                self.undelivered.push_back((entry, word));
            }
        }
    }

    /// Sessions that waited for room go on when there is some for everybody, or when waiting has become pointless.
    fn resume_paused(&mut self) {
        if self.paused.is_empty() || (self.node.is_crowded() && !self.node.store_is_away()) {
            return;
        }
        let away = self.node.store_is_away();
        let paused = std::mem::take(&mut self.paused);
        for entry in paused {
            entry.unlist();
            let may = away || entry.settled(0);
            if may {
                entry.unpause();
                self.post(&entry, ToSession::Resume);
            }
        }
    }

    /// False when somebody's mailbox is full.
    fn send_out(&mut self) -> bool {
        let mut flushed = true;
        let wanted = !self.ops.is_empty() || !self.requests.is_empty();
        if let Some(outlet) = outlet(&mut self.to_store, wanted, "store", &self.node.store) {
            if !self.ops.is_empty() {
                outlet.push(StoreMail::Ops(std::mem::take(&mut self.ops)));
            }
            if !self.requests.is_empty() {
                outlet.push(StoreMail::Requests(std::mem::take(&mut self.requests)));
            }
            flushed &= outlet.flush();
        }
        let wanted = !self.presence.is_empty();
        if let Some(outlet) = outlet(&mut self.to_presence, wanted, "presence", &self.node.presence) {
            if wanted {
                outlet.push(PresenceMail::Ops(std::mem::take(&mut self.presence)));
            }
            flushed &= outlet.flush();
        }
        self.send_to_routers() && flushed
    }

    fn send_to_routers(&mut self) -> bool {
        let proven = self
            .proven
            .drain()
            .map(|(shard, tickets)| (shard, RouterMail::Proven(tickets)));
        let given = self
            .given_back
            .drain()
            .map(|(shard, tickets)| (shard, RouterMail::GivenBack(tickets)));
        for (shard, mail) in proven.chain(given) {
            self.routers.send(&self.node.routers, shard, mail);
        }
        self.routers.flush()
    }

    /// The thread ends, and there are no more turns: what was collected goes out now, even into full mailboxes.
    pub(crate) fn send_last(&mut self) {
        self.send_out();
        for (entry, word) in self.undelivered.drain(..) {
            entry.post_last(word);
        }
        if let Some(store) = &mut self.to_store {
            store.empty();
        }
        if let Some(presence) = &mut self.to_presence {
            presence.empty();
        }
        self.routers.empty();
    }
}
