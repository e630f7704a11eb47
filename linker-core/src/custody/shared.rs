//! What the routers of a node share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::claims::Claims;
use super::dedupe::DedupeTable;
use super::forwarded_lately::ForwardedLately;
use super::lag::Lag;
use super::proven_lately::ProvenLately;
use crate::trace::Sampling;

/// Turns of a busy thread within which a proof comes: for the recipient's session to write, for its client to answer, for the session to read, and one that
/// took longer than the last.
const TURNS: u32 = 4;
/// Commit windows that a busy node adds at most.
const WINDOWS_MORE: u32 = 9;

/// Settings of custody.
#[derive(Debug, Clone)]
pub struct CustodyConfig {
    /// A message not proven within this time is stored; a node that is behind its own work gives itself more, see [`CustodyShared::lag`].
    pub commit_window: Duration,
    /// RELIABLE bytes that may be pending on the node; [`CustodyShared::set_max_pending_bytes`] changes it.
    pub max_pending_bytes: usize,
    /// There may be other nodes, which take over what this one moved when it dies.
    pub several_nodes: bool,
}

/// Of which messages [`super::CustodyEffect::Happened`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// Those whose delivery was proven.
    pub delivered: bool,
    /// Those that were stored.
    pub stored: bool,
}

/// What the routers of a node share.
#[derive(Debug)]
pub struct CustodyShared {
    /// Settings.
    pub config: CustodyConfig,
    /// Which messages are traced; none until it is set.
    pub sampling: Sampling,
    /// Rows in somebody's hands.
    pub claims: Mutex<Claims>,
    /// What was sent lately.
    pub dedupe: DedupeTable,
    /// See [`CustodyConfig::max_pending_bytes`], as it is now.
    max_pending_bytes: AtomicUsize,
    /// RELIABLE bytes pending on the node.
    pub pending_bytes: AtomicUsize,
    /// Messages pending on the node.
    pub pending_messages: AtomicUsize,
    /// The store takes nothing now.
    pub store_away: AtomicBool,
    /// Messages wait in the store, as this node's, for a fault to end.
    pub has_faults: AtomicBool,
    /// What guests of this node have proven lately.
    pub proven_lately: Mutex<ProvenLately>,
    /// What the application is told of messages.
    pub reports: Reports,
    /// What other domains have taken over lately.
    pub forwarded_lately: Mutex<ForwardedLately>,
    /// How far the node's threads are behind. Proofs that lie unread for that are waited for, some turns long and up to ten commit windows.
    pub lag: Lag,
}

impl CustodyShared {
    /// Nothing pending, the store there.
    pub fn new(config: CustodyConfig, dedupe: DedupeTable) -> Self {
        Self {
            max_pending_bytes: AtomicUsize::new(config.max_pending_bytes),
            config,
            sampling: Sampling::NONE,
            claims: Mutex::default(),
            dedupe,
            pending_bytes: AtomicUsize::new(0),
            pending_messages: AtomicUsize::new(0),
            store_away: AtomicBool::new(false),
            has_faults: AtomicBool::new(false),
            proven_lately: Mutex::default(),
            reports: Reports::default(),
            forwarded_lately: Mutex::default(),
            lag: Lag::default(),
        }
    }

    /// The same, with the application told of these.
    #[must_use]
    pub fn reporting(mut self, reports: Reports) -> Self {
        self.reports = reports;
        self
    }

    /// What guests have proven lately, locked.
    pub fn proven_lately(&self) -> MutexGuard<'_, ProvenLately> {
        self.proven_lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What other domains have taken over lately, locked.
    pub fn forwarded_lately(&self) -> MutexGuard<'_, ForwardedLately> {
        self.forwarded_lately
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The claims, locked.
    pub fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// RELIABLE bytes that may be pending on the node.
    pub fn max_pending_bytes(&self) -> usize {
        self.max_pending_bytes.load(Ordering::Relaxed)
    }

    /// Another bound, from now on: what is pending beyond it stays, and nothing more is taken until there is room.
    pub fn set_max_pending_bytes(&self, bytes: usize) {
        self.max_pending_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What is added to the commit window at `now`.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        (self.lag.at(now) * TURNS).min(self.config.commit_window * WINDOWS_MORE)
    }

    /// Whether so much is pending that what is safe in the store had better be only there.
    pub(super) fn holds_enough(&self) -> bool {
        self.pending_bytes.load(Ordering::Relaxed) >= self.max_pending_bytes() / 4
    }

    /// Whether the bound of pending bytes is reached.
    pub fn is_full(&self) -> bool {
        self.pending_bytes.load(Ordering::Relaxed) >= self.max_pending_bytes()
    }
}
