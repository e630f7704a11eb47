//! One run of the load tester, or of a program that reports as it does.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::workspace_root;

use super::contender::{Contender, Programs};

/// A run, and what it is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// What is compared with each other has the same case.
    pub(crate) case: String,
    pub(crate) name: String,
    words: Vec<String>,
}

/// The core that servers are pinned to; the tester has the others.
pub(crate) const SERVER_CORE: &str = "0";

impl Load {
    /// Scenario and options of the load tester, as words with spaces between.
    pub(crate) fn new(case: &str, name: &str, programs: &Programs, scenario: &str) -> Self {
        Self::of(case, name, &programs.load_tester, scenario)
    }

    /// Another program that knows `--json`.
    pub(crate) fn of(case: &str, name: &str, program: &str, words: &str) -> Self {
        let words = std::iter::once(program).chain(words.split_ascii_whitespace());
        Self {
            case: case.to_owned(),
            name: name.to_owned(),
            words: words.map(str::to_owned).collect(),
        }
    }

    /// On a server that the tester starts and stops.
    pub(crate) fn on(self, contender: Contender, programs: &Programs) -> Self {
        let load = match contender {
            Contender::Linker => self,
            other => self.with(&["--target", other.target()]),
        };
        load.spawning(&contender.command(programs))
    }

    /// On a server started by this command.
    pub(crate) fn spawning(self, command: &str) -> Self {
        self.with(&["--spawn", command])
    }

    /// Server on one core, tester on the others, none of them asleep.
    pub(crate) fn pinned(self) -> Self {
        self.with(&["--server-cpu", SERVER_CORE, "--keep-awake"])
    }

    pub(crate) fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The command as one would type it, without passwords: it is published.
    pub(crate) fn shown(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|word| quoted(&without_passwords(word)))
            .collect();
        words.join(" ")
    }

    /// Runs it to its end. `temporary`: where it may leave files.
    ///
    /// # Errors
    /// It cannot be started, fails (told with its own words), or writes no report.
    pub(crate) fn run(&self, temporary: &Path) -> Result<Value> {
        // Of its own, since two may run at once.
        let report = tempfile::Builder::new().suffix(".json").tempfile_in(temporary)?;
        let file = report.path();
        let outcome = self.execute(temporary, file);
        // What was measured before it failed is still worth having, but only together with the failure.
        outcome?;
        let text = std::fs::read_to_string(file)?;
        if text.is_empty() {
            bail!("it wrote no report");
        }
        serde_json::from_str(&text).context("its report is no JSON")
    }

    /// Starts it, for as long as what is answered is kept.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(&self, temporary: &Path) -> Result<Running> {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .args(&self.words)
            .env("TMPDIR", temporary)
            .current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run setpriv (util-linux)")?;
        Ok(Running(child))
    }

    fn execute(&self, temporary: &Path, report: &Path) -> Result<()> {
        // Not to outlive this program, however that ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .args(&self.words)
            .args([OsStr::new("--json"), report.as_os_str()])
            .env("TMPDIR", temporary)
            .current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run setpriv (util-linux)")?;
        let mut said = Vec::new();
        if let Some(errors) = child.stderr.take() {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                eprintln!("    {line}");
                said.push(line);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!(
                "{}",
                reason(&said).unwrap_or_else(|| format!("it failed ({status})"))
            );
        }
        Ok(())
    }
}

/// A load that goes on beside something else; ended when dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program said last about why it failed.
fn reason(said: &[String]) -> Option<String> {
    let error = said.iter().rev().find_map(|line| line.strip_prefix("error: "));
    error.map(str::to_owned)
}

/// Urls with a placeholder for each password but the one that every fresh RabbitMQ has.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let end = part.find(['/', ' ', '?']).unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        match authority
            .rsplit_once('@')
            .map(|(login, host)| (login.split_once(':'), host))
        {
            Some((Some((user, password)), host)) if password != "guest" => {
                shown.push_str(&format!("{user}:PASSWORD@{host}"));
            }
            _ => shown.push_str(authority),
        }
        shown.push_str(rest);
    }
    shown
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./,:=%@".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted() {
        let load = Load::of("1", "x", "target/load_tester", "closed --connections 10")
            .spawning("server --data-dir \"$(mktemp -d)\"")
            .pinned();
        assert_eq!(
            load.shown(),
            "target/load_tester closed --connections 10 --spawn 'server --data-dir \"$(mktemp -d)\"' \
             --server-cpu 0 --keep-awake"
        );
        assert_eq!(
            without_passwords(
                "env A=postgres://u:secret@h:1/x B=amqp://guest:guest@h/ C=redis://h D=ws://:p@h x"
            ),
            "env A=postgres://u:PASSWORD@h:1/x B=amqp://guest:guest@h/ C=redis://h D=ws://:PASSWORD@h x"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_run_reports_or_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let shell = |script: &str| {
            let load = Load::of("1", "x", "sh", "-c");
            load.with(&[script]).run(folder.path())
        };
        // `sh -c SCRIPT --json FILE`: the file is the script's $1.
        assert_eq!(
            shell("echo '{\"rows\": []}' > $1").unwrap()["rows"],
            serde_json::json!([])
        );
        let error = |script: &str| shell(script).unwrap_err().to_string();
        assert_eq!(
            error("echo x; echo 'error: nobody there' >&2; exit 1"),
            "nobody there"
        );
        assert!(error("exit 3").contains('3'));
        assert!(error("true").contains("no report"));
        assert!(error("echo x > $1").contains("no JSON"));
    }
}
