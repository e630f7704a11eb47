//! How many connections may be in the middle of their handshake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Of a node. Beyond it each that begins takes the place of the one that has taken longest, once that is slow: so who opens connections and says nothing keeps out only
/// others of that kind, and thousands who come back at once do not cut each other off while the node works through them.
const UNDER_WAY_MANY: usize = 4096;
/// A client that means it is done in a few round trips.
const SLOW: Duration = Duration::from_secs(5);
/// Beyond it nobody more is let in, whatever the others are.
const UNDER_WAY_MAX: usize = 32_768;

/// Handshakes under way.
#[derive(Clone, Default)]
pub(crate) struct Handshakes(Arc<Mutex<UnderWay>>);

#[derive(Default)]
struct UnderWay {
    next: u64,
    /// Since when, and whom to tell that it is cut; oldest first.
    all: BTreeMap<u64, (Instant, oneshot::Sender<()>)>,
}

/// One of them, until it is dropped.
pub(super) struct Handshake {
    number: u64,
    of: Handshakes,
    cut: oneshot::Receiver<()>,
}

impl Handshakes {
    /// One more; none when there are too many.
    pub(super) fn begin(&self, now: Instant) -> Option<Handshake> {
        let (tell, cut) = oneshot::channel();
        let mut under_way = self.lock();
        let is_slow = |(since, _): &(Instant, _)| now.duration_since(*since) >= SLOW;
        if under_way.all.len() >= UNDER_WAY_MANY
            && let Some(oldest) = under_way.all.first_entry()
            && is_slow(oldest.get())
        {
            // Dropped, it tells.
            oldest.remove();
        }
        if under_way.all.len() >= UNDER_WAY_MAX {
            return None;
        }
        let number = under_way.next;
        under_way.next += 1;
        under_way.all.insert(number, (now, tell));
        Some(Handshake {
            number,
            of: self.clone(),
            cut,
        })
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

    fn many(handshakes: &Handshakes, count: usize, now: Instant) -> Vec<Handshake> {
        (0..count).map(|_| handshakes.begin(now).unwrap()).collect()
    }

    fn is_cut(handshake: &mut Handshake) -> bool {
        matches!(
            handshake.cut.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        )
    }

    #[test]
    fn beyond_many_the_one_that_takes_longest_goes_once_it_is_slow() {
        let (handshakes, start) = (Handshakes::default(), Instant::now());
        let mut all = many(&handshakes, UNDER_WAY_MANY, start);
        // A crowd that comes at once is let be.
        let mut crowd = many(&handshakes, 100, start + Duration::from_secs(1));
        assert!(!all.iter_mut().chain(&mut crowd).any(is_cut));
        // One that is done is nobody's to cut.
        drop(all.remove(0));
        let _late = many(&handshakes, 10, start + SLOW);
        assert!(all[..10].iter_mut().all(is_cut));
        assert!(!all[10..].iter_mut().chain(&mut crowd).any(is_cut));
        // As many go as come.
        assert_eq!(handshakes.lock().all.len(), UNDER_WAY_MANY + 99);
    }

    #[tokio::test]
    async fn there_is_an_end_to_it_and_who_is_done_makes_room() {
        let (handshakes, start) = (Handshakes::default(), Instant::now());
        let mut all = many(&handshakes, UNDER_WAY_MAX, start);
        assert!(handshakes.begin(start).is_none());
        drop(all.pop());
        assert!(handshakes.begin(start).is_some());
        let _one = handshakes.begin(start + SLOW).unwrap();
        let _another = handshakes.begin(start + SLOW).unwrap();
        all[0].is_cut().await;
        drop(all);
        assert_eq!(handshakes.lock().all.len(), 2);
    }
}
