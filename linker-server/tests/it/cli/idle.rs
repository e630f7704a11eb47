//! A node with nothing to do.

use std::time::Duration;

use crate::harness::Node;

/// How often threads of the node have gone to sleep so far.
fn sleeps(node: &Node) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", node.pid())).expect("/proc is there");
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads.filter_map(of_thread).sum()
}

/// Dozens of nodes on one machine wake it thousands of times a second otherwise, for nothing.
#[tokio::test]
async fn an_idle_node_sleeps() {
    const WINDOW: Duration = Duration::from_secs(2);
    let node = Node::start().await;
    let before = sleeps(&node);
    tokio::time::sleep(WINDOW).await;
    let woken = sleeps(&node) - before;
    assert!(woken > 0, "it measures nothing");
    assert!(woken < 200, "woken {woken} times in {WINDOW:?} for nothing");
}
