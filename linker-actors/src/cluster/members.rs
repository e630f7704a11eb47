//! Who is in the domain: this node's beats, and what follows from the others'.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::id::NodeInstance;
use linker_core::port::{Cluster as Registry, NODE_TIMEOUT, NodeRecord, PresenceError, Store};
use tokio::time::Instant;

use super::rescue::{self, Whose};
use super::settings::settings_in_common;
use super::sweeper::Sweeper;
use super::{Cluster, faults};
use crate::node::Node;
use crate::presence::PresenceMail;
use crate::router::RouterMail;

/// How often a node tells that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Beats between two comparisons of the registry with a few sessions of the node's own. Of very many each comparison is a load on the registry: they
/// are further apart, up to the latter.
const RECONCILE_BEATS: u64 = 30;
const RECONCILE_BEATS_MAX: u64 = 300;
const RECONCILED_A_BEAT: u64 = 50;
/// Beats between two attempts to move what waits for a fault to end.
const FAULT_BEATS: u64 = 2;

/// How long nodes that were configured alike may differ, while a change of the configuration comes to one after the other.
const CHANGE_PATIENCE: Duration = Duration::from_secs(120);

/// The task that beats.
pub(crate) struct Members {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    /// The directory changes by itself.
    is_followed: bool,
    joined: bool,
    contradicted: Option<String>,
    /// Another node was configured like this one once.
    was_alike: bool,
    /// Since when another one is not any more.
    differs_since: Option<Instant>,
    /// Messages of dead nodes may be in the store.
    inherits: bool,
    sweeper: Sweeper,
    /// Beats since the registry was compared with the node's own sessions.
    unreconciled: u64,
}

impl Members {
    pub(crate) fn new(node: &Arc<Node>, store: Arc<dyn Store>, is_followed: bool) -> Self {
        Self {
            node: Arc::clone(node),
            store,
            is_followed,
            joined: false,
            contradicted: None,
            was_alike: false,
            differs_since: None,
            inherits: true,
            sweeper: Sweeper::default(),
            unreconciled: 0,
        }
    }

