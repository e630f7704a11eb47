//! Processes of this machine and what is below them, read from `/proc`.

#[path = "../../examples/load_tester/listening.rs"]
mod listening;

use std::collections::HashMap;
use std::fs;

/// The line of a process that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    parent: u32,
    /// Its own clock ticks, and those of its children that have ended.
    pub(crate) ticks: u64,
}

/// The process that listens on `port`; `None` if it cannot be told.
pub(crate) fn listener(port: u16) -> Option<u32> {
    listening::listeners(port).first().copied()
}

/// All processes there are.
pub(crate) fn all() -> HashMap<u32, Stat> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat_of(&line)?))
        })
        .collect()
}

/// The command in the line may contain anything, so fields are counted from its end.
fn stat_of(line: &str) -> Option<Stat> {
    let (_, after_command) = line.rsplit_once(')')?;
    let fields: Vec<&str> = after_command.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: (11..=14).filter_map(number).sum(),
    })
}

/// `root`, and all of `processes` below it.
pub(crate) fn tree(processes: &HashMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, stat) in processes {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children.remove(pid).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found
}

/// The bytes that a line of `/proc` gives in kilobytes behind `key`.
pub(crate) fn bytes_of(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_past_a_command_with_spaces_and_brackets() {
        let line = "42 (a b) c) S 7 42 42 0 -1 4194560 100 0 0 0 150 50 3 4 20 0 4 0 100 1000000 200 1";
        assert_eq!(
            stat_of(line),
            Some(Stat {
                parent: 7,
                ticks: 207
            })
        );
        assert_eq!(stat_of("nonsense"), None);
    }

    #[test]
    fn a_tree_has_the_children_and_their_children() {
        let stat = |parent| Stat { parent, ticks: 1 };
        let processes = HashMap::from([(1, stat(0)), (5, stat(1)), (6, stat(5)), (7, stat(6))]);
        assert_eq!(tree(&processes, 5), [5, 6, 7]);
        assert_eq!(tree(&processes, 7), [7]);
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let found = tree(&all(), std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&std::process::id()) && found.contains(&child.id()));
    }
}
