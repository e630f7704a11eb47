//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [SUITE…] [--rounds N] [--seconds S] [--quick] [--lock FILE]
       cargo xtask bench --render

  Measures Linker, a bare echo and other servers side by side, all suites or those that are named, and writes
  docs/benchmarks.md with docs/benchmarks/ from these results and the kept ones of other suites.

  SUITE        messages, groups, latency, memory, logins, durable, growth, nodes, overload or api
  --rounds N   every load so often, in turn with the others; medians are shown (3)
  --seconds S  measured of each load (5)
  --quick      one short round with small counts: shows that all of it works, not how fast anything is
  --lock FILE  have every load wait for an exclusive lock on this file, where others measure on the machine
  --render     measure nothing, write the page from what is kept";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// None: all.
    pub(crate) suites: Vec<String>,
    pub(crate) rounds: u32,
    pub(crate) seconds: u64,
    pub(crate) quick: bool,
    pub(crate) render_only: bool,
    pub(crate) lock: Option<PathBuf>,
}

const ROUNDS_MAX: u32 = 101;
const SECONDS_MAX: u64 = 600;

impl Options {
    /// # Errors
    /// An unknown word, or a number that is none or out of range; says which.
    pub(crate) fn parse(words: &[&str], suites: &[&str]) -> Result<Self> {
        let mut options = Self {
            suites: Vec::new(),
            rounds: 0,
            seconds: 0,
            quick: false,
            render_only: false,
            lock: None,
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word {
                "--rounds" => options.rounds = number(word, value()?, ROUNDS_MAX)?,
                "--seconds" => options.seconds = number(word, value()?, SECONDS_MAX)?,
                "--lock" => options.lock = Some(PathBuf::from(value()?)),
                "--quick" => options.quick = true,
                "--render" => options.render_only = true,
                suite if suites.contains(&suite) => options.suites.push(suite.to_owned()),
                _ => bail!(
                    "there is no suite or option {word}; suites are {}",
                    suites.join(", ")
                ),
            }
        }
        let (rounds, seconds) = if options.quick { (1, 1) } else { (3, 5) };
        if options.rounds == 0 {
            options.rounds = rounds;
        }
        if options.seconds == 0 {
            options.seconds = seconds;
        }
        Ok(options)
    }

    /// Whether a suite is to be run.
    pub(crate) fn wants(&self, suite: &str) -> bool {
        !self.render_only && (self.suites.is_empty() || self.suites.iter().any(|wanted| wanted == suite))
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display>(
    option: &str,
    value: &str,
    max: N,
) -> Result<N> {
    let allowed = N::from(1)..=max;
    match value.parse() {
        Ok(number) if allowed.contains(&number) => Ok(number),
        _ => bail!("{option} is a number from 1 to {}, not {value}", allowed.end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        Options::parse(words, &["messages", "logins"])
    }

    #[test]
    fn without_words_everything_is_measured_three_times() {
        let options = parse(&[]).unwrap();
        assert_eq!((options.rounds, options.seconds, options.quick), (3, 5, false));
        assert!(options.wants("messages") && options.wants("logins"));
    }

    #[test]
    fn suites_and_options_come_in_any_order() {
        let options = parse(&["--rounds", "7", "logins", "--quick", "--lock", "/x"]).unwrap();
        assert_eq!((options.rounds, options.seconds), (7, 1));
        assert!(!options.wants("messages") && options.wants("logins"));
        assert_eq!(options.lock, Some(PathBuf::from("/x")));
        assert!(!parse(&["--render", "logins"]).unwrap().wants("logins"));
    }

    #[test]
    fn mistakes_are_named() {
        for (words, part) in [
            (
                &["speed"][..],
                "no suite or option speed; suites are messages, logins",
            ),
            (&["--rounds"], "--rounds takes a value"),
            (&["--rounds", "0"], "--rounds is a number from 1 to 101, not 0"),
            (&["--seconds", "x"], "--seconds is a number from 1 to 600, not x"),
        ] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
