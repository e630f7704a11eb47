//! Taking away: deletes, expiry; and what must not be changed by looking.

use super::{STORED, apply, batch, count, delete, keep, taken, waiting};
use crate::envelope::{Envelope, Kind};
use crate::id::MessageId;
use crate::port::{InsertOutcome, Repeatable, Store, StoreBatch};
use crate::testkit::sample::{EPOCH_MS, message, message_id, message_with_reference, of_kind, user};

/// And the rest stays in its order.
pub async fn deletes_take_only_what_they_name<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..=10).map(|n| message(n, user(1), user(n % 2))).collect();
    keep(store, &envelopes).await;
    delete(store, &[2, 3, 10].map(message_id)).await;
    assert_eq!(waiting(store, user(0)).await, [4, 6, 8].map(message_id));
    assert_eq!(waiting(store, user(1)).await, [1, 5, 7, 9].map(message_id));
    assert_eq!(count(store, user(0), &[]).await, 3);
}

/// Proofs come twice, and late.
pub async fn unknown_ids_are_deleted_without_complaint<S: Store + ?Sized>(store: &S) {
    delete(store, &[1, 2].map(message_id)).await;
    keep(store, &[message(1, user(1), user(2))]).await;
    delete(store, &[1, 1, 7].map(message_id)).await;
    delete(store, &[message_id(1)]).await;
    assert_eq!(waiting(store, user(2)).await, []);
}

/// What is inserted and deleted at once is gone, and had been there for the rest of the batch.
pub async fn inserts_come_before_deletes<S: Store + ?Sized>(store: &S) {
    let mut both = batch(
        0,
        &[
            message_with_reference(1, user(1), user(2), "r"),
            message_with_reference(2, user(1), user(2), "r"),
            message(3, user(1), user(2)),
            of_kind(Kind::UserConnected, 4, user(5), user(2)),
        ],
        &[1, 4].map(message_id),
    );
    both.max_per_user = 1;
    keep(store, &[of_kind(Kind::UserDisconnected, 9, user(5), user(2))]).await;
    let outcomes = apply(store, both).await;
    let duplicate = InsertOutcome::Duplicate(message_id(1));
    assert_eq!(outcomes, [STORED, duplicate, InsertOutcome::InboxFull, STORED]);
    assert_eq!(waiting(store, user(2)).await, []);
    let room = StoreBatch {
        max_per_user: 1,
        ..batch(0, &[message(3, user(1), user(2))], &[])
    };
    assert_eq!(apply(store, room).await, [STORED]);
}

/// Nothing to do is done.
pub async fn an_empty_batch_is_answered_empty<S: Store + ?Sized>(store: &S) {
    assert_eq!(apply(store, batch(0, &[], &[])).await, []);
}

/// Of any size, whole, in order.
pub async fn large_batches_are_taken<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (0..2345)
        .map(|n| message_with_reference(n, user(n % 7), user(1000 + n % 11), &format!("r-{n}")))
        .collect();
    keep(store, &envelopes).await;
    for number in 0..11 {
        let expected: Vec<MessageId> = (0..2345).filter(|n| n % 11 == number).map(message_id).collect();
        assert_eq!(waiting(store, user(1000 + number)).await, expected);
    }
    let mut swap = batch(0, &[], &(0..2345).map(message_id).collect::<Vec<_>>());
    swap.inserts = batch(0, &[message(3000, user(1), user(1000))], &[]).inserts;
    apply(store, swap).await;
    assert_eq!(waiting(store, user(1000)).await, [message_id(3000)]);
    assert_eq!(count(store, user(1001), &[]).await, 0);
}

