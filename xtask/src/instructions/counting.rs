//! Builds the program and lets callgrind count.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{cargo, output_of, run};

const NAME: &str = "instructions";

/// Builds the program that does the paths, as it would be shipped.
///
/// # Errors
/// It does not build.
pub(super) fn build() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--package", "linker-core"]);
    build.args(["--features", NAME, "--bin", NAME]);
    // Once to show how it goes, once to ask where it is.
    run(&mut build)?;
    let messages = output_of(build.args(["--quiet", "--message-format=json"]))?;
    executable(&messages)?.context("cargo has built no program to count")
}

/// The program in cargo's build messages.
fn executable(messages: &str) -> Result<Option<PathBuf>> {
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are not JSON")?;
        if let (Some(NAME), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            return Ok(Some(PathBuf::from(path)));
        }
    }
    Ok(None)
}

/// What compiled it.
///
/// # Errors
/// There is no rustc.
pub(super) fn rustc_version() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    Ok(output_of(Command::new(rustc).arg("--version"))?.trim().to_owned())
}

/// Instructions of one step of each path.
///
/// # Errors
/// The program or callgrind fails.
pub(super) fn count_all(valgrind: &Path, program: &Path) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for (path, steps) in paths(&output_of(&mut Command::new(program))?)? {
        let count = |steps: u64| count(valgrind, program, &path, steps);
        let (once, twice) = (count(steps)?, count(2 * steps)?);
        counts.insert(path, per_step(once, twice, steps));
    }
    Ok(counts)
}

/// The program's list: a path and a number of steps a line.
fn paths(list: &str) -> Result<Vec<(String, u64)>> {
    let path = |line: &str| {
        let (name, steps) = line.split_once(' ')?;
        let steps = steps.parse().ok().filter(|steps| *steps > 0)?;
        Some((name.to_owned(), steps))
    };
    list.lines()
        .map(|line| path(line).with_context(|| format!("no path and number of steps: {line}")))
        .collect()
}

/// What start and preparation take is in both, and goes out.
fn per_step(once: u64, twice: u64, steps: u64) -> u64 {
    let difference = twice.saturating_sub(once);
    (difference + steps / 2) / steps
}

/// Instructions of a whole run.
fn count(valgrind: &Path, program: &Path, path: &str, steps: u64) -> Result<u64> {
    let folder = tempfile::tempdir().context("no folder for callgrind's output")?;
    let out = folder.path().join("out");
    let mut command = Command::new(valgrind);
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).args([path, &steps.to_string()]);
    // The stack lies beneath the environment; where it lies decides how some copies are done.
    output_of(command.env_clear().current_dir(folder.path()))?;
    let written = std::fs::read_to_string(&out).context("callgrind has written nothing")?;
    total(&written).with_context(|| format!("callgrind has counted nothing for {path}"))
}

/// The sum in callgrind's output.
fn total(written: &str) -> Result<u64> {
    let sum = written
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals:"));
    match sum.and_then(|sum| sum.trim().parse().ok()) {
        Some(count) => Ok(count),
        None => bail!("there is no line `totals: NUMBER` in its output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_the_messages_of_a_build() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"linker_core"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"instructions"},"executable":"/t/instructions"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages).unwrap(),
            Some(PathBuf::from("/t/instructions"))
        );
        assert_eq!(executable("{}").unwrap(), None);
        assert!(executable("warning: x").is_err());
    }

    #[test]
    fn the_list_of_paths_is_read_and_must_be_one() {
        assert_eq!(
            paths("message-in 1000\nnext-hops 50\n").unwrap(),
            [("message-in".to_owned(), 1000), ("next-hops".to_owned(), 50)]
        );
        for wrong in ["message-in", "message-in many", "message-in 0"] {
            assert!(paths(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_both_runs_have_in_common_is_not_counted() {
        assert_eq!(per_step(1_000_000 + 50 * 321, 1_000_000 + 100 * 321, 50), 321);
        assert_eq!(per_step(10, 25, 10), 2, "rounded");
        assert_eq!(per_step(10, 9, 1), 0);
    }

    #[test]
    fn the_sum_is_read_from_the_end_of_callgrinds_output() {
        let written = "version: 1\nevents: Ir\nsummary: 5\n\nfn=(1)\n0 123\n\ntotals: 123456\n";
        assert_eq!(total(written).unwrap(), 123_456);
        assert!(total("version: 1\nevents: Ir\n").is_err());
        assert!(total("totals: \n").is_err());
    }
}
