//! Recognising a message that its sender sent again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::envelope::Envelope;
use crate::id::{MessageId, UserId};

const STRIPES: usize = 16;

/// Stands for a sender, a recipient and a reference: 128 bits, so that two never meet by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupeKey(u128);

/// How far the message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Neither safe nor proven.
    Pending,
    /// In the store.
    Stored,
    /// Delivered.
    Proven,
}

/// What is known of a message under its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The id of the first.
    pub id: MessageId,
    /// How far it got.
    pub progress: Progress,
    at: Duration,
}

#[derive(Debug, Default)]
struct Stripe {
    young: HashMap<DedupeKey, Known>,
    old: HashMap<DedupeKey, Known>,
    turned_at: Duration,
}

/// What was sent within the window, in bounded memory: where more is sent than fits, the oldest is forgotten first.
#[derive(Debug)]
pub struct DedupeTable {
    stripes: Vec<Mutex<Stripe>>,
    window: Duration,
    per_stripe_max: usize,
    seed: u64,
}

impl DedupeTable {
    /// A table for messages of the last `window`, at most about `entries_max` of them. `seed` should be random: senders choose the references.
    pub fn new(window: Duration, entries_max: usize, seed: u64) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self {
            stripes,
            window,
            per_stripe_max: (entries_max / STRIPES / 2).max(1),
            seed,
        }
    }

    /// The key of a message that can be repeated.
    pub fn key(&self, envelope: &Envelope) -> Option<DedupeKey> {
        let reference = envelope.dedupe_reference()?;
        Some(self.key_of(&envelope.from, &envelope.to, reference))
    }

    /// The same, of a message whose parts are all there is.
    pub fn key_of(&self, from: &UserId, to: &UserId, reference: &str) -> DedupeKey {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (self.seed, salt, from, to, reference).hash(&mut hasher);
            hasher.finish()
        };
        DedupeKey(u128::from(half(0)) << 64 | u128::from(half(1)))
    }

    fn stripe(&self, key: DedupeKey) -> MutexGuard<'_, Stripe> {
        let stripe = &self.stripes[key.0 as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known under `key`; if nothing, it is known from now on as pending under `id`.
    pub fn begin(&self, key: DedupeKey, id: MessageId, now: Duration) -> Option<Known> {
        self.insert(
            key,
            Known {
                id,
                progress: Progress::Pending,
                at: now,
            },
            now,
        )
    }

    /// Recalls a stored message that arrived `age` ago: at start, from the store.
    pub fn recall(&self, key: DedupeKey, id: MessageId, age: Duration, now: Duration) {
        let at = now.saturating_sub(age);
        self.insert(
            key,
            Known {
                id,
                progress: Progress::Stored,
                at,
            },
            now,
        );
    }

    fn insert(&self, key: DedupeKey, known: Known, now: Duration) -> Option<Known> {
        let mut stripe = self.stripe(key);
        if let Some(found) = self.fresh(&stripe, key, now) {
            return Some(found);
        }
        if stripe.young.len() >= self.per_stripe_max || stripe.turned_at + self.window <= now {
            stripe.old = std::mem::take(&mut stripe.young);
            stripe.turned_at = now;
        }
        stripe.old.remove(&key);
        stripe.young.insert(key, known);
        None
    }

    fn fresh(&self, stripe: &Stripe, key: DedupeKey, now: Duration) -> Option<Known> {
        let known = stripe.young.get(&key).or_else(|| stripe.old.get(&key))?;
        (known.at + self.window > now).then_some(*known)
    }

    /// What is known under `key`.
    pub fn find(&self, key: DedupeKey, now: Duration) -> Option<Known> {
        self.fresh(&self.stripe(key), key, now)
    }

    /// It got further. Nothing happens when it was forgotten, or when the key stands for another message by now.
    pub fn advance(&self, key: DedupeKey, id: MessageId, progress: Progress) {
        let stripe = &mut *self.stripe(key);
        let known = match stripe.young.get_mut(&key) {
            Some(known) => Some(known),
            None => stripe.old.get_mut(&key),
        };
        if let Some(known) = known.filter(|known| known.id == id) {
            known.progress = progress;
        }
    }

    /// What is known under `key` stands for this repetition of it from now on.
    pub fn rename(&self, key: DedupeKey, id: MessageId, repetition: MessageId) {
        let stripe = &mut *self.stripe(key);
        for generation in [&mut stripe.young, &mut stripe.old] {
            if let Some(known) = generation.get_mut(&key).filter(|known| known.id == id) {
                known.id = repetition;
            }
        }
    }

    /// It was refused after all: the same reference may come again.
    pub fn forget(&self, key: DedupeKey, id: MessageId) {
        let stripe = &mut *self.stripe(key);
        for generation in [&mut stripe.young, &mut stripe.old] {
            if generation.get(&key).is_some_and(|known| known.id == id) {
                generation.remove(&key);
            }
        }
    }
}
