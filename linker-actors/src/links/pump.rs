//! Hands over what waits in the store for one domain, oldest first, until nothing is left and the way is open.

use std::sync::Arc;
use std::time::Duration;

use linker_core::custody::AdoptedForward;
use linker_core::port::{Store, TakeOver};
use tokio::sync::oneshot;

use super::neighbour::Neighbour;
use super::way::{Mode, Way};
use super::{as_owner, others};
use crate::node::Node;
use crate::router::RouterMail;

const PAGE_ROWS: u32 = 512;
const PAGE_BYTES: usize = 1024 * 1024;
/// The next page is read when no more than this is on its way to the neighbour.
const LOAD_MAX: usize = 2 * 1024 * 1024;
/// A way is tried to be opened when no more than this is.
const LOAD_LITTLE: usize = 64 * 1024;
/// How soon a row that somebody has is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How soon a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Looks after one way for as long as the node runs.
pub(super) async fn run(node: Arc<Node>, store: Arc<dyn Store>, way: Arc<Way>) {
    let pump = Pump { node, store, way };
    loop {
        if pump.way.mode() != Mode::Open && pump.hop().is_some() {
            match pump.drain().await {
                Drained::Open | Drained::NoWay => {}
                Drained::Away => tokio::time::sleep(ASK_AGAIN).await,
            }
        } else {
            pump.way.changed().await;
        }
    }
}

/// Why draining has ended.
enum Drained {
    Open,
    NoWay,
    /// The store is.
    Away,
}

struct Pump {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    way: Arc<Way>,
}

/// From the oldest row to the newest.
#[derive(Default)]
struct Pass {
    after_seq: u64,
    handed: usize,
    /// Something was just being stored when it began: it may have passed that by.
    is_unsure: bool,
}

impl Pump {
    fn hop(&self) -> Option<Arc<Neighbour>> {
        self.way.hop().filter(|hop| hop.is_up())
    }

    fn pass(&self) -> Pass {
        Pass {
            is_unsure: self.way.is_being_diverted(),
            ..Pass::default()
        }
    }

    async fn drain(&self) -> Drained {
        let mut pass = self.pass();
        // Whether the pass began when nothing more could come behind it.
        let mut is_last = false;
        loop {
            let Some(hop) = self.hop() else {
                return Drained::NoWay;
            };
            if !self.has_room(&hop, LOAD_MAX).await {
                continue;
            }
            let request = TakeOver {
                node: as_owner(&self.node),
                spared: others(&self.node),
                home: Some(self.way.home.clone()),
                after_seq: pass.after_seq,
                max_rows: PAGE_ROWS,
                max_bytes: PAGE_BYTES,
            };
            let Ok(page) = self.store.take_over(request).await else {
                return Drained::Away;
            };
            let exhausted = page.exhausted;
            if !page.rows.is_empty() {
                let Some(adopted) = self.hand_over(page.rows).await else {
                    return Drained::Away;
                };
                pass.handed += adopted.handed;
                pass.after_seq = adopted.last_seq.unwrap_or(pass.after_seq);
                if adopted.stopped {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
            }
            if !exhausted {
                continue;
            }
            match self.way.mode() {
                Mode::Open => return Drained::Open,
                // What is under way is read over again by the last pass.
                Mode::Shut if !self.has_room(&hop, LOAD_LITTLE).await => continue,
                Mode::Shut => {
                    is_last = self.way.park();
                    pass = self.pass();
                }
                Mode::Parking if is_last && pass.handed == 0 && !pass.is_unsure && self.way.open() => {
                    self.tell_open().await;
                    return Drained::Open;
                }
                Mode::Parking => {
                    is_last = true;
                    if pass.is_unsure {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    pass = self.pass();
                }
            }
        }
    }

    /// Waits for the neighbour to confirm some of what it has. False when there is still too much after a while.
    async fn has_room(&self, hop: &Neighbour, load_max: usize) -> bool {
        if hop.load() <= load_max {
            return true;
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, hop.room()).await;
        hop.load() <= load_max
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
