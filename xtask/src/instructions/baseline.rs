//! What the paths took when somebody last said that it was right.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::steps::workspace_root;

/// Within the workspace.
const FILE: &str = "linker-core/benches/instructions.json";

/// What to do where the baseline is not, or is not to be, what it says.
pub(super) const HOW_TO_MOVE: &str = "`cargo xtask instructions --accept` writes linker-core/benches/instructions.json anew; commit it and say why";

/// Instructions of a step of each path, and what else they depend on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Baseline {
    pub(super) rustc: String,
    pub(super) valgrind: String,
    pub(super) counts: BTreeMap<String, u64>,
}

impl Baseline {
    /// Reads that of the repository.
    ///
    /// # Errors
    /// The file is not there, or is no baseline.
    pub(super) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(file()).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text).with_context(|| format!("{FILE} is no baseline"))
    }

    /// Writes that of the repository.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        std::fs::write(file(), self.text()).with_context(|| format!("cannot write {FILE}"))?;
        println!("written: {FILE}");
        Ok(())
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let string = |name: &str| {
            let text = value[name].as_str().map(str::to_owned);
            text.with_context(|| format!("`{name}` is no text"))
        };
        let counts = value["counts"].as_object().context("`counts` is no object")?;
        let counts = counts.iter().map(|(path, count)| {
            let count = count.as_u64().filter(|count| *count > 0);
            let count = count.with_context(|| format!("`counts.{path}` is no whole number above 0"))?;
            Ok((path.clone(), count))
        });
        let counts = counts.collect::<Result<_>>()?;
        Ok(Self {
            rustc: string("rustc")?,
            valgrind: string("valgrind")?,
            counts,
        })
    }

    /// A path a line, so that a change shows which.
    fn text(&self) -> String {
        let value = json!({"rustc": self.rustc, "valgrind": self.valgrind, "counts": self.counts});
        format!("{value:#}\n")
    }

    /// What counts may differ by though the code is the same: a sentence each.
    pub(super) fn made_otherwise_than(&self, other: &Self) -> Vec<String> {
        let pairs = [(&self.rustc, &other.rustc), (&self.valgrind, &other.valgrind)];
        pairs
            .iter()
            .filter(|(own, others)| own != others)
            .map(|(own, others)| format!("counted with {own}; the baseline with {others}"))
            .collect()
    }
}

fn file() -> PathBuf {
    workspace_root().join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        Baseline {
            rustc: "rustc 1.95.0".to_owned(),
            valgrind: "valgrind-3.19.0".to_owned(),
            counts: [("b".to_owned(), 2), ("a".to_owned(), 1)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Baseline::parse(&baseline().text()).unwrap(), baseline());
        assert!(baseline().text().lines().any(|line| line.trim() == r#""a": 1,"#));
    }

    #[test]
    fn the_repository_has_one() {
        assert!(!Baseline::read().unwrap().counts.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let cases = [
            ("{}", "`counts` is no object"),
            (r#"{"counts":{"a":-1}}"#, "`counts.a` is no whole number above 0"),
            (r#"{"counts":{"a":0}}"#, "`counts.a` is no whole number above 0"),
            (r#"{"counts":{}}"#, "`rustc` is no text"),
            (r#"{"counts":{},"rustc":""}"#, "`valgrind` is no text"),
        ];
        for (text, expected) in cases {
            assert_eq!(Baseline::parse(text).unwrap_err().to_string(), expected);
        }
        assert!(Baseline::parse("<<<<<<<").is_err());
    }

    #[test]
    fn another_compiler_or_valgrind_is_named() {
        let now = Baseline {
            rustc: "rustc 1.99.0".to_owned(),
            ..baseline()
        };
        assert_eq!(
            now.made_otherwise_than(&baseline()),
            ["counted with rustc 1.99.0; the baseline with rustc 1.95.0"]
        );
        assert_eq!(baseline().made_otherwise_than(&baseline()), [""; 0]);
    }
}
