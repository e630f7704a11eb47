//! A large batch as two transactions that run at the same time: one connection keeps one core of the server busy, and waits for the disk between.

use linker_core::port::{InsertOutcome, StoreBatch, StoreError};

use super::row::stripe_of;

/// Rows from which two transactions are quicker than one.
const INSERTS_MIN: usize = 256;

/// Two batches of which no recipient has rows in both, so that neither waits for a lock of the other's, and each recipient's rows keep their order.
pub(super) struct Halves {
    pub(super) batches: [StoreBatch; 2],
    /// In which half each insert is.
    halves: Vec<usize>,
}

impl Halves {
    /// `None` for what is small, and for what is to happen as a whole: a row that goes with the confirmation that comes.
    pub(super) fn of(batch: &StoreBatch) -> Option<Self> {
        let StoreBatch {
            inserts,
            deletes,
            forwarded,
            absent,
            behind,
            redirected,
            ..
        } = batch;
        let changes_none = absent.is_empty() && behind.is_empty() && redirected.is_empty();
        let adds_only = deletes.is_empty() && forwarded.is_empty() && changes_none;
        if !adds_only || inserts.len() < INSERTS_MIN {
            return None;
        }
        let empty = || StoreBatch {
            inserts: Vec::with_capacity(inserts.len()),
            deletes: Vec::new(),
            forwarded: Vec::new(),
            absent: Vec::new(),
            behind: Vec::new(),
            redirected: Vec::new(),
            node: batch.node.clone(),
            ..*batch
        };
        let mut batches = [empty(), empty()];
        let mut halves = Vec::with_capacity(inserts.len());
        for insert in inserts {
            let half = usize::from(stripe_of(&insert.envelope.to) % 2 != 0);
            batches[half].inserts.push(insert.clone());
            halves.push(half);
        }
        let both = batches.iter().all(|batch| !batch.inserts.is_empty());
        both.then_some(Self { batches, halves })
    }

    /// The outcomes in the order of the whole batch. Of one that failed alone it is not certain that nothing was changed.
    pub(super) fn join(
        &self,
        results: [Result<Vec<InsertOutcome>, StoreError>; 2],
    ) -> Result<Vec<InsertOutcome>, StoreError> {
        let [first, second] = match results {
            [Ok(first), Ok(second)] => [first.into_iter(), second.into_iter()],
            [Err(uncertain @ StoreError::Uncertain(_)), _]
            | [_, Err(uncertain @ StoreError::Uncertain(_))] => return Err(uncertain),
            [Err(away), Err(_)] => return Err(away),
            [Err(error), Ok(_)] | [Ok(_), Err(error)] => {
                return Err(StoreError::Uncertain(error.to_string()));
            }
        };
        let mut outcomes = [first, second];
        Ok(self
            .halves
            .iter()
            .filter_map(|half| outcomes[*half].next())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use linker_core::port::{Insert, WaitReason};
    use linker_core::testkit::sample::{message, message_id, user};

    use super::*;

    fn batch(rows: u64) -> StoreBatch {
        let insert = |n| Insert {
            envelope: Arc::new(message(n, user(1), user(100 + n % 50))),
            reason: WaitReason::Absent,
            home: None,
        };
        StoreBatch {
            inserts: (0..rows).map(insert).collect(),
            max_per_user: 100,
            ..StoreBatch::default()
        }
    }

    #[test]
    fn outcomes_come_in_the_order_of_the_whole() {
        let batch = batch(1000);
        let halves = Halves::of(&batch).expect("it is large");
        let by_id = |half: &StoreBatch| {
            let ids = half.inserts.iter().map(|insert| insert.envelope.id);
            Ok(ids.map(InsertOutcome::Duplicate).collect())
        };
        let [first, second] = &halves.batches;
        assert!(first.inserts.iter().all(|one| {
            let theirs = |two: &Insert| two.envelope.to != one.envelope.to;
            second.inserts.iter().all(theirs)
        }));
        let joined = halves
            .join([by_id(first), by_id(second)])
            .expect("both went well");
        let expected: Vec<_> = (0..1000).map(message_id).map(InsertOutcome::Duplicate).collect();
        assert_eq!(joined, expected);
    }

    #[test]
    fn what_is_small_or_removes_something_stays_whole() {
        assert!(Halves::of(&batch(100)).is_none());
        let mut removes = batch(1000);
        removes.deletes.push(message_id(5000));
        assert!(Halves::of(&removes).is_none());
    }

    #[test]
    fn a_half_that_failed_alone_is_uncertain() {
        let halves = Halves::of(&batch(1000)).expect("it is large");
        let away = || Err(StoreError::Away("gone".into()));
        let done = || Ok(Vec::new());
        assert!(matches!(
            halves.join([away(), done()]),
            Err(StoreError::Uncertain(_))
        ));
        assert!(matches!(
            halves.join([done(), away()]),
            Err(StoreError::Uncertain(_))
        ));
        assert!(matches!(halves.join([away(), away()]), Err(StoreError::Away(_))));
    }
}
