//! What sessions are told.

use actix::Message;
use linker_core::code::{CloseCode, FrameError};
use linker_core::custody::Delivery;
use linker_core::envelope::Kind;
use linker_core::frame::ServerFrame;
use linker_core::id::UserId;
use linker_core::port::{AuthError, Login};
use linker_core::session::{CallResult, SessionPage};

/// What became of a registration: how many messages wait (`None`: the store cannot tell), or why there is none.
pub(crate) type Registration = Result<Option<u64>, Box<FrameError>>;

/// For a session, from anywhere. On `Full`: a delivery goes to the store instead, a tick or a hint is repeated later, all else waits at its sender.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum ToSession {
    /// A router offers a message.
    Deliver(Delivery),
    /// The wheel: a deadline may have passed.
    Tick,
    /// A router: look at your gate, you have fallen behind.
    Behind,
    /// A router: something for you was stored, behind all that was before.
    Hint,
    /// A router: something that waits may be yours now, anywhere among what you passed over.
    Rescan,
    /// A router: there is room again for what you send.
    Resume,
    /// A router: a message of yours is safe.
    Accepted(Box<ServerFrame>),
    /// A router: a message of yours was refused.
    Refused(Box<(FrameError, Option<Box<str>>)>),
    /// The authenticator's answer.
    Authenticated(Result<Login, AuthError>),
    /// Presence: you are registered, and so many messages wait.
    Registered(Registration),
    /// The router: the page you asked for.
    Page(Option<Box<SessionPage>>),
    /// The store: how many messages wait.
    Count(Option<u64>),
    /// It is your turn to fetch.
    FetchGranted,
    /// A handler of the host has answered.
    CallDone(Box<(CallResult, Option<Box<str>>)>),
    /// Whether the user whose sessions were to be closed had any.
    UserClosed(Box<(UserId, bool, Option<Box<str>>)>),
    /// Close the connection.
    Close(CloseCode),
}

impl ToSession {
    /// Whether many sessions are told the same at once.
    pub(super) fn is_fanned_out(&self) -> bool {
        matches!(self, Self::Deliver(delivery) if delivery.envelope.kind == Kind::GroupMessage)
    }
}
