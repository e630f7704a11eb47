//! The actor context of an upgraded connection: nothing but actix's own parts.

use actix::dev::{AsyncContextParts, ContextFut, ContextParts, Envelope, Mailbox, ToEnvelope};
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};

/// Context of an actor that is polled as a future of its own, without actix's boxed defaults.
pub(super) struct SocketContext<A: Actor<Context = Self>> {
    parts: ContextParts<A>,
}

impl<A: Actor<Context = Self>> SocketContext<A> {
    /// The actor as a future; it ends when the actor stops.
    pub(super) fn future(actor: A, mailbox_capacity: usize) -> ContextFut<A, Self> {
        let mut mailbox = Mailbox::default();
        mailbox.set_capacity(mailbox_capacity);
        let context = Self {
            parts: ContextParts::new(mailbox.sender_producer()),
        };
        ContextFut::new(context, actor, mailbox)
    }
}

impl<A: Actor<Context = Self>> ActorContext for SocketContext<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for SocketContext<A> {
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    fn spawn<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) -> SpawnHandle {
        self.parts.spawn(future)
    }

    fn wait<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) {
        self.parts.wait(future);
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: Actor<Context = Self>> AsyncContextParts<A> for SocketContext<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A, M> ToEnvelope<A, M> for SocketContext<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, tx: Option<tokio::sync::oneshot::Sender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, tx)
    }
}
