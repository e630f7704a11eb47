//! Hands over what waits in the store for one domain, or for the application, oldest first, until nothing is left and the way is open.

use std::sync::Arc;
use std::time::Duration;

use linker_core::custody::AdoptedForward;
use linker_core::link::{DrainStep, Draining, GateMode};
use linker_core::port::{Store, TakeOver};
use tokio::sync::oneshot;

use super::way::{Hop, Way};
use super::{as_owner, others};
use crate::node::Node;
use crate::router::RouterMail;

/// A way is tried to be opened when no more than this is.
const LOAD_LITTLE: usize = 64 * 1024;
/// How soon a row that somebody has is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How soon a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Looks after one way for as long as the node runs.
pub(crate) async fn run<H: Hop>(node: Arc<Node>, store: Arc<dyn Store>, way: Arc<Way<H>>) {
    let pump = Pump { node, store, way };
    loop {
        if pump.way.gate.mode() != GateMode::Open && pump.hop().is_some() {
            if !pump.drain().await {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        } else {
            pump.way.changed().await;
        }
    }
}

/// Until one way is open. False where there is nobody to hand over to any more.
pub(crate) async fn open<H: Hop>(node: Arc<Node>, store: Arc<dyn Store>, way: Arc<Way<H>>) -> bool {
    let pump = Pump { node, store, way };
    while pump.way.gate.mode() != GateMode::Open {
        if pump.hop().is_none() {
            return false;
        }
        if !pump.drain().await {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
    true
}

struct Pump<H> {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    way: Arc<Way<H>>,
}

impl<H: Hop> Pump<H> {
    fn hop(&self) -> Option<Arc<H>> {
        self.way.hop().filter(|hop| hop.is_up())
    }

    /// Until the way is open, or there is none. False when the store is away.
    async fn drain(&self) -> bool {
        let mut draining = Draining::begin(&self.way.gate);
        let mut turns = self.way.turns();
        loop {
            let Some(hop) = self.hop() else {
                return true;
            };
            let now = self.way.turns();
            if turns != now {
                // What the former neighbour had is in the store again, before what is to be read next.
                draining = Draining::begin(&self.way.gate);
                turns = now;
            }
            if !self.has_room(&hop).await {
                continue;
            }
            let portion = hop.portion();
            let request = TakeOver {
                node: as_owner(&self.node),
                spared: others(&self.node),
                home: Some(self.way.home.clone()),
                after_seq: draining.after_seq(),
                max_rows: portion.max_rows,
                max_bytes: portion.max_bytes,
            };
            let Ok(page) = self.store.take_over(request).await else {
                return false;
            };
            let exhausted = page.exhausted;
            let adopted = match page.rows.is_empty() {
                true => Some(AdoptedForward::default()),
                false => self.hand_over(page.rows).await,
            };
            let Some(adopted) = adopted else {
                return false;
            };
            let is_light = hop.load() <= LOAD_LITTLE;
            match draining.on_page(&self.way.gate, adopted, exhausted, is_light) {
                DrainStep::Page => {}
                DrainStep::PageSoon => tokio::time::sleep(LOOK_AGAIN).await,
                DrainStep::Done => return true,
                DrainStep::Opened => {
                    self.tell_open().await;
                    return true;
                }
            }
        }
    }

    /// Waits for the neighbour to confirm some of what it has. False when there is still too much after a while.
    async fn has_room(&self, hop: &H) -> bool {
        if hop.load() <= hop.portion().load_max {
            return true;
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, hop.room()).await;
        hop.load() <= hop.portion().load_max
    }

    async fn hand_over(&self, rows: Vec<linker_core::port::StoredRow>) -> Option<AdoptedForward> {
        let router = self.node.routers.recipient(0)?;
        let (tell, told) = oneshot::channel();
        let mail = RouterMail::ForwardRows(rows, self.way.home.clone(), tell);
        router.send(mail).await.ok()?;
        told.await.ok()
    }

    async fn tell_open(&self) {
        for (_, router) in self.node.routers.all() {
            let _ = router.send(RouterMail::WayChanged(self.way.home.clone())).await;
        }
    }
}
