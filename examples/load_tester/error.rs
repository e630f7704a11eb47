//! Why a run could not be done.

use std::io;

/// What stops the load tester. Each message is one sentence for the person who started it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LoadError {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The operating system allows too few open files for the connections asked for.
    #[error(
        "{connections} connections need {needed} open files, but this process may open {allowed}: raise the limit \
         (`ulimit -n`), or share the connections among several testers with different --first-user"
    )]
    TooFewFiles {
        connections: u64,
        needed: u64,
        allowed: u64,
    },
    /// A client could not log in.
    #[error("user {user} could not log in: {reason}")]
    Login { user: String, reason: String },
    /// A phase of the run took longer than it may.
    #[error("{0} did not end in time; the run was given up")]
    Overdue(&'static str),
    /// The server process could not be started, found or read.
    #[error("{0}")]
    Server(String),
    /// The peer broke RFC 6455.
    #[error("the server sent {0}")]
    Protocol(&'static str),
    /// A system call failed.
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
}

impl LoadError {
    /// For `map_err`: says what was being done when the system call failed.
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            doing,
            source: source.into(),
        }
    }
}
