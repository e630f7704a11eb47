//! What PostgreSQL's errors mean for the caller.

use linker_core::port::StoreError;
use sqlx::postgres::PgDatabaseError;

/// The server's own code, if it was the server that complained.
pub(super) fn code_of(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<PgDatabaseError>()?.code())
}

/// Two got in each other's way, and one had to give way: it may try again at once.
pub(super) fn gave_way(error: &sqlx::Error) -> bool {
    // deadlock_detected, serialization_failure
    matches!(code_of(error), Some("40P01" | "40001"))
}

/// A row with that key is there.
pub(super) fn is_there_already(error: &sqlx::Error) -> bool {
    // unique_violation
    code_of(error) == Some("23505")
}

/// Whether the server has said that it did not do it. Otherwise it may have, and only the answer was lost.
fn refused(error: &sqlx::Error) -> bool {
    match code_of(error) {
        // Class 57 ends the session (shutdown, crash), 08 is a broken connection; but a statement that was cancelled has done nothing.
        Some("57014") => true,
        Some(code) => !code.starts_with("57") && !code.starts_with("08"),
        None => false,
    }
}

/// In words for the log; of what the server says only its one line, for details may quote values.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match &*code {
                "53100" => "PostgreSQL's disk is full".into(),
                "25006" => "PostgreSQL is read-only".into(),
                "57014" => "PostgreSQL took too long".into(),
                "53300" => "PostgreSQL has no connection left".into(),
                _ => format!("PostgreSQL says {code}: {}", error.message()),
            }
        }
        sqlx::Error::Io(error) => format!("the connection to PostgreSQL failed: {error}"),
        error => error.to_string(),
    }
}

/// The answer to a call during which nothing was changed.
pub(super) fn away(error: &sqlx::Error) -> StoreError {
    StoreError::Away(describe(error))
}

/// The answer to a call whose last statement, the one that would have made its changes last, failed.
pub(super) fn uncertain_unless_refused(error: &sqlx::Error) -> StoreError {
    if refused(error) {
        away(error)
    } else {
        StoreError::Uncertain(describe(error))
    }
}

/// What takes too long is given up; its connection goes with it, and the server undoes what was not committed.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
