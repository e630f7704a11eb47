//! This program's side of the keeper.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::keeping;

/// The process that has the services. It ends them when this is dropped, and when this process ends in whatever way.
pub(super) struct Keeper {
    process: Child,
    input: Option<ChildStdin>,
}

impl Keeper {
    /// Has it start what is wanted, and answers with the variables under which that can be found.
    pub(super) fn start(wanted: &[String]) -> Result<(Self, Vec<(String, String)>)> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = Command::new(program)
            .arg(keeping::COMMAND)
            .args(wanted)
            // Of its own, so that an interrupt from the terminal leaves it the time to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the keeper of the services")?;
        let input = process.stdin.take();
        let output = process.stdout.take();
        let keeper = Self { process, input };
        let mut variables = Vec::new();
        for line in BufReader::new(output.context("the keeper has no output")?).lines() {
            let line = line?;
            if line == keeping::READY {
                return Ok((keeper, variables));
            }
            match line
                .strip_prefix(keeping::VARIABLE)
                .map(|line| line.split_once('='))
            {
                Some(Some((name, value))) => variables.push((name.to_owned(), value.to_owned())),
                _ => println!("{line}"),
            }
        }
        bail!("the services could not be started")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has bounds of its own on how long it takes.
        let _ = self.process.wait();
    }
}
