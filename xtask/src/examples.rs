//! The examples of the library, each run with `--check`: it does what it shows and exits with 0 when the result was right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{announce, cargo, output_of, workspace_root};

/// The examples that check themselves. Each must exist.
const CHECKED: [&str; 4] = [
    "host_service",
    "custom_message",
    "terminal_chat",
    "domain_network",
];

/// Tools that have no result of their own to check. Any other example must be in one of the two lists.
const UNCHECKED: [&str; 3] = ["load_tester", "echo_server", "store_limit"];

/// An example that takes longer hangs.
const TIME_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Builds all examples and runs the checks. `variables`: where the services are that some need.
///
/// # Errors
/// An example is missing or in no list, does not build, takes longer than [`TIME_MAX`], or does not exit with 0.
pub(crate) fn check_all(variables: &[(String, String)]) -> Result<()> {
    announce("the examples");
    // With the whole workspace, so that the features are those of the test build and nothing is compiled twice.
    let mut build = cargo();
    build.args(["build", "--workspace", "--all-features", "--locked", "--examples"]);
    build.arg("--message-format=json-render-diagnostics");
    let built = executables(&output_of(&mut build)?)?;
    let names: Vec<&str> = built.keys().map(String::as_str).collect();
    let problems = problems_of(&names);
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    for name in CHECKED {
        let program = built
            .get(name)
            .with_context(|| format!("example {name} was not built"))?;
        check(name, program, variables)?;
    }
    Ok(())
}

/// The examples in cargo's build messages, by name.
fn executables(messages: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are not JSON")?;
        let target = &message["target"];
        let is_example = target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"));
        if let (true, Some(name), Some(path)) = (
            is_example,
            target["name"].as_str(),
            message["executable"].as_str(),
        ) {
            found.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    Ok(found)
}

/// What does not fit between the lists above and the examples there are.
fn problems_of(built: &[&str]) -> Vec<String> {
    let missing = CHECKED.iter().filter(|name| !built.contains(name));
    let unlisted = built
        .iter()
        .filter(|name| !CHECKED.contains(name) && !UNCHECKED.contains(name));
    let missing = missing.map(|name| format!("example {name} is missing"));
    let unlisted = unlisted.map(|name| format!("example {name} is not listed in xtask/src/examples.rs"));
    missing.chain(unlisted).collect()
}

fn check(name: &str, program: &Path, variables: &[(String, String)]) -> Result<()> {
    announce(&format!("example {name} --check"));
    let mut command = Command::new(program);
    command
        .arg("--check")
        .envs(variables.iter().map(|(name, url)| (name, url)))
        .current_dir(workspace_root())
        .stdin(Stdio::null());
    let status = run_within(&mut command, TIME_MAX).with_context(|| format!("example {name}"))?;
    if !status.success() {
        bail!("example {name} --check failed ({status})");
    }
    println!("example {name}: checked");
    Ok(())
}

/// Runs a command to its end, which must come within `time_max`; then it is killed.
fn run_within(command: &mut Command, time_max: Duration) -> Result<ExitStatus> {
    let mut child = command.spawn().context("cannot be started")?;
    let deadline = Instant::now() + time_max;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!("took longer than {} s and was ended", time_max.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_in_the_messages_of_a_build() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"x"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["example"],"name":"host_service"},"executable":"/t/host_service"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"xtask"},"executable":"/t/xtask"}
{"reason":"build-finished","success":true}"#;
        let found = executables(messages).unwrap();
        assert_eq!(
            found,
            BTreeMap::from([("host_service".to_owned(), PathBuf::from("/t/host_service"))])
        );
        assert!(executables("warning: x").is_err());
    }

    #[test]
    fn an_example_that_is_missing_or_in_no_list_is_a_problem() {
        assert_eq!(
            problems_of(&[
                "custom_message",
                "domain_network",
                "host_service",
                "load_tester",
                "terminal_chat"
            ]),
            [""; 0]
        );
        assert_eq!(
            problems_of(&["custom_message", "domain_network", "terminal_chat", "new_one"]),
            [
                "example host_service is missing",
                "example new_one is not listed in xtask/src/examples.rs"
            ]
        );
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let mut hangs = Command::new("sleep");
        let error = run_within(hangs.arg("3600"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
        assert!(
            run_within(&mut Command::new("true"), Duration::from_secs(60))
                .unwrap()
                .success()
        );
        assert!(
            !run_within(&mut Command::new("false"), Duration::from_secs(60))
                .unwrap()
                .success()
        );
    }
}
