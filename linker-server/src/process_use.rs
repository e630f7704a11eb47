//! What this process has used so far.

use std::time::Duration;

use linker_actors::ProcessUse;

/// From `/proc/self/stat` alone: it is asked every second, and all that metrics-process collects takes as long as counting 20 000 open files.
#[cfg(target_os = "linux")]
pub(crate) fn process_use() -> Option<ProcessUse> {
    use procfs::WithCurrentSystemInfo;
    let stat = procfs::process::Process::myself().ok()?.stat().ok()?;
    let ticks = (stat.utime + stat.stime) as f64;
    Some(ProcessUse {
        cpu: Duration::try_from_secs_f64(ticks / procfs::ticks_per_second() as f64).ok()?,
        memory_bytes: stat.rss_bytes().get(),
    })
}

/// By metrics-process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn process_use() -> Option<ProcessUse> {
    let collected = metrics_process::collector::collect();
    Some(ProcessUse {
        cpu: Duration::try_from_secs_f64(collected.cpu_seconds_total?).ok()?,
        memory_bytes: collected.resident_memory_bytes?,
    })
}
