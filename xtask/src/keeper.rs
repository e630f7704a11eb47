//! This program's side of a keeper: a process that has what was started, and ends it when its standard input ends, however that comes about.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

/// What a keeper says when all that was wanted is there.
pub(crate) const READY: &str = "everything is ready";

/// The process that has what was started. It ends it when this is dropped, and when this process ends in whatever way.
pub(crate) struct Keeper {
    process: Child,
    input: Option<ChildStdin>,
}

impl Keeper {
    /// Has `command` of this program start what is wanted. What it says until all is there goes to `heard`, line by line.
    ///
    /// # Errors
    /// It cannot start something, and has said why.
    pub(crate) fn start(command: &str, wanted: &[String], mut heard: impl FnMut(&str)) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = Command::new(program)
            .arg(command)
            .args(wanted)
            // Of its own, so that an interrupt from the terminal leaves it the time to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the keeper")?;
        let input = process.stdin.take();
        let output = process.stdout.take();
        let keeper = Self { process, input };
        for line in BufReader::new(output.context("the keeper has no output")?).lines() {
            let line = line?;
            if line == READY {
                return Ok(keeper);
            }
            heard(&line);
        }
        bail!("not everything could be started")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has bounds of its own on how long it takes.
        let _ = self.process.wait();
    }
}

/// Keeps what the caller has until the standard input ends.
pub(crate) fn wait_for(ended: &AtomicBool) {
    while !ended.load(Ordering::Acquire) {
        std::thread::park();
    }
}

/// Becomes true, and wakes this thread, when the standard input ends.
pub(crate) fn end_of_input() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    let keeper = std::thread::current();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
        told.store(true, Ordering::Release);
        keeper.unpark();
    });
    ended
}
