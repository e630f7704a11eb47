//! What a session wants done.

use std::sync::Arc;

use bytes::Bytes;

use crate::app::ClientApp;
use crate::code::{CloseCode, ErrorCode, FrameError};
use crate::custody::Ticket;
use crate::envelope::{Feature, Kind};
use crate::frame::ServerFrame;
use crate::id::{MessageId, UserId};
use crate::port::{BoxFuture, Credentials, PageFilter};

/// A message of this session's user, not yet taken into custody.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What it is for the recipient.
    pub kind: Kind,
    /// RELIABLE or FAST.
    pub feature: Feature,
    /// The recipient, checked.
    pub to: UserId,
    /// The sender's reference.
    pub reference: Option<Box<str>>,
    /// Whether a confirmation is owed.
    pub confirm: bool,
    /// Whether `MESSAGE_ACCEPTED` is wanted.
    pub accepted: bool,
    /// JSON as written; a copy, never a slice of a read buffer.
    pub content: Bytes,
}

/// What an asynchronous message handler answers.
pub type CallResult = Result<Vec<ServerFrame>, FrameError>;

/// One thing to do; to be done in the order given.
pub enum SessionEffect {
    /// Write this frame.
    Send(ServerFrame),
    /// Write a ping with this number.
    Ping(u64),
    /// Write a close frame, then read no more.
    Close(CloseCode),
    /// Ask the app's authenticator; the answer goes to [`super::Session::on_authenticated`].
    Authenticate(Arc<ClientApp>, Credentials),
    /// Register the session; the answer goes to [`super::Session::on_registered`].
    Register {
        /// Whose it is now.
        user: UserId,
        /// It starts behind: everything that waits is fed to it first.
        replay: bool,
    },
    /// Take this message into custody.
    Submit(Draft),
    /// A login has ended: believed, or refused with this code. Count it.
    Login(Option<ErrorCode>),
    /// A message was not even taken; count it.
    Refused(Feature),
    /// Close all sessions of a user; the answer goes to [`super::Session::on_user_closed`].
    CloseUser(UserId, Option<Box<str>>),
    /// Its delivery is proven.
    Proven(Ticket),
    /// It will not be proven by this session: find another way.
    GiveBack(Ticket),
    /// So many bytes are held for this session no more, once what was sent so far has been written to the socket.
    FreeOnFlush(usize),
    /// So many bytes are held for this session no more.
    Free(usize),
    /// The session has fallen behind of itself: send it nothing until it is live.
    FallBehind,
    /// Read a page of what waits for the user; the answer goes to [`super::Session::on_page`].
    ReadPage {
        /// After this row.
        after_seq: u64,
        /// At most so many.
        max_rows: u32,
        /// At most so many bytes, but one row at least.
        max_bytes: usize,
        /// Which.
        filter: PageFilter,
        /// What the session has already, and sends where the page has it.
        deferred: Vec<MessageId>,
    },
    /// Wait for the user's turn to fetch; [`super::Session::on_fetch_granted`].
    AcquireFetch,
    /// The turn is over.
    ReleaseFetch,
    /// Count what waits; [`super::Session::on_count`].
    CountWaiting,
    /// Go live, unless something was diverted since the last page was asked for; [`super::Session::on_live`].
    TryLive,
    /// Run this; its result goes to [`super::Session::on_call_done`], with the reference of the frame.
    Call(BoxFuture<'static, CallResult>, Option<Box<str>>),
}
