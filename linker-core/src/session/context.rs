//! What a session is given along with each input, and what a message type is given along with each frame.

use std::sync::Arc;

use crate::app::ClientApp;
use crate::clock::Now;
use crate::code::{ErrorCode, FrameError};
use crate::directory::{Directory, Home};
use crate::frame::{AuthOptions, ServerFrame};
use crate::id::UserId;
use crate::message_type::MessageTypes;
use crate::port::BoxFuture;

use super::config::SessionConfig;
use super::effect::{CallResult, Draft, SessionEffect};
use super::proof::ProofWindow;
use super::pump::Pump;
use super::shared::SharedLimits;

/// What all sessions of a node share, and where effects go.
pub struct SessionContext<'a> {
    /// The time.
    pub now: Now,
    /// Settings.
    pub config: &'a SessionConfig,
    /// Client apps, distributions, domains.
    pub directory: &'a Directory,
    /// The message types this node knows.
    pub types: &'a MessageTypes,
    /// Limits it shares with other sessions; `None`: there are none.
    pub shared: Option<&'a dyn SharedLimits>,
    /// Bytes held for this session: in its mailbox, unwritten or unproven.
    pub backlog_bytes: usize,
    /// How much of what is fed from the store may be held for this session, bytes; at most half of `max_unproven_bytes`.
    pub feed_bytes: usize,
    /// Effects are appended here.
    pub effects: &'a mut Vec<SessionEffect>,
}

/// What a message type may see and do while it handles a frame of a logged-in user.
pub struct FrameContext<'a> {
    pub(super) user: UserId,
    pub(super) app: &'a Arc<ClientApp>,
    pub(super) options: AuthOptions,
    pub(super) reference: Option<Box<str>>,
    pub(super) config: &'a SessionConfig,
    pub(super) directory: &'a Directory,
    pub(super) proof: &'a mut ProofWindow,
    pub(super) pump: &'a mut Option<Box<Pump>>,
    pub(super) calls: &'a mut usize,
    pub(super) effects: &'a mut Vec<SessionEffect>,
}

impl FrameContext<'_> {
    /// Who sent the frame.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The sender's client app, as it is now: its master may be another one than at login.
    pub fn app(&self) -> &Arc<ClientApp> {
        self.directory.app_of(self.user.app()).unwrap_or(self.app)
    }

    /// What the sender asked for at login.
    pub fn options(&self) -> AuthOptions {
        self.options
    }

    /// Whether confirmations are sent at all.
    pub fn confirmation_enabled(&self) -> bool {
        self.config.confirmation_enabled
    }

    /// Whether users may send to the application.
    pub fn has_upstream(&self) -> bool {
        self.config.upstream
    }

    /// Client apps, distributions, domains.
    pub fn directory(&self) -> &Directory {
        self.directory
    }

    /// Answers with a frame, to this session alone.
    pub fn reply(&mut self, frame: ServerFrame) {
        self.effects.push(SessionEffect::Send(frame));
    }

    /// Reads a user id from `field` and checks that a message may go there.
    ///
    /// # Errors
    /// In this order: `INVALID_USER_ID`, `UNKNOWN_USER`, `UNKNOWN_DOMAIN`, `FORBIDDEN`.
    pub fn recipient(&self, field: &str, text: &str) -> Result<UserId, FrameError> {
        let to = text
            .parse()
            .map_err(|error| FrameError::user_id(field, text, error))?;
        match self.directory.check_recipient(&self.user, &to) {
            // A domain that cannot be reached now is no fault of the sender's: the message waits.
            Ok(Home::Here | Home::Away { .. }) => Ok(to),
            Err(error) => Err(FrameError::new(
                ErrorCode::from(&error),
                format!("`{field}`: {to}: {error}"),
            )),
        }
    }

    /// Takes a message of this user into custody.
    pub fn submit(&mut self, draft: Draft) {
        self.effects.push(SessionEffect::Submit(draft));
    }

    /// Sends the oldest `count` messages that wait for this user, when it is their turn.
    ///
    /// # Errors
    /// `RATE_LIMITED` when too many fetches wait already.
    pub fn fetch(&mut self, count: u64) -> Result<(), FrameError> {
        self.pump.get_or_insert_default().fetch(count)
    }

    /// Closes all sessions of a user.
    pub fn close_user(&mut self, user: UserId) {
        self.effects
            .push(SessionEffect::CloseUser(user, self.reference.clone()));
    }

    /// The client has this message.
    pub fn acknowledge(&mut self, id: &crate::id::MessageId) {
        self.proof.ack(id, |ticket, cost| {
            if let Some(pump) = &mut *self.pump {
                pump.proven();
            }
            self.effects.push(SessionEffect::Proven(ticket));
            self.effects.push(SessionEffect::Free(cost));
        });
    }

    /// Answers later. While too many answers are awaited, the session's socket is read no further.
    pub fn call(&mut self, future: BoxFuture<'static, CallResult>) {
        *self.calls += 1;
        self.effects
            .push(SessionEffect::Call(future, self.reference.clone()));
    }
}
