//! Where, when and with what something was measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::steps::workspace_root;

/// All that a reader has to know besides the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Setting {
    pub(crate) date: String,
    /// The commit that was measured, with a word if files had been changed since.
    pub(crate) commit: String,
    pub(crate) rounds: u32,
    pub(crate) seconds: u64,
    /// Measured with the small counts of `--quick`: proves that the suite runs, not how fast anything is.
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    /// Of programs, by name.
    pub(crate) versions: BTreeMap<String, String>,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
}

/// Programs that are asked for their version, and how. Those that are not there are left out.
const VERSIONS: [(&str, &[&str]); 9] = [
    ("rustc", &["rustc", "--version"]),
    ("Mosquitto", &["mosquitto", "-h"]),
    ("NATS", &["nats-server", "--version"]),
    ("Node.js", &["node", "--version"]),
    ("PostgreSQL", &["psql", "--version"]),
    ("Redis", &["redis-server", "--version"]),
    (
        "ejabberd",
        &["dpkg-query", "--show", "--showformat=${Version}", "ejabberd"],
    ),
    (
        "RabbitMQ",
        &[
            "dpkg-query",
            "--show",
            "--showformat=${Version}",
            "rabbitmq-server",
        ],
    ),
    (
        "Erlang",
        &["dpkg-query", "--show", "--showformat=${Version}", "erlang-base"],
    ),
];

impl Setting {
    /// This machine, now.
    pub(crate) fn here(rounds: u32, seconds: u64, quick: bool) -> Self {
        // What this program writes itself does not count.
        let status = [
            "git",
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ":!docs",
            ":!README.md",
        ];
        let changed = said(&status).is_some();
        let commit = said(&["git", "rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
        Self {
            date: said(&["date", "--utc", "+%Y-%m-%d"]).unwrap_or_default(),
            commit: commit + if changed { " with changes" } else { "" },
            rounds,
            seconds,
            quick,
            machine: Machine::this(),
            versions: VERSIONS
                .iter()
                .filter_map(|(name, command)| Some(((*name).to_owned(), said(command)?)))
                .collect(),
        }
    }
}

impl Machine {
    fn this() -> Self {
        let read = |file: &str| fs::read_to_string(Path::new(file)).unwrap_or_default();
        let kib: u64 = value_after(&read("/proc/meminfo"), "MemTotal", ':')
            .and_then(|value| value.split_whitespace().next().map(str::to_owned))
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: value_after(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_default(),
            memory_gib: kib.div_ceil(1024 * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: value_after(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_default(),
        }
    }
}

/// The value of the first line with that key, without quotes.
fn value_after(text: &str, key: &str, separator: char) -> Option<String> {
    let (_, value) = text
        .lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(found, _)| found.trim() == key)?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// The first line that a command says; `None` if it cannot be run, fails or says nothing.
fn said(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_gib > 0 && !machine.kernel.is_empty());
    }

    #[test]
    fn values_are_found_in_files_of_keys() {
        let os = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        let name = Some("Debian GNU/Linux 12 (bookworm)".to_owned());
        assert_eq!(value_after(os, "PRETTY_NAME", '='), name);
        assert_eq!(
            value_after("MemTotal:  24 kB\n", "MemTotal", ':'),
            Some("24 kB".to_owned())
        );
        assert_eq!(value_after("", "MemTotal", ':'), None);
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(said(&["no-such-program", "--version"]), None);
        assert_eq!(said(&["false"]), None);
        assert_eq!(said(&["echo", "1.2"]), Some("1.2".to_owned()));
    }
}
