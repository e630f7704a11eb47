//! What waits in the store, asked by `psql`, which comes with PostgreSQL.

use std::process::Command;

use anyhow::Result;

use crate::steps::output_of;

/// Rows that are told one by one.
const TOLD_MAX: u32 = 10;

/// How many messages wait.
///
/// # Errors
/// There is no `psql`, or it does not answer.
pub(super) fn waiting(url: &str) -> Result<u64> {
    let answer = ask(url, "SELECT count(*) FROM linker_message")?;
    Ok(answer.trim().parse()?)
}

/// The oldest of them in words, for whoever looks for what is missing.
pub(super) fn oldest(url: &str) -> Result<String> {
    ask(
        url,
        &format!(
            "SELECT format('%s from %s to %s, reason %s, owner %s', id, sender, recipient, reason, owner) \
             FROM linker_message ORDER BY seq LIMIT {TOLD_MAX}"
        ),
    )
}

fn ask(url: &str, question: &str) -> Result<String> {
    output_of(Command::new("psql").args(["--no-psqlrc", "-At", "-c", question, url]))
}
