//! The way to the application of one sender who is set aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linker_core::id::{DomainName, SessionId, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::outlet::UpstreamOutlet;
use crate::links::way::{Hop, Portion, Way};

/// While nothing of the sender has been taken yet: the one that was not taken before.
const TRIAL: Portion = Portion {
    max_rows: 1,
    max_bytes: 64 * 1024,
    load_max: 0,
};
/// Small: several are fed at a time, and what they hold comes on top of what all others may.
const SMALL: Portion = Portion {
    max_rows: 64,
    max_bytes: 64 * 1024,
    load_max: 128 * 1024,
};

/// One turn of a sender's: what is read from the store for it, and is not confirmed.
pub(crate) struct LaneHop {
    outlet: Arc<UpstreamOutlet>,
    bytes: AtomicUsize,
    /// Nothing has been taken in this turn.
    is_trial: AtomicBool,
    room: Notify,
}

impl LaneHop {
    pub(super) fn new(outlet: &Arc<UpstreamOutlet>) -> Arc<Self> {
        Arc::new(Self {
            outlet: Arc::clone(outlet),
            bytes: AtomicUsize::new(0),
            is_trial: AtomicBool::new(true),
            room: Notify::new(),
        })
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.room.notify_one();
    }

    /// The application answers sensibly again.
    pub(super) fn succeeded(&self) {
        self.is_trial.store(false, Ordering::Relaxed);
    }
}

impl Hop for LaneHop {
    fn id(&self) -> SessionId {
        self.outlet.id
    }

    fn is_up(&self) -> bool {
        self.outlet.is_up()
    }

    fn load(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    async fn room(&self) {
        self.room.notified().await;
    }

    fn portion(&self) -> Portion {
        match self.is_trial.load(Ordering::Relaxed) {
            true => TRIAL,
            false => SMALL,
        }
    }
}

/// What a sender sends goes by this while it is set aside. Kept for a while afterwards: what was on its way to it then is told here that it is stored.
pub(super) struct Lane {
    pub(super) way: Arc<Way<LaneHop>>,
    is_aside: AtomicBool,
    pub(super) used_at: std::sync::Mutex<Instant>,
}

impl Lane {
    pub(super) fn new(sender: &UserId) -> Arc<Self> {
        Arc::new(Self {
            way: Way::new(DomainName::upstream_aside(sender)),
            is_aside: AtomicBool::new(true),
            used_at: std::sync::Mutex::new(Instant::now()),
        })
    }

    pub(super) fn is_aside(&self) -> bool {
        self.is_aside.load(Ordering::Acquire)
    }

    pub(super) fn set_aside(&self, is_aside: bool) {
        self.is_aside.store(is_aside, Ordering::Release);
    }

    /// Whether this is the turn that it has.
    pub(super) fn is_turn(&self, hop: &Arc<LaneHop>) -> bool {
        self.way.hop().is_some_and(|own| Arc::ptr_eq(&own, hop))
    }
}
