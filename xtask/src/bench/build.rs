//! Builds what is measured and what measures.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::steps::{announce, cargo, output_of};

use super::contender::{Programs, shown_path};

/// What is given to cargo, and shown on the page.
pub(crate) const BUILD: &str = "build --release --locked --package linker-server --package linker-actors --all-features --bins \
                                --example load_tester --example echo_server --example store_limit";

/// Builds all programs and tells where they are.
///
/// # Errors
/// They do not build.
pub(crate) fn programs() -> Result<Programs> {
    announce(&format!("cargo {BUILD}"));
    let mut build = cargo();
    build
        .args(BUILD.split_ascii_whitespace())
        .arg("--message-format=json-render-diagnostics");
    let messages = output_of(&mut build)?;
    let find = |name: &str| {
        executable(&messages, name).with_context(|| format!("cargo says nothing of a program {name}"))
    };
    let xtask = std::env::current_exe().context("finding this program")?;
    Ok(Programs {
        load_tester: find("load_tester")?,
        server: find("linker-server")?,
        echo: find("echo_server")?,
        store_limit: find("store_limit")?,
        xtask: shown_path(&xtask),
    })
}

/// A program in cargo's build messages.
fn executable(messages: &str, name: &str) -> Option<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(shown_path(message["executable"].as_str()?.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_messages_of_a_build() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"x"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"x"},"executable":"/t/x"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "x"), Some("/t/x".to_owned()));
        assert_eq!(executable(messages, "y"), None);
    }
}
