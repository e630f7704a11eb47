//! The only way into another actor's mailbox: bounded, in order, nothing lost.

use std::collections::VecDeque;

use actix::prelude::SendError;
use actix::{Message, Recipient};

/// One holder's way to one actor. What the mailbox does not take waits here, in order, until [`Outlet::flush`] is called again; how much that can be
/// is bounded by what the holder may have under way.
pub(crate) struct Outlet<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    recipient: Recipient<M>,
    waiting: VecDeque<M>,
    full: metrics::Counter,
}

impl<M> Outlet<M>
where
    M: Message<Result = ()> + Send + 'static,
{
    pub(crate) fn to(actor: &'static str, recipient: Recipient<M>) -> Self {
        let full = metrics::counter!("linker_mailbox_full_total", "actor" => actor);
        Self {
            recipient,
            waiting: VecDeque::new(),
            full,
        }
    }

    pub(crate) fn push(&mut self, message: M) {
        self.waiting.push_back(message);
        self.flush();
    }

    /// Sends what waits. False when some still does.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(message) = self.waiting.pop_front() {
            match self.recipient.try_send(message) {
                Ok(()) => {}
                Err(SendError::Full(message)) => {
                    self.full.increment(1);
                    self.waiting.push_front(message);
                    return false;
                }
                // Its actor ended with the node.
                Err(SendError::Closed(_)) => {
                    self.waiting.clear();
                    return true;
                }
            }
        }
        if self.waiting.capacity() > 64 {
            self.waiting = VecDeque::new();
        }
        true
    }

    /// The holder ends and cannot come again: what waits goes out whatever the mailbox has room for.
    #[expect(
        clippy::disallowed_methods,
        reason = "as much as the holder had under way, once"
    )]
    pub(crate) fn empty(&mut self) {
        for message in self.waiting.drain(..) {
            self.recipient.do_send(message);
        }
    }
}
