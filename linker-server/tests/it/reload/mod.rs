//! A changed configuration comes into force while the node runs.

mod apps;
mod domain;
mod limits;
mod refused;
mod secrets;

use crate::harness::{Node, WAIT, eventually};

/// How often the node has said how a reload ended.
fn reloads(node: &Node) -> usize {
    const ENDS: [&str; 3] = [
        "a new configuration is in force",
        "the configuration in force stays as it is",
        "the new configuration is refused",
    ];
    let log = node.log();
    let ends = log
        .lines()
        .filter(|line| ENDS.iter().any(|end| line.contains(end)));
    ends.count()
}

/// Has the node read its configuration as it is now; answers with what it logged meanwhile.
async fn reload(node: &Node) -> String {
    let (before, said) = (reloads(node), node.log().len());
    node.config.save();
    node.signal("HUP");
    eventually("the reload has ended", WAIT, async || {
        (reloads(node) > before).then_some(())
    })
    .await;
    node.log()[said..].to_owned()
}

/// Asserts that a line has all of these words.
fn assert_line(log: &str, words: &[&str]) {
    let found = log
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no line with {words:?} in:\n{log}");
}
