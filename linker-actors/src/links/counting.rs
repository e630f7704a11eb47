//! What waits for other domains, and for the application, in the store: counted now and then, for people and for metrics.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use linker_core::id::DomainName;
use linker_core::port::Store;
use tokio::time::Instant;

use super::living;
use crate::node::Node;

/// How often it is counted, at most.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Counting takes no more than this part of the time: a store with a million rows has other things to do.
const COUNT_SHARE: u32 = 20;
/// But nobody who looks waits longer than this for a new count: one that took seconds may have met a busy machine, and the next one not.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Counts for as long as the node runs. A task of its own: a store that takes its time must not keep ways from changing.
pub(super) async fn run(node: Arc<Node>, store: Arc<dyn Store>) {
    let mut shown = BTreeSet::new();
    loop {
        let began = Instant::now();
        let has_ways = node.directory().topology().domains().len() > 1 || node.upstream.is_configured();
        if has_ways && let Ok(backlog) = store.backlog(Vec::new()).await {
            let (for_application, backlog): (Vec<_>, Vec<_>) =
                backlog.into_iter().partition(|(home, _)| home.is_upstream());
            let backlog: HashMap<DomainName, u64> = backlog.into_iter().collect();
            node.upstream
                .set_backlog(for_application.iter().map(|(_, rows)| rows).sum());
            *node.links.backlog.lock().unwrap_or_else(PoisonError::into_inner) = backlog;
        }
        show(&node, &mut shown);
        let pause = (began.elapsed() * COUNT_SHARE).clamp(COUNT_EVERY, PAUSE_MAX);
        // A link that goes up or down is shown sooner than rows are counted.
        let until = Instant::now() + pause;
        while Instant::now() < until {
            tokio::time::sleep(COUNT_EVERY / 4).await;
            show(&node, &mut shown);
        }
    }
}

/// `shown`: the neighbours of which something is shown.
fn show(node: &Node, shown: &mut BTreeSet<DomainName>) {
    let directory = node.directory();
    let backlog = node.links.backlog_by_link(&directory);
    for to in directory.topology().neighbours(directory.own_domain()) {
        let own = node.links.report_own(to, &backlog);
        let up = if own.down.is_none() { 1.0 } else { 0.0 };
        metrics::gauge!("linker_link_up", "domain" => to.to_string()).set(up);
        metrics::gauge!("linker_link_backlog", "domain" => to.to_string()).set(own.backlog as f64);
        shown.insert(to.clone());
    }
    // What is no neighbour any more is neither up nor down: nobody is to be alarmed for ever.
    let neighbours = directory.topology().neighbours(directory.own_domain());
    for gone in shown.extract_if(.., |shown| !neighbours.contains(&shown)) {
        metrics::gauge!("linker_link_up", "domain" => gone.to_string()).set(f64::NAN);
        metrics::gauge!("linker_link_backlog", "domain" => gone.to_string()).set(f64::NAN);
    }
}

/// Rows of nodes that are gone wait for a way that is open: nobody would look at them.
pub(super) async fn take_over(node: Arc<Node>, store: Arc<dyn Store>) {
    loop {
        match store.backlog(living(&node)).await {
            Ok(left) => {
                // What is for the application has a way of its own.
                let left = left
                    .into_iter()
                    .filter(|(home, rows)| *rows > 0 && !home.is_upstream());
                left.for_each(|(home, _)| node.links.shut(&home));
                return;
            }
            Err(_) => tokio::time::sleep(COUNT_EVERY).await,
        }
    }
}
