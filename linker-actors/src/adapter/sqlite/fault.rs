//! What SQLite's errors mean for the caller.

use linker_core::port::StoreError;

/// The kinds of trouble that call for different answers. Numbers are SQLite's primary result codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// 13: no room on the disk.
    Full,
    /// 5, 6: someone else holds the file.
    Busy,
    /// 8.
    ReadOnly,
    /// 10: the disk failed to do something.
    Io,
    /// 11, 26.
    Damaged,
    /// 14.
    CannotOpen,
    /// A lost worker thread, a driver's own complaint, a mistake in a statement.
    Other,
}

impl Fault {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        let code = match error {
            sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()),
            _ => None,
        };
        // The upper bytes of an extended code only say more about the same.
        match code.map(|code| code & 0xff) {
            Some(13) => Self::Full,
            Some(5 | 6) => Self::Busy,
            Some(8) => Self::ReadOnly,
            Some(10) => Self::Io,
            Some(11 | 26) => Self::Damaged,
            Some(14) => Self::CannotOpen,
            _ => Self::Other,
        }
    }

    /// Whether the connection itself is still good. After the others it is opened anew: a connection opened while the file was read-only, say, stays
    /// read-only.
    pub(super) fn spares_connection(self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }

    pub(super) fn describe(self, error: &sqlx::Error) -> String {
        match self {
            Self::Full => "the disk is full".into(),
            Self::Busy => "another process holds the database file locked".into(),
            Self::ReadOnly => "the database file is read-only".into(),
            Self::Io => format!("the disk failed: {error}"),
            Self::Damaged => format!("the database file is damaged: {error}"),
            Self::CannotOpen => format!("the database file cannot be opened: {error}"),
            Self::Other => error.to_string(),
        }
    }
}

/// The answer to a call during which nothing was changed.
pub(super) fn away(error: &sqlx::Error) -> StoreError {
    StoreError::Away(Fault::of(error).describe(error))
}