/// Bounded, and told whole.
pub async fn expiry_takes_the_oldest_first<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (0..6).map(|n| message(n, user(1), user(n % 2))).collect();
    for (after_ms, envelope) in (0..).zip(&envelopes) {
        apply(store, batch(after_ms * 10, std::slice::from_ref(envelope), &[])).await;
    }
    delete(store, &[envelopes[1].id]).await;
    let expired = taken(store.expire(EPOCH_MS + 40, 2).await);
    let expired: Vec<Envelope> = expired.iter().map(|envelope| (**envelope).clone()).collect();
    assert_eq!(expired, [envelopes[0].clone(), envelopes[2].clone()]);
    let rest = taken(store.expire(EPOCH_MS + 40, 100).await);
    assert_eq!(rest.len(), 1);
    assert_eq!(*rest[0], envelopes[3]);
    assert_eq!(taken(store.expire(EPOCH_MS + 40, 100).await), []);
    assert_eq!(waiting(store, user(0)).await, [envelopes[4].id]);
    assert_eq!(waiting(store, user(1)).await, [envelopes[5].id]);
    delete(store, &[envelopes[0].id]).await;
    keep(store, &envelopes[..1]).await;
    assert_eq!(count(store, user(0), &[]).await, 2);
}

/// For the user who had too much, and for nobody else.
pub async fn expiry_makes_room_in_the_inbox<S: Store + ?Sized>(store: &S) {
    let limited = |after_ms, n: u64| StoreBatch {
        max_per_user: 1,
        ..batch(after_ms, &[message(n, user(1), user(n % 2))], &[])
    };
    assert_eq!(apply(store, limited(0, 1)).await, [STORED]);
    assert_eq!(apply(store, limited(1, 2)).await, [STORED]);
    assert_eq!(apply(store, limited(1, 3)).await, [InsertOutcome::InboxFull]);
    assert_eq!(taken(store.expire(EPOCH_MS + 1, 10).await).len(), 1);
    assert_eq!(apply(store, limited(2, 3)).await, [STORED]);
    assert_eq!(apply(store, limited(2, 4)).await, [InsertOutcome::InboxFull]);
}

/// Before is before.
pub async fn expiry_leaves_what_arrived_at_the_limit<S: Store + ?Sized>(store: &S) {
    apply(store, batch(7, &[message(1, user(1), user(2))], &[])).await;
    assert_eq!(taken(store.expire(EPOCH_MS + 7, 10).await), []);
    assert_eq!(taken(store.expire(EPOCH_MS + 8, 0).await), []);
    assert_eq!(taken(store.expire(EPOCH_MS + 8, 10).await).len(), 1);
}

/// At most as many as asked for, none from before, none that cannot be repeated, none that no longer wait.
pub async fn repeatable_rows_are_told_newest_first<S: Store + ?Sized>(store: &S) {
    for n in 0..10 {
        let repeatable = message_with_reference(n, user(1), user(2), &format!("r-{n}"));
        let others = [
            repeatable,
            message(100 + n, user(1), user(2)),
            of_kind(Kind::Read, 200 + n, user(1), user(2)),
        ];
        apply(store, batch(n * 10, &others, &[])).await;
    }
    delete(store, &[message_id(8)]).await;
    let told = |rows: Vec<Repeatable>| -> Vec<MessageId> { rows.iter().map(|row| row.id).collect() };
    let since = EPOCH_MS + 50;
    let all = taken(store.repeatable_since(since, 100).await);
    assert_eq!(told(all.clone()), [9, 7, 6, 5].map(message_id));
    let seventh = Repeatable {
        id: message_id(7),
        from: user(1),
        to: user(2),
        reference: "r-7".into(),
        arrived_ms: EPOCH_MS + 70,
    };
    assert_eq!(all[1], seventh);
    let two = taken(store.repeatable_since(since, 2).await);
    assert_eq!(told(two), [9, 7].map(message_id));
    assert_eq!(taken(store.repeatable_since(since, 0).await), []);
    assert_eq!(taken(store.repeatable_since(EPOCH_MS + 91, 100).await), []);
}

/// It only tells.
pub async fn a_probe_changes_nothing<S: Store + ?Sized>(store: &S) {
    taken(store.probe().await);
    keep(store, &[message(1, user(1), user(2))]).await;
    for _ in 0..3 {
        taken(store.probe().await);
    }
    assert_eq!(waiting(store, user(2)).await, [message_id(1)]);
    assert_eq!(taken(store.expire(u64::MAX, 10).await).len(), 1);
}
