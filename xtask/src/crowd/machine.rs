//! This machine, by `/proc`: memory, and CPU time of processes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::processes::bytes_of;

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
            available: bytes_of(&text, "MemAvailable:").context("/proc/meminfo has no MemAvailable")?,
            slab: bytes_of(&text, "Slab:").context("/proc/meminfo has no Slab")?,
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
    bytes_of(&rollup, "Pss:").unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let pid = std::process::id();
        assert!(share_of_memory(pid) > 0);
        while cpu_of(pid) == 0 {}
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
