//! What came from neighbours and is not safe here yet: their ingress keeps it until it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::id::MessageId;
use linker_core::port::Receipt;

/// A payload of which some messages are not safe yet.
pub(super) struct Owed {
    left: AtomicUsize,
    receipt: Mutex<Option<Receipt>>,
    /// How many payloads there are of its kind.
    unsigned: Arc<AtomicUsize>,
}

impl Owed {
    /// For so many messages, and one more, lest it is signed while they are still being looked at: see [`Owed::settle`].
    pub(super) fn new(messages: usize, receipt: Option<Receipt>, unsigned: &Arc<AtomicUsize>) -> Arc<Self> {
        unsigned.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            unsigned: Arc::clone(unsigned),
            left: AtomicUsize::new(messages + 1),
            receipt: Mutex::new(receipt),
        })
    }

    /// One of them is safe.
    pub(super) fn settle(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let receipt = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(receipt) = receipt {
                receipt.sign();
            }
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.unsigned.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whom a receipt is owed for each message. Bounded by what an ingress hands out unsigned.
#[derive(Default)]
pub(crate) struct Receipts {
    of: Mutex<HashMap<MessageId, Vec<Arc<Owed>>>>,
}

impl Receipts {
    fn of(&self) -> MutexGuard<'_, HashMap<MessageId, Vec<Arc<Owed>>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a receipt is owed for a message. False when it came before and is not safe yet: then there is nothing else to do for it.
    pub(super) fn owe(&self, id: MessageId, owed: &Arc<Owed>) -> bool {
        match self.of().entry(id) {
            Entry::Vacant(place) => {
                place.insert(vec![Arc::clone(owed)]);
                true
            }
            Entry::Occupied(mut known) => {
                known.get_mut().push(Arc::clone(owed));
                false
            }
        }
    }

    /// Whether a receipt is owed for this message.
    pub(super) fn is_owed(&self, id: &MessageId) -> bool {
        self.of().contains_key(id)
    }

    /// The message is safe.
    pub(crate) fn settle(&self, id: &MessageId) {
        let owed = {
            let mut of = self.of();
            let owed = of.remove(id);
            if of.is_empty() && of.capacity() > 1024 {
                *of = HashMap::new();
            }
            owed
        };
        owed.iter().flatten().for_each(|owed| owed.settle());
    }
}
