//! Removing what dead nodes have left in the registry: apart from the beats, which must not wait for it, and by few nodes, lest all do the same work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linker_core::id::NodeInstance;
use linker_core::port::NodeRecord;

use crate::node::Node;
use crate::presence::PresenceMail;

/// Entries of dead nodes removed at once.
const SWEEP_MAX: u32 = 1000;
/// Beats between two looks for entries of nodes that died unseen: of the node that comes first. The one that comes second waits twice as long, and so on.
const SWEEP_BEATS: u64 = 10;

/// A node's sweeping.
#[derive(Debug, Clone, Default)]
pub(super) struct Sweeper {
    sweeping: Arc<AtomicBool>,
}

impl Sweeper {
    /// Begins to sweep where it is this node's turn at this beat, unless it is still at it. `died`: some node has just died.
    pub(super) fn sweep(&self, node: &Arc<Node>, living: &[NodeRecord], died: bool, beat: u64) {
        let rank = rank(&node.me, living.iter().map(|record| &record.node));
        if !is_turn(rank, died, beat) || self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let done = Done(self.clone());
        let node = Arc::clone(node);
        node.backend.clone().spawn(async move {
            let _done = done;
            sweep(&node).await;
        });
    }
}

/// Also where the task is dropped.
struct Done(Sweeper);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.sweeping.store(false, Ordering::Release);
    }
}

async fn sweep(node: &Node) {
    let (Some(cluster), Some(presence)) = (&node.cluster, node.presence.get()) else {
        return;
    };
    while let Ok(gone) = cluster.presence.sweep(SWEEP_MAX).await {
        if gone.is_empty() {
            break;
        }
        let _ = presence.send(PresenceMail::Gone(gone)).await;
    }
}

/// How many of those that live come before this one.
fn rank<'a>(me: &NodeInstance, living: impl Iterator<Item = &'a NodeInstance>) -> u64 {
    living.filter(|node| *node < me).count() as u64
}

fn is_turn(rank: u64, died: bool, beat: u64) -> bool {
    (died && rank == 0) || beat.is_multiple_of(SWEEP_BEATS * (rank + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_sweeps_at_once_and_the_others_are_there_should_it_not() {
        let nodes: Vec<NodeInstance> = ["c", "a", "b"]
            .map(|name| format!("{name}~0000000000000001").parse().unwrap())
            .to_vec();
        let ranks: Vec<u64> = nodes.iter().map(|node| rank(node, nodes.iter())).collect();
        assert_eq!(ranks, [2, 0, 1]);
        assert!(is_turn(0, true, 1) && !is_turn(1, true, 1));
        assert!(!is_turn(0, false, 9) && is_turn(0, false, 10));
        assert!(!is_turn(1, true, 10) && is_turn(1, true, 20));
    }
}
