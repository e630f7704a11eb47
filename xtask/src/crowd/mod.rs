//! `cargo xtask crowd`: very many users in one domain of many nodes on this machine.
//!
//! The run belongs to a process of its own, which ends everything when its standard input does: so also when this program is interrupted or killed.
//! Nodes and load testers end with that process even if it is killed.

mod asking;
mod field;
mod latencies;
mod machine;
mod measure;
mod node;
mod options;
mod outcome;
mod part;
mod programs;
mod run;
mod store;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::keeper::end_of_input;

use self::options::Options;
pub(crate) use self::options::USAGE;

/// The command of this program that is the run itself. Of no use by hand.
pub(crate) const INSIDE: &str = "run-crowd";

/// Checks the options and has the run done.
///
/// # Errors
/// Wrong options, or the run failed; it has said why.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    Options::parse(words).with_context(|| format!("wrong usage\n\n{USAGE}\n"))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut process = Command::new(program)
        .arg(INSIDE)
        .args(words)
        // Of its own, so that an interrupt from the terminal leaves it the time to clean up.
        .process_group(0)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start the run")?;
    // `wait` would close its standard input, which is how it knows that it is wanted.
    let input = process.stdin.take();
    let status = process.wait()?;
    drop(input);
    if !status.success() {
        bail!("the crowd failed ({status})");
    }
    Ok(())
}

/// The run.
///
/// # Errors
/// Whatever kept it from its end, or something was lost.
pub(crate) fn inside(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let ended = end_of_input();
    run::run(&options, &ended)
}
