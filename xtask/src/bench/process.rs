//! CPU time and memory of a process and of all that it has started, read from `/proc`.

use std::fs;

use crate::processes::{self, bytes_of, listener, tree};

/// Clock ticks of `/proc/PID/stat` a second: Linux shows 100 to programs on every machine it runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds of a process and everything below it; of nothing, if it is not there.
pub(crate) fn cpu_seconds(root: u32) -> f64 {
    let all = processes::all();
    let stats = tree(&all, root)
        .into_iter()
        .filter_map(|pid| all.get(&pid).copied());
    stats.map(|stat| stat.ticks).sum::<u64>() as f64 / TICKS_PER_SECOND
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
        resident: bytes_of(&status, "VmRSS:")?,
        peak: bytes_of(&status, "VmHWM:")?,
    })
}

/// The process of this machine that listens at the port of a url; `None` if it cannot be told.
pub(crate) fn listener_of(url: &str) -> Option<u32> {
    listener(port_of(url)?)
}

/// Only of this machine's addresses.
fn port_of(url: &str) -> Option<u16> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (name, port) = host.rsplit_once(':')?;
    matches!(name, "127.0.0.1" | "localhost" | "[::1]").then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

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
