//! What other actors' full mailboxes did not take, sent again a moment later. Nothing runs while nothing is left: a node that idles sleeps.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context};

/// How soon a mailbox that was full is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// An actor that sends to others.
pub(crate) trait Leftovers: Actor<Context = Context<Self>> {
    /// Sends what waits. False when some still does.
    fn send_leftovers(&mut self) -> bool;

    /// Whether a later attempt is arranged already: for [`send`] alone.
    fn retries(&mut self) -> &mut bool;
}

/// Sends what waits, now and again until nothing does. To be called whenever something may have come to wait.
pub(crate) fn send<A: Leftovers>(actor: &mut A, ctx: &mut Context<A>) {
    if actor.send_leftovers() || std::mem::replace(actor.retries(), true) {
        return;
    }
    ctx.run_later(RETRY_AFTER, |actor, ctx| {
        *actor.retries() = false;
        send(actor, ctx);
    });
}
