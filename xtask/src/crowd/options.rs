//! What `cargo xtask crowd` can be told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) const USAGE: &str = "\
usage: cargo xtask crowd [OPTION…]

A crowd of users in one domain of several nodes, all on this machine with its own PostgreSQL, Redis and RabbitMQ: they log in, idle, write to random
others, lose a node (kill -9), and live through a rolling restart of all. Everything sent must arrive. Nothing is left running.

  --million            53 nodes and 1 000 000 sessions: needs about 10 GiB of memory
  --nodes N            nodes (10)
  --sessions N         sessions (100 000)
  --rate N             messages a second among random pairs (10 000)
  --fault-rate N       messages a second while a node is lost and while nodes restart (1 000)
  --seconds N          seconds of messages (20)
  --idle N             seconds of idling (heartbeat interval and 10)
  --heartbeat N        heartbeat interval of the nodes, in seconds (30; 120 with --million)
  --logins-at-once N   logins under way at once, of all users together (500)
  --restart N          nodes that are restarted in the end, one after the other (all)
  --size N             characters of content (100)
  --json FILE          write the result to this file, too";

/// A run of the crowd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) nodes: u32,
    pub(super) sessions: u32,
    pub(super) rate: u32,
    pub(super) fault_rate: u32,
    pub(super) traffic: Duration,
    pub(super) idle: Duration,
    pub(super) heartbeat: Duration,
    pub(super) logins_at_once: u32,
    pub(super) restart: u32,
    pub(super) size: u32,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    /// # Errors
    /// What is wrong with the words.
    pub(super) fn parse(words: &[&str]) -> Result<Self> {
        let million = words.contains(&"--million");
        let (nodes, sessions, heartbeat) = if million {
            // One of them may be away: the others have to have files enough for all.
            (53, 1_000_000, 120)
        } else {
            (10, 100_000, 30)
        };
        let mut options = Self {
            nodes,
            sessions,
            rate: 10_000,
            fault_rate: 1_000,
            traffic: Duration::from_secs(20),
            idle: Duration::ZERO,
            heartbeat: Duration::from_secs(heartbeat),
            logins_at_once: 500,
            restart: u32::MAX,
            size: 100,
            json: None,
        };
        let mut idle = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "--million" {
                continue;
            }
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            let number = |least: u32, most: u32| -> Result<u32> {
                let number = value
                    .parse()
                    .ok()
                    .filter(|number| (least..=most).contains(number));
                number.with_context(|| format!("{word} {value}: it must be a number from {least} to {most}"))
            };
            let seconds = |least| number(least, 3600).map(|seconds| Duration::from_secs(seconds.into()));
            match *word {
                "--nodes" => options.nodes = number(2, 200)?,
                "--sessions" => options.sessions = number(10, 4_000_000)?,
                "--rate" => options.rate = number(1, 1_000_000)?,
                "--fault-rate" => options.fault_rate = number(0, 1_000_000)?,
                "--seconds" => options.traffic = seconds(1)?,
                "--idle" => idle = Some(seconds(0)?),
                "--heartbeat" => options.heartbeat = seconds(1)?,
                "--logins-at-once" => options.logins_at_once = number(1, 100_000)?,
                "--restart" => options.restart = number(0, 200)?,
                "--size" => options.size = number(41, 60_000)?,
                "--json" => options.json = Some(PathBuf::from(value)),
                _ => bail!("{word} is no option of crowd"),
            }
        }
        options.idle = idle.unwrap_or(options.heartbeat + Duration::from_secs(10));
        options.restart = options.restart.min(options.nodes);
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_everyday_crowd_and_the_million_have_their_sizes() {
        let everyday = Options::parse(&[]).unwrap();
        assert_eq!(
            (everyday.nodes, everyday.sessions, everyday.restart),
            (10, 100_000, 10)
        );
        let million = Options::parse(&["--restart", "3", "--million"]).unwrap();
        assert_eq!(
            (million.nodes, million.sessions, million.restart),
            (53, 1_000_000, 3)
        );
        assert_eq!(million.idle, million.heartbeat + Duration::from_secs(10));
        let small = Options::parse(&["--nodes", "2", "--million", "--sessions", "2000"]).unwrap();
        assert_eq!((small.nodes, small.sessions), (2, 2000));
    }

    #[test]
    fn mistakes_are_told_with_what_is_allowed() {
        for (words, told) in [
            (&["--nodes", "1"][..], "from 2 to 200"),
            (&["--nodes"], "needs a value"),
            (&["--rate", "x"], "a number"),
            (&["--nods", "3"], "no option"),
        ] {
            let error = Options::parse(words).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
