//! The release build of the server and the load tester.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::steps::{announce, cargo, output_of};

pub(super) struct Programs {
    pub(super) server: PathBuf,
    pub(super) load_tester: PathBuf,
}

impl Programs {
    /// # Errors
    /// They do not build.
    pub(super) fn build() -> Result<Self> {
        announce("the release build");
        Ok(Self {
            server: built(&["--package", "linker-server"], "linker-server")?,
            load_tester: built(
                &["--package", "linker-actors", "--example", "load_tester"],
                "load_tester",
            )?,
        })
    }
}

fn built(arguments: &[&str], name: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build
        .args(["build", "--release", "--locked"])
        .args(arguments)
        .arg("--message-format=json-render-diagnostics");
    let messages = output_of(&mut build)?;
    executable(&messages, name).with_context(|| format!("{name} was not built"))
}

/// The executable of this name in cargo's messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let own = message["target"]["name"] == name;
        let path = message["executable"].as_str()?;
        own.then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"a\"},\"executable\":\"/t/a\"}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"b\"},\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"b\"},\"executable\":\"/t/b\"}\n";
        assert_eq!(executable(messages, "b"), Some(PathBuf::from("/t/b")));
        assert_eq!(executable(messages, "c"), None);
    }
}
