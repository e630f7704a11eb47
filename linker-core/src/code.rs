//! Error and close codes of the protocol, and the one place where an error of ours becomes one of them.

use std::borrow::Cow;

use crate::directory::RecipientError;
use crate::id::IdError;
use crate::port::AuthError;

/// One list of them, so that none can be forgotten where all are asked for.
macro_rules! error_codes {
    ($($variant:ident $name:literal,)*) => {
        /// Codes a program can test (PROTOCOL.md, Errors). Never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is its wire name, explained in PROTOCOL.md")]
        pub enum ErrorCode {
            $($variant,)*
        }

        impl ErrorCode {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

error_codes! {
    InvalidJson "INVALID_JSON",
    UnknownType "UNKNOWN_TYPE",
    InvalidField "INVALID_FIELD",
    InvalidUserId "INVALID_USER_ID",
    UnknownUser "UNKNOWN_USER",
    UnknownDomain "UNKNOWN_DOMAIN",
    NotAuthenticated "NOT_AUTHENTICATED",
    AlreadyAuthenticated "ALREADY_AUTHENTICATED",
    Forbidden "FORBIDDEN",
    UserNotConnected "USER_NOT_CONNECTED",
    RateLimited "RATE_LIMITED",
    TooManyRecipients "TOO_MANY_RECIPIENTS",
    Unavailable "UNAVAILABLE",
    InboxFull "INBOX_FULL",
    Refused "REFUSED",
    UnknownApp "UNKNOWN_APP",
    WrongApp "WRONG_APP",
    WrongDomain "WRONG_DOMAIN",
    AuthFailed "AUTH_FAILED",
    AuthUnavailable "AUTH_UNAVAILABLE",
}

/// The same for the codes of close frames.
macro_rules! close_codes {
    ($($(#[$doc:meta])* $variant:ident $number:literal $reason:literal,)*) => {
        /// Why the server closes a connection (PROTOCOL.md, Errors).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CloseCode {
            $($(#[$doc])* $variant,)*
        }

        impl CloseCode {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number in the close frame.
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The reason in the close frame, for people.
            pub fn reason(self) -> &'static str {
                match self {
                    $(Self::$variant => $reason,)*
                }
            }
        }
    };
}

close_codes! {
    /// 1000: the client closed.
    Normal 1000 "closed",
    /// 1001: the server drains.
    GoingAway 1001 "the server is going away, come back in a moment",
    /// 1002: not RFC 6455.
    Protocol 1002 "not a valid WebSocket frame",
    /// 1003: a binary frame.
    Unsupported 1003 "binary frames are not supported",
    /// 1007: invalid UTF-8.
    InvalidText 1007 "invalid UTF-8",
    /// 1009: larger than `limits.maxFrameBytes`.
    TooBig 1009 "the frame is too large",
    /// 1011: a fault of the server's own.
    Internal 1011 "a fault of the server",
    /// 4001: not authenticated in time, or the token has expired.
    AuthTimeout 4001 "not authenticated in time, or the token is not good any more",
    /// 4003: login refused.
    LoginRefused 4003 "login refused",
    /// 4008: nothing was heard for `heartbeat.timeout`.
    HeartbeatTimeout 4008 "nothing heard from the client",
    /// 4009: replaced by a newer login.
    Replaced 4009 "replaced by a newer login",
    /// 4010: closed by the master.
    ClosedByMaster 4010 "closed by the master",
    /// 4011: fell behind and proved nothing for `limits.stallTimeout`.
    Stalled 4011 "stalled",
    /// 4029: too many violations of the rate limit in a row.
    RateLimit 4029 "too many frames",
}

impl CloseCode {
    /// The code of this number, if it is one of ours.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
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
