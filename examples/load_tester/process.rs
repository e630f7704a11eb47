//! The server's CPU time and memory, read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;

use crate::clock::SECOND;
use crate::error::LoadError;
use crate::listening::listeners;

/// Clock ticks of `/proc/PID/stat` a second: Linux shows 100 to programs on every machine it runs on today.
const TICKS_PER_SECOND: u64 = 100;

/// One reading of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessReading {
    /// User and system time from `/proc/PID/stat`, to a hundredth of a second.
    stat_cpu_ns: u64,
    /// The same by thread from `/proc/PID/task/*/schedstat`, exact, but without threads that have ended.
    thread_cpu_ns: HashMap<u32, u64>,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_anonymous_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
}

impl ProcessReading {
    /// Reads process `pid`.
    ///
    /// # Errors
    /// If it is not there (any more) or may not be read.
    pub(crate) fn take(pid: u32) -> Result<Self, LoadError> {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|error| {
                LoadError::Server(format!("the server (process {pid}) cannot be read: {error}"))
            })
        };
        let status = read("status")?;
        let stat = read("stat")?;
        Ok(Self {
            stat_cpu_ns: cpu_of_stat(&stat)
                .ok_or_else(|| LoadError::Server(format!("/proc/{pid}/stat is not understood")))?,
            thread_cpu_ns: thread_cpu(pid),
            rss_bytes: kilobytes(&status, "VmRSS:"),
            rss_anonymous_bytes: kilobytes(&status, "RssAnon:"),
            rss_peak_bytes: kilobytes(&status, "VmHWM:"),
        })
    }

    /// CPU time used since `earlier`. Ticks are coarse and threads that ended are not in the other count: both
    /// can only say too little, so the larger is right.
    pub(crate) fn cpu_ns_since(&self, earlier: &Self) -> u64 {
        let by_stat = self.stat_cpu_ns.saturating_sub(earlier.stat_cpu_ns);
        let by_thread = self
            .thread_cpu_ns
            .iter()
            .map(|(thread, now)| now.saturating_sub(earlier.thread_cpu_ns.get(thread).copied().unwrap_or(0)))
            .sum();
        by_stat.max(by_thread)
    }
}

fn thread_cpu(pid: u32) -> HashMap<u32, u64> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return HashMap::new();
    };
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let thread = task.file_name().to_str()?.parse().ok()?;
            let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((thread, schedstat.split_ascii_whitespace().next()?.parse().ok()?))
        })
        .collect()
}

/// User and system time in a line of `/proc/PID/stat`. The command in it may contain anything, so count from its end.
fn cpu_of_stat(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * (SECOND / TICKS_PER_SECOND))
}

/// Whether process `pid` runs: one that has ended is seen until its parent has asked how.
pub(crate) fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit_once(')').map(|(_, after)| after.trim_start());
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    })
}

fn kilobytes(status: &str, key: &str) -> u64 {
    field(status, key) * 1024
}

fn field(status: &str, key: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The process that listens on `address`; `None` if it cannot be told (it is another user's, say).
pub(crate) fn find_listener(address: SocketAddr) -> Option<u32> {
    let own = std::process::id();
    listeners(address.port()).into_iter().find(|pid| *pid != own)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stat_line_is_read_past_a_command_with_spaces_and_brackets() {
        let line = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 100 1000000 200 1";
        assert_eq!(cpu_of_stat(line), Some(2 * SECOND));
        assert_eq!(cpu_of_stat("nonsense"), None);
    }

    #[test]
    fn a_process_that_has_ended_does_not_live_even_before_anybody_asked_how() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while lives(child.id()) {}
        child.wait().unwrap();
        assert!(!lives(child.id()) && lives(std::process::id()));
    }

    #[test]
    fn status_fields_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nRssAnon:\t  1024 kB\nThreads:\t3\n";
        assert_eq!(kilobytes(status, "VmRSS:"), 2048 * 1024);
        assert_eq!(field(status, "Threads:"), 3);
        assert_eq!(field(status, "Nothing:"), 0);
    }

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let before = ProcessReading::take(std::process::id()).unwrap();
        assert!(before.rss_bytes > 0 && before.rss_peak_bytes >= before.rss_bytes);
        while ProcessReading::take(std::process::id())
            .unwrap()
            .cpu_ns_since(&before)
            == 0
        {}
        // The tester never takes itself for the server.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(find_listener(listener.local_addr().unwrap()), None);
    }
}
