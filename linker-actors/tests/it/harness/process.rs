//! Tests that measure their process have one to themselves.

use std::process::Command;

/// Set in the process that runs one test alone.
const ALONE: &str = "LINKER_TEST_ALONE";

/// Runs the test of this full name again in a process of its own, and fails as it does. Answers whether this is that process: then the test itself is
/// to be run.
pub(crate) fn in_a_process_of_its_own(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("the test's own program");
    let output = Command::new(this)
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test}: {text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// The most memory this process has had so far (`VmHWM`).
pub(crate) fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the kernel says");
    line.trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .expect("a number")
}
