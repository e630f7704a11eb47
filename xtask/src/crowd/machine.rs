//! This machine, by `/proc`: memory, CPU time of process trees, who listens where.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Below this much available memory a run is given up, before the kernel gives up something else.
const AVAILABLE_MIN: u64 = 1 << 30;

/// A reading of `/proc/meminfo`, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) available: u64,
    /// Of the kernel: its caches of small objects, sockets among them.
    pub(super) slab: u64,
}

impl Memory {
    pub(super) fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
        Ok(Self {
            available: kilobytes(&text, "MemAvailable:").context("/proc/meminfo has no MemAvailable")?,
            slab: kilobytes(&text, "Slab:").context("/proc/meminfo has no Slab")?,
        })
    }

    /// # Errors
    /// It is getting short.
    pub(super) fn enough(self) -> Result<()> {
        if self.available < AVAILABLE_MIN {
            bail!(
                "memory is getting short ({} MiB available): fewer --sessions, or a larger machine",
                self.available >> 20
            );
        }
        Ok(())
    }
}

/// The memory that is a process's share (shared pages divided among those who have them), in bytes; 0 where it is gone.
pub(super) fn share_of_memory(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kilobytes(&rollup, "Pss:").unwrap_or(0)
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// CPU time that the threads of a process have used, in nanoseconds; 0 where it is gone.
pub(super) fn cpu_of(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let time_of = |task: &Path| -> Option<u64> {
        let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
        schedstat.split_ascii_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(|task| time_of(&task.ok()?.path())).sum()
}

/// A process and all below it.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in processes() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(parent) = parent_in(&stat) {
            children.entry(parent).or_default().push(pid);
        }
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

/// The command in a line of `/proc/PID/stat` may contain anything.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The process that listens on this port of the loopback address.
///
/// # Errors
/// Nobody does, or it is somebody else's.
pub(super) fn listener(port: u16) -> Result<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let has_one = |pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        files.into_iter().flatten().flatten().any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
        })
    };
    processes()
        .find(|pid| has_one(*pid))
        .with_context(|| format!("no process of one's own listens on port {port}"))
}

fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let found = fields.get(1)?.ends_with(&end) && *fields.get(3)? == LISTEN;
        found.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_is_found_with_what_it_uses() {
        let listener_here = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_here.local_addr().unwrap().port();
        let pid = std::process::id();
        assert_eq!(listener(port).unwrap(), pid);
        assert!(share_of_memory(pid) > 0);
        while cpu_of(pid) == 0 {}
        drop(listener_here);
        assert!(listener(port).is_err());
    }

    #[test]
    fn a_tree_has_the_children() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let found = tree(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&std::process::id()) && found.contains(&child.id()));
    }

    #[test]
    fn a_command_with_spaces_and_brackets_has_its_parent() {
        assert_eq!(parent_in("42 (a b) c) S 7 42 42"), Some(7));
        assert_eq!(parent_in("nonsense"), None);
    }

    #[test]
    fn memory_is_read_and_too_little_is_told() {
        let memory = Memory::read().unwrap();
        assert!(memory.available > 0 && memory.slab > 0);
        let short = Memory {
            available: AVAILABLE_MIN - 1,
            slab: 0,
        };
        assert!(short.enough().unwrap_err().to_string().contains("1023 MiB"));
    }
}
