//! A program as a process of this run: on a port and in a folder of its own, nothing of which is left.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::local::free_port;

/// RabbitMQ takes half a minute on a machine that has nothing else to do.
const START_TIME_MAX: Duration = Duration::from_secs(180);
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// Somebody may take a port between the look for a free one and the start.
const ATTEMPTS: u32 = 3;
/// As much of what a process said as helps to understand why it ended.
const OUTPUT_LINES: usize = 30;
const OUTPUT: &str = "output";

/// What there is to know about a program that is to run by itself.
pub(crate) trait Program: Copy {
    fn name(self) -> &'static str;

    /// The command that is the process, with what it needs in the folder.
    ///
    /// # Errors
    /// The program is missing, or fails before it serves anybody.
    fn command(self, folder: &Path, port: u16) -> Result<Command>;

    /// Whether it does what it is for.
    fn answers_at(self, port: u16) -> bool;

    /// What ends it, with all its children. Few have anything to lose.
    fn farewell(self) -> Signal {
        Signal::KILL
    }
}

/// A process that is gone when this is dropped, with its folder.
pub(crate) struct Private<P: Program> {
    program: P,
    port: u16,
    process: Child,
    folder: TempDir,
    attempts_left: u32,
}

impl<P: Program> Private<P> {
    /// Starts it, without waiting for more than its process.
    ///
    /// # Errors
    /// As [`Program::command`].
    pub(crate) fn start(program: P) -> Result<Self> {
        Self::spawn(program).with_context(|| program.name())
    }

    fn spawn(program: P) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("linker-{}-", program.name()))
            .tempdir()?;
        let port = free_port()?;
        let process = run(program, folder.path(), port)?;
        Ok(Self {
            program,
            port,
            process,
            folder,
            attempts_left: ATTEMPTS - 1,
        })
    }

    pub(crate) fn program(&self) -> P {
        self.program
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it does what it is for.
    ///
    /// # Errors
    /// It ends, takes too long, or is not wanted any more.
    pub(crate) fn await_answer(&mut self, ended: &AtomicBool) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while !self.program.answers_at(self.port) {
            if ended.load(Ordering::Acquire) {
                bail!("{}: not wanted any more", self.program.name());
            }
            if let Some(status) = self.process.try_wait()? {
                let said = self.said();
                if self.attempts_left == 0 {
                    bail!("{} ended ({status}):\n{said}", self.program.name());
                }
                let attempts_left = self.attempts_left - 1;
                *self = Self::spawn(self.program)?;
                self.attempts_left = attempts_left;
            }
            if Instant::now() >= deadline {
                bail!("{} does not start:\n{}", self.program.name(), self.said());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn said(&self) -> String {
        let output = std::fs::read(self.folder.path().join(OUTPUT)).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
    }

    fn has_ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<P: Program> Drop for Private<P> {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        // It may have ended by itself.
        let _ = kill_process_group(group, self.program.farewell());
        if !self.has_ended_within(STOP_TIME_MAX) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

fn run<P: Program>(program: P, folder: &Path, port: u16) -> Result<Child> {
    let mut command = program.command(folder, port)?;
    let output = File::create(folder.join(OUTPUT))?;
    command
        // To be ended with all its children, and not by an interrupt from the terminal.
        .process_group(0)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", program.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs, and never answers.
    #[derive(Clone, Copy)]
    struct Silent(&'static str);

    impl Program for Silent {
        fn name(self) -> &'static str {
            "silent"
        }

        fn command(self, _: &Path, _: u16) -> Result<Command> {
            let mut command = Command::new("sh");
            command.args(["-c", self.0]);
            Ok(command)
        }

        fn answers_at(self, _: u16) -> bool {
            false
        }
    }

    #[test]
    fn a_process_and_its_folder_are_gone_at_the_end() {
        // With a child that would outlive it.
        let private = Private::start(Silent("sleep 3600 & wait")).unwrap();
        let path = private.folder.path().to_owned();
        let group = Pid::from_child(&private.process);
        assert!(path.exists());
        drop(private);
        assert!(!path.exists());
        // The child's entry stays until whoever inherits orphans has looked.
        let deadline = Instant::now() + Duration::from_secs(20);
        while kill_process_group(group, Signal::CONT).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(kill_process_group(group, Signal::CONT).is_err());
    }

    #[test]
    fn what_ends_at_once_is_told_with_its_words() {
        let mut failed = Private::start(Silent("echo first; echo no such option; false")).unwrap();
        let error = failed
            .await_answer(&AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("silent ended") && error.contains("no such option"),
            "{error}"
        );
    }
}
