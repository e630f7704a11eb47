//! Acknowledges what was signed, in as few frames as possible.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::options::BasicAckOptions;
use lapin::{Channel, Error};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Signed at one time; more come next time.
const BATCH_MAX: usize = 256;
/// For the last ones.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Acknowledges on the channel that delivered.
pub(super) struct Acker {
    channel: Channel,
    signed: mpsc::UnboundedReceiver<u64>,
    window: Window,
}

impl Acker {
    /// What goes into the sender is acknowledged. The prefetch of the channel bounds how much that can be at one time.
    pub(super) fn on(channel: Channel) -> (Self, mpsc::UnboundedSender<u64>) {
        let (sign, signed) = mpsc::unbounded_channel();
        let acker = Self {
            channel,
            signed,
            window: Window::default(),
        };
        (acker, sign)
    }

    /// Until the channel is gone, or this node stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = self.signed.recv_many(&mut batch, BATCH_MAX) => self.acknowledge(&mut batch).await?,
                () = super::super::stopped(&mut stop) => break,
            }
        }
        self.signed.close();
        let last_words = async {
            while self.signed.recv_many(&mut batch, BATCH_MAX).await > 0 {
                self.acknowledge(&mut batch).await?;
            }
            Ok(())
        };
        // What is not written by then comes again, somewhere.
        timeout(LAST_WORDS, last_words).await.unwrap_or(Ok(()))
    }

    async fn acknowledge(&mut self, batch: &mut Vec<u64>) -> Result<(), Error> {
        for (tag, multiple) in self.window.settle(batch.drain(..)) {
            self.channel.basic_ack(tag, BasicAckOptions { multiple }).await?;
        }
        Ok(())
    }
}

/// Which deliveries of a channel are acknowledged: they are numbered from 1, and signed in any order.
#[derive(Default)]
struct Window {
    /// All up to this one are.
    done: u64,
    /// Those after it that are signed, and whether they are acknowledged.
    beyond: BTreeMap<u64, bool>,
}

impl Window {
    /// The acknowledgements due, each of one delivery or (`true`) of all up to it.
    fn settle(&mut self, signed: impl Iterator<Item = u64>) -> Vec<(u64, bool)> {
        for tag in signed {
            self.beyond.entry(tag).or_insert(false);
        }
        let mut due = Vec::new();
        let mut newest = None;
        while let Some(acknowledged) = self.beyond.remove(&(self.done + 1)) {
            self.done += 1;
            // The broker wants one here that it is still waiting for.
            if !acknowledged {
                newest = Some(self.done);
            }
        }
        due.extend(newest.map(|tag| (tag, true)));
        for (tag, acknowledged) in &mut self.beyond {
            if !std::mem::replace(acknowledged, true) {
                due.push((*tag, false));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_a_row_are_acknowledged_together() {
        let mut window = Window::default();
        assert_eq!(window.settle([2, 1, 3].into_iter()), [(3, true)]);
        assert_eq!(window.settle([4].into_iter()), [(4, true)]);
        assert_eq!(window.settle([].into_iter()), []);
        assert!(window.beyond.is_empty());
    }

    #[test]
    fn those_after_a_gap_do_not_wait_for_it_and_are_acknowledged_once() {
        let mut window = Window::default();
        assert_eq!(window.settle([3, 4].into_iter()), [(3, false), (4, false)]);
        // Up to 2 alone: 4 is known to the broker no more.
        assert_eq!(window.settle([1, 2].into_iter()), [(2, true)]);
        assert_eq!(window.settle([5].into_iter()), [(5, true)]);
        assert!(window.beyond.is_empty());
    }
}