    /// What has to be the same everywhere.
    fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = settings_in_common(&self.node.config(), &self.node.directory());
        if self.is_followed {
            // The document tells all nodes of the domain the same; for a moment one knows more than another.
            settings.remove("clientApps");
        }
        settings
    }

    fn record(&self) -> NodeRecord {
        self.node.record(self.settings())
    }

    /// Comes in. Fails only for what waiting cannot mend.
    pub(crate) async fn join(&mut self, cluster: &Cluster) -> Result<(), PresenceError> {
        let mut joined = cluster.presence.join(self.record()).await;
        let patient_until = Instant::now() + NODE_TIMEOUT + BEAT_EVERY;
        while matches!(joined, Err(PresenceError::NameTaken(_))) && Instant::now() < patient_until {
            tracing::info!("the name of this node is taken; it may be its own from before it was killed");
            tokio::time::sleep(BEAT_EVERY / 4).await;
            joined = cluster.presence.join(self.record()).await;
        }
        match joined {
            Ok(()) => {
                self.joined = true;
                self.on_presence(cluster, None);
                self.beat(cluster, 0).await;
                Ok(())
            }
            Err(PresenceError::Away(error)) => {
                self.on_presence(cluster, Some(error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Beats until the node's runtime ends.
    pub(crate) async fn run(mut self) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut number = 0;
        loop {
            beats.tick().await;
            number += 1;
            let node = Arc::clone(&self.node);
            let Some(cluster) = &node.cluster else { return };
            let left = cluster.left.lock().await;
            if *left {
                return;
            }
            if !self.joined {
                match cluster.presence.join(self.record()).await {
                    Ok(()) => self.joined = true,
                    Err(error) => {
                        self.on_presence(cluster, Some(error.to_string()));
                        continue;
                    }
                }
            }
            self.beat(cluster, number).await;
        }
    }

    async fn beat(&mut self, cluster: &Cluster, number: u64) {
        match cluster.presence.beat(self.record()).await {
            Ok(registry) => {
                let back = self.on_presence(cluster, None);
                self.follow(cluster, &registry).await;
                self.sweeper
                    .sweep(&self.node, &registry.nodes, self.inherits, number);
                let was_unknown = registry.rejoined || back;
                self.unreconciled += 1;
                if was_unknown || self.unreconciled >= beats_between(self.node.sessions.len()) {
                    self.unreconciled = 0;
                    self.tell_presence(PresenceMail::Reconcile { was_unknown }).await;
                }
                self.keep_secret(was_unknown, number);
                self.move_on(cluster, &registry, number).await;
            }
            Err(error) => {
                let name_taken = matches!(error, PresenceError::NameTaken(_));
                self.joined &= !name_taken;
                self.on_presence(cluster, Some(error.to_string()));
            }
        }
    }

    /// The registry is told again what the nodes share, before one that never knew it makes another.
    fn keep_secret(&self, was_unknown: bool, number: u64) {
        #[cfg(feature = "auth")]
        if (was_unknown || number.is_multiple_of(RECONCILE_BEATS))
            && let Some(tokens) = self.node.tokens.get().map(Arc::clone)
        {
            tokio::spawn(async move { tokens.refresh().await });
        }
        #[cfg(not(feature = "auth"))]
        let _ = (was_unknown, number);
    }

    /// Answers whether presence is back after it was away.
    fn on_presence(&self, cluster: &Cluster, away: Option<String>) -> bool {
        let news = cluster.set_presence_away(away.is_some());
        match &away {
            Some(error) if news => {
                tracing::warn!(error, "the presence registry is away; asking again every second");
            }
            None if news => tracing::info!("the presence registry is back"),
            _ => {}
        }
        let back = news && away.is_none();
        self.node.set_check("presence", away);
        back
    }

    async fn follow(&mut self, cluster: &Cluster, registry: &Registry) {
        let living: HashSet<&NodeInstance> = registry.nodes.iter().map(|record| &record.node).collect();
        for record in &registry.nodes {
            let _ = Cluster::peer(&self.node, &record.node);
        }
        let mut lost = false;
        for peer in cluster.peers.all() {
            if !living.contains(&peer.instance) && peer.set_gone() {
                tracing::warn!(peer = %peer.instance, "a node lives no more");
                cluster.peers.remove(&peer);
                cluster.whereabouts.forget_all();
                self.inherits = true;
                lost = true;
                self.node.links.member_gone();
                self.node.upstream.member_gone();
                for (_, router) in self.node.routers.all() {
                    let _ = router.send(RouterMail::PeerGone(Arc::clone(&peer))).await;
                }
            }
        }
        if lost {
            rescue::begin(&self.node, &self.store, Whose::WhoCameLately);
        }
        cluster.members.store(Arc::new(registry.nodes.clone()));
        self.node.links.set_members(&registry.nodes);
        self.compare_settings(registry);
    }

    /// Two nodes whose configuration contradicts serve the same users differently. Those that were alike are given the time to be told of a change one after the
    /// other, so that a configuration that is rolled out does not take all of them out of service.
    fn compare_settings(&mut self, registry: &Registry) {
        let settings = self.settings();
        let mut contradictions = Vec::new();
        for record in registry.nodes.iter().filter(|record| record.node != self.node.me) {
            for (key, own) in &settings {
                if record.settings.get(key).is_some_and(|theirs| theirs != own) {
                    contradictions.push(format!("{key} differs from {}'s", record.node.name));
                }
            }
        }
        let others = registry.nodes.len() > 1;
        self.was_alike |= others && contradictions.is_empty();
        if contradictions.is_empty() {
            self.differs_since = None;
        } else if self.was_alike {
            let since = *self.differs_since.get_or_insert_with(Instant::now);
            if since.elapsed() < CHANGE_PATIENCE {
                return;
            }
        }
        let contradicted = (!contradictions.is_empty()).then(|| contradictions.join(", "));
        if contradicted != self.contradicted {
            match &contradicted {
                Some(differs) => {
                    tracing::error!(differs, "the nodes of this domain are configured differently")
                }
                None => tracing::info!("the nodes of this domain are configured alike again"),
            }
            self.node.set_check("cluster", contradicted.clone());
            self.contradicted = contradicted;
        }
    }

    /// Moves what dead nodes have left, and what waited for a fault to end.
    async fn move_on(&mut self, cluster: &Cluster, registry: &Registry, number: u64) {
        let waits =
            self.node.custody.has_faults.load(Ordering::Acquire) && number.is_multiple_of(FAULT_BEATS);
        if (!self.inherits && !waits)
            || self.node.store_is_away()
            || self.node.draining.load(Ordering::Acquire)
        {
            return;
        }
        let blocked = cluster.peers.all().iter().any(|peer| peer.outbox.is_away());
        let living = registry.nodes.iter().map(|record| record.node.clone());
        // What waits for this node's own faults is its own: it is taken again once nothing is in the way.
        let spared = living
            .filter(|node| *node != self.node.me || blocked || !waits)
            .collect();
        if faults::take_over(&self.node, &self.store, spared).await.is_ok() {
            self.inherits = false;
        }
    }

    async fn tell_presence(&self, mail: PresenceMail) {
        if let Some(presence) = self.node.presence.get() {
            let _ = presence.send(mail).await;
        }
    }
}

/// Beats until the registry is compared again with so many sessions.
fn beats_between(sessions: usize) -> u64 {
    (sessions as u64 / RECONCILED_A_BEAT).clamp(RECONCILE_BEATS, RECONCILE_BEATS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sessions_are_compared_less_often_within_bounds() {
        assert_eq!(beats_between(0), RECONCILE_BEATS);
        assert_eq!(beats_between(1500), RECONCILE_BEATS);
        assert_eq!(beats_between(10_000), 200);
        assert_eq!(beats_between(1_000_000), RECONCILE_BEATS_MAX);
    }
}
