//! What an error of Redis means to whoever asked. Sentences are our own where a secret could be near.

use std::error::Error;
use std::io;
use std::sync::Arc;

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};
use linker_core::port::PresenceError;

/// Why no connection could be opened to `address`.
pub(super) fn of_opening(error: &RedisError, address: &str) -> PresenceError {
    let refused = |why: &str| PresenceError::Refused(format!("the Redis at {address} {why}"));
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
            refused("refuses the user or password of its url")
        }
        (_, Some("NOAUTH")) => refused("wants a password; put it into its url"),
        (ErrorKind::RESP3NotSupported, _) => refused("is too old; version 6.0 or newer is needed"),
        (ErrorKind::Parse, _) => {
            refused("does not answer as a Redis does; is it another service, or one that wants rediss://?")
        }
        (ErrorKind::InvalidClientConfig, _) => refused("cannot be reached by its url; check host and scheme"),
        (ErrorKind::Server(ServerErrorKind::ResponseError), _) if is_about_database(error) => {
            refused("has no database of the number in its url")
        }
        (ErrorKind::Io, _) if io_kind(error) == Some(io::ErrorKind::InvalidData) => {
            refused("cannot be trusted; check its certificate and the host name in its url")
        }
        (ErrorKind::Io, _) => PresenceError::Away(format!("{address} cannot be reached ({})", reason(error))),
        _ => of_asking(error, address),
    }
}

/// Why Redis did not do what it was asked.
pub(super) fn of_asking(error: &RedisError, address: &str) -> PresenceError {
    let away = |why: &str| PresenceError::Away(format!("{address} {why}"));
    match (error.kind(), error.code()) {
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => PresenceError::Refused(format!(
            "the Redis at {address} does not allow its user what presence needs: keys linker:*, and scripts, sets, sorted sets and tracking"
        )),
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => away("is still loading its data"),
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => away("is a replica, which takes no writes"),
        (ErrorKind::Io, _) => away(&format!("was lost ({})", reason(error))),
        (_, Some(code)) => away(&format!("answers {code}")),
        (kind, None) => away(&format!("answers what cannot be understood ({kind:?})")),
    }
}

/// Nothing was heard of it.
pub(super) fn silent(address: &str) -> PresenceError {
    PresenceError::Away(format!("{address} does not answer in time"))
}

fn is_about_database(error: &RedisError) -> bool {
    error.to_string().contains("switch database")
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let shared = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref()
}

fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    io_error(error).map(io::Error::kind)
}

fn reason(error: &RedisError) -> String {
    io_error(error).map_or_else(|| error.category().to_owned(), io::Error::to_string)
}
