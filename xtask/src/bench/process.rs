//! CPU time and memory of a process and of all that it has started, read from `/proc`.

use std::collections::HashMap;
use std::fs;

/// Clock ticks of `/proc/PID/stat` a second: Linux shows 100 to programs on every machine it runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The line of a process that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own, and its children's that have ended.
    ticks: u64,
}

/// CPU time in seconds of a process and everything below it; of nothing, if it is not there.
pub(crate) fn cpu_seconds(root: u32) -> f64 {
    let stats: HashMap<u32, Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| {
            Some((
                pid,
                stat_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?,
            ))
        })
        .collect();
    ticks_below(&stats, root) as f64 / TICKS_PER_SECOND
}

fn ticks_below(stats: &HashMap<u32, Stat>, root: u32) -> u64 {
    let belongs = |mut pid: u32| {
        while pid != root {
            match stats.get(&pid) {
                Some(stat) if stat.parent != 0 => pid = stat.parent,
                _ => return false,
            }
        }
        true
    };
    stats
        .iter()
        .filter(|(pid, _)| belongs(**pid))
        .map(|(_, stat)| stat.ticks)
        .sum()
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

/// Memory of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

/// `None` if it is not there.
pub(crate) fn memory_of(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Memory {
        resident: kilobytes(&status, "VmRSS:")? * 1024,
        peak: kilobytes(&status, "VmHWM:")? * 1024,
    })
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

/// The process of this machine that listens at the port of a url; `None` if it cannot be told.
pub(crate) fn listener_of(url: &str) -> Option<u32> {
    let port = port_of(url)?;
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
            descriptors.is_ok_and(|descriptors| {
                descriptors.flatten().any(|descriptor| {
                    fs::read_link(descriptor.path())
                        .is_ok_and(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
                })
            })
        })
        .collect();
    // Of several that share the socket, the first is the others' parent.
    pids.sort_unstable();
    pids.first().copied()
}

/// Only of this machine's addresses.
fn port_of(url: &str) -> Option<u16> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (name, port) = host.rsplit_once(':')?;
    matches!(name, "127.0.0.1" | "localhost" | "[::1]").then(|| port.parse().ok())?
}

/// Inodes of the sockets in `/proc/net/tcp` that listen on `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let ends_with = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&ends_with) && *fields.get(3)? == LISTEN;
            if listens {
                fields.get(9)?.parse().ok()
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

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
    fn children_and_their_children_count() {
        let stat = |parent, ticks| Stat { parent, ticks };
        let stats = HashMap::from([
            (1, stat(0, 1000)),
            (5, stat(1, 1)),
            (6, stat(5, 10)),
            (7, stat(6, 100)),
        ]);
        assert_eq!(ticks_below(&stats, 5), 111);
        assert_eq!(ticks_below(&stats, 7), 100);
        assert_eq!(ticks_below(&stats, 99), 0);
    }

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let own = std::process::id();
        let memory = memory_of(own).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        while cpu_seconds(own) == 0.0 {}
        assert_eq!(memory_of(u32::MAX), None);
    }

    #[test]
    fn who_listens_is_found_by_the_url() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = listener_of(&format!("amqp://guest:guest@127.0.0.1:{port}/%2F"));
        assert_eq!(found, Some(std::process::id()));
        assert_eq!(listener_of(&format!("redis://elsewhere:{port}")), None);
        assert_eq!(port_of("postgres://postgres@localhost:5432/x?y"), Some(5432));
        assert_eq!(port_of("postgres://localhost"), None);
    }
}
