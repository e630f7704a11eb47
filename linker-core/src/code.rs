//! Error and close codes of the protocol, and the one place where an error of ours becomes one of them.

use std::borrow::Cow;

use crate::directory::RecipientError;
use crate::id::IdError;
use crate::port::AuthError;

/// Codes a program can test (PROTOCOL.md, Errors). Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is its wire name, explained in PROTOCOL.md")]
pub enum ErrorCode {
    InvalidJson,
    UnknownType,
    InvalidField,
    InvalidUserId,
    UnknownUser,
    UnknownDomain,
    NotAuthenticated,
    AlreadyAuthenticated,
    Forbidden,
    UserNotConnected,
    RateLimited,
    TooManyRecipients,
    Unavailable,
    InboxFull,
    UnknownApp,
    WrongApp,
    WrongDomain,
    AuthFailed,
    AuthUnavailable,
}

impl ErrorCode {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::UnknownType => "UNKNOWN_TYPE",
            Self::InvalidField => "INVALID_FIELD",
            Self::InvalidUserId => "INVALID_USER_ID",
            Self::UnknownUser => "UNKNOWN_USER",
            Self::UnknownDomain => "UNKNOWN_DOMAIN",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
            Self::AlreadyAuthenticated => "ALREADY_AUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::UserNotConnected => "USER_NOT_CONNECTED",
            Self::RateLimited => "RATE_LIMITED",
            Self::TooManyRecipients => "TOO_MANY_RECIPIENTS",
            Self::Unavailable => "UNAVAILABLE",
            Self::InboxFull => "INBOX_FULL",
            Self::UnknownApp => "UNKNOWN_APP",
            Self::WrongApp => "WRONG_APP",
            Self::WrongDomain => "WRONG_DOMAIN",
            Self::AuthFailed => "AUTH_FAILED",
            Self::AuthUnavailable => "AUTH_UNAVAILABLE",
        }
    }
}

/// Why the server closes a connection (PROTOCOL.md, Errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: the client closed.
    Normal,
    /// 1001: the server drains.
    GoingAway,
    /// 1002: not RFC 6455.
    Protocol,
    /// 1003: a binary frame.
    Unsupported,
    /// 1007: invalid UTF-8.
    InvalidText,
    /// 1009: larger than `limits.maxFrameBytes`.
    TooBig,
    /// 1011: a fault of the server's own.
    Internal,
    /// 4001: not authenticated in time, or the token has expired.
    AuthTimeout,
    /// 4003: login refused.
    LoginRefused,
    /// 4008: nothing was heard for `heartbeat.timeout`.
    HeartbeatTimeout,
    /// 4009: replaced by a newer login.
    Replaced,
    /// 4010: closed by the master.
    ClosedByMaster,
    /// 4011: fell behind and proved nothing for `limits.stallTimeout`.
    Stalled,
    /// 4029: too many violations of the rate limit in a row.
    RateLimit,
}

impl CloseCode {
    const ALL: [Self; 14] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::InvalidText,
        Self::TooBig,
        Self::Internal,
        Self::AuthTimeout,
        Self::LoginRefused,
        Self::HeartbeatTimeout,
        Self::Replaced,
        Self::ClosedByMaster,
        Self::Stalled,
        Self::RateLimit,
    ];

    /// The code of this number, if it is one of ours.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The number in the close frame.
    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::InvalidText => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::AuthTimeout => 4001,
            Self::LoginRefused => 4003,
            Self::HeartbeatTimeout => 4008,
            Self::Replaced => 4009,
            Self::ClosedByMaster => 4010,
            Self::Stalled => 4011,
            Self::RateLimit => 4029,
        }
    }

    /// The reason in the close frame, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Normal => "closed",
            Self::GoingAway => "the server is going away, come back in a moment",
            Self::Protocol => "not a valid WebSocket frame",
            Self::Unsupported => "binary frames are not supported",
            Self::InvalidText => "invalid UTF-8",
            Self::TooBig => "the frame is too large",
            Self::Internal => "a fault of the server",
            Self::AuthTimeout => "not authenticated in time",
            Self::LoginRefused => "login refused",
            Self::HeartbeatTimeout => "nothing heard from the client",
            Self::Replaced => "replaced by a newer login",
            Self::ClosedByMaster => "closed by the master",
            Self::Stalled => "stalled",
            Self::RateLimit => "too many frames",
        }
    }
}

/// What a frame is answered when it cannot be done: becomes an `ERROR` frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct FrameError {
    /// For programs.
    pub code: ErrorCode,
    /// For people; names the fault.
    pub message: Cow<'static, str>,
}

impl FrameError {
    /// An error of this code.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// `INVALID_FIELD`: what is wrong with which field.
    pub fn field(name: &str, wrong: &str) -> Self {
        Self::new(ErrorCode::InvalidField, format!("`{name}` {wrong}"))
    }

    /// `INVALID_USER_ID` in the named field. `given` is shown, cut to a bearable length.
    pub fn user_id(field: &str, given: &str, error: IdError) -> Self {
        let shown: String = given.chars().take(64).collect();
        Self::new(
            ErrorCode::InvalidUserId,
            format!("`{field}`: \"{shown}\" is not a user id: {error}"),
        )
    }
}

impl From<&AuthError> for FrameError {
    fn from(error: &AuthError) -> Self {
        let code = match error {
            AuthError::Refused(_) => ErrorCode::AuthFailed,
            AuthError::Unavailable(_) => ErrorCode::AuthUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<&RecipientError> for ErrorCode {
    fn from(error: &RecipientError) -> Self {
        match error {
            RecipientError::UnknownUser => Self::UnknownUser,
            RecipientError::UnknownDomain => Self::UnknownDomain,
            RecipientError::Forbidden => Self::Forbidden,
        }
    }
}
