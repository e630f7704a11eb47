//! What a node has counted since it started. The recorder of metrics has the same numbers, but does not tell them.

use std::sync::atomic::{AtomicU64, Ordering};

use linker_core::custody::Outcome;
use linker_core::envelope::Feature;

/// Counters, each for itself: together they are of no one instant.
#[derive(Default)]
pub(crate) struct Tally {
    received: [AtomicU64; 2],
    delivered: [AtomicU64; 2],
    stored: AtomicU64,
    forwarded: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    logins: AtomicU64,
}

/// What a [`Tally`] had at some time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) received: [u64; 2],
    pub(super) delivered: [u64; 2],
    pub(super) stored: u64,
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    pub(super) logins: u64,
}

const fn place(feature: Feature) -> usize {
    match feature {
        Feature::Reliable => 0,
        Feature::Fast => 1,
    }
}

impl Tally {
    /// A client or a host has given a message.
    pub(crate) fn received(&self, feature: Feature) {
        add(&self.received[place(feature)]);
    }

    pub(crate) fn message(&self, feature: Feature, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => add(&self.delivered[place(feature)]),
            Outcome::Stored => add(&self.stored),
            Outcome::Forwarded => add(&self.forwarded),
            Outcome::Dropped => add(&self.dropped),
            Outcome::Refused => add(&self.refused),
            Outcome::Duplicate => {}
        }
    }

    pub(crate) fn login(&self) {
        add(&self.logins);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            received: self.received.each_ref().map(read),
            delivered: self.delivered.each_ref().map(read),
            stored: read(&self.stored),
            forwarded: read(&self.forwarded),
            dropped: read(&self.dropped),
            refused: read(&self.refused),
            logins: read(&self.logins),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
