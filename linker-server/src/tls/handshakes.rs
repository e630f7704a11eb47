//! How many connections may be in the middle of their handshake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Of a node. Beyond it the one that takes longest is cut: a client that means it is done in a few round trips, so that who opens connections and says nothing keeps
/// out only others of that kind.
const UNDER_WAY_MAX: usize = 1024;

/// Handshakes under way.
#[derive(Clone, Default)]
pub(crate) struct Handshakes(Arc<Mutex<UnderWay>>);

#[derive(Default)]
struct UnderWay {
    next: u64,
    /// Whom to tell that it is cut, oldest first.
    all: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One of them, until it is dropped.
pub(super) struct Handshake {
    number: u64,
    of: Handshakes,
    cut: oneshot::Receiver<()>,
}

impl Handshakes {
    pub(super) fn begin(&self) -> Handshake {
        let (tell, cut) = oneshot::channel();
        let mut under_way = self.lock();
        let number = under_way.next;
        under_way.next += 1;
        under_way.all.insert(number, tell);
        if under_way.all.len() > UNDER_WAY_MAX {
            // Dropped, it tells.
            under_way.all.pop_first();
        }
        Handshake {
            number,
            of: self.clone(),
            cut,
        }
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake {
    /// Waits until it is to be cut.
    pub(super) async fn is_cut(&mut self) {
        // It is never told otherwise than by being dropped.
        let _ = (&mut self.cut).await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.of.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_takes_longest_goes_first() {
        let handshakes = Handshakes::default();
        let mut all: Vec<Handshake> = (0..UNDER_WAY_MAX).map(|_| handshakes.begin()).collect();
        // One that is done makes room.
        drop(all.remove(1));
        let mut another = handshakes.begin();
        assert!(
            all[0]
                .cut
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        let _last = handshakes.begin();
        all[0].is_cut().await;
        let empty = Err(oneshot::error::TryRecvError::Empty);
        assert_eq!(all[1].cut.try_recv(), empty);
        assert_eq!(another.cut.try_recv(), empty);
        drop(all);
        assert_eq!(handshakes.lock().all.len(), 2);
    }
}
