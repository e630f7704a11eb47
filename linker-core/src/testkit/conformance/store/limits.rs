//! How much may wait: the inbox limit, and the newest event.

use super::{STORED, apply, batch, count, delete, insert, keep, taken, waiting};
use crate::envelope::{Envelope, Kind};
use crate::port::{InsertOutcome, Store, StoreBatch, WaitReason};
use crate::testkit::sample::{EPOCH_MS, KINDS, message, message_id, message_with_reference, of_kind, user};

const FULL: InsertOutcome = InsertOutcome::InboxFull;

fn limited(max_per_user: u64, envelopes: &[Envelope]) -> StoreBatch {
    StoreBatch {
        max_per_user,
        ..batch(0, envelopes, &[])
    }
}

/// What does not count ([`Kind::counts`]) is taken, and takes nobody's room.
pub async fn a_full_inbox_refuses_messages_only<S: Store + ?Sized>(store: &S) {
    let others: Vec<Envelope> = (1..)
        .zip(KINDS)
        .filter(|(_, kind)| !kind.counts())
        .map(|(n, kind)| of_kind(kind, n, user(n), user(2)))
        .collect();
    let stored = vec![STORED; others.len()];
    assert_eq!(apply(store, limited(1, &others)).await, stored);
    let two = [
        of_kind(Kind::GroupMessage, 20, user(1), user(2)),
        message(21, user(1), user(2)),
    ];
    assert_eq!(apply(store, limited(1, &two)).await, [STORED, FULL]);
    let more: Vec<Envelope> = (30..)
        .zip(KINDS)
        .filter(|(_, kind)| !kind.counts())
        .map(|(n, kind)| of_kind(kind, n, user(n), user(2)))
        .collect();
    assert_eq!(apply(store, limited(1, &more)).await, stored);
    assert_eq!(
        apply(store, limited(0, &[message(50, user(1), user(3))])).await,
        [FULL]
    );
    assert_eq!(count(store, user(2), &[]).await, 2 * stored.len() as u64 + 1);
}

/// Each user's own limit; room is used up in the order of the batch.
pub async fn a_full_inbox_refuses_within_one_batch<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (0..12).map(|n| message(n, user(9), user(n % 3))).collect();
    let outcomes = apply(store, limited(3, &envelopes)).await;
    assert_eq!(outcomes[..9], [STORED; 9]);
    assert_eq!(outcomes[9..], [FULL; 3]);
    let again = apply(store, limited(3, &envelopes)).await;
    assert_eq!(
        again, outcomes,
        "what is there is stored, what was refused is still refused"
    );
    for number in 0..3 {
        assert_eq!(count(store, user(number), &[]).await, 3);
    }
}

/// Never one too many, never one too few: over deletes of all sorts, refusals, repetitions and expiry, with many users in between.
pub async fn the_inbox_limit_is_exact_while_rows_come_and_go<S: Store + ?Sized>(store: &S) {
    const LIMIT: u64 = 10;
    for n in 0..8 {
        let outcomes = apply(store, limited(LIMIT, &[message(n, user(1), user(2))])).await;
        assert_eq!(outcomes, [STORED]);
    }
    // Twice the same, unknown ones, another user's: two places become free.
    keep(store, &[message(500, user(1), user(3))]).await;
    delete(store, &[0, 1, 1, 0, 77, 500].map(message_id)).await;
    delete(store, &[0, 1].map(message_id)).await;
    // One that does not count goes, and frees nothing.
    keep(store, &[of_kind(Kind::Read, 600, user(1), user(2))]).await;
    delete(store, &[message_id(600)]).await;
    // Ids that are there, and a repetition, take no room.
    let again: Vec<Envelope> = (2..8).map(|n| message(n, user(1), user(2))).collect();
    assert_eq!(apply(store, limited(LIMIT, &again)).await, [STORED; 6]);
    let strangers: Vec<Envelope> = (1000..1400).map(|n| message(n, user(1), user(n))).collect();
    apply(store, limited(LIMIT, &strangers)).await;
    let fill: Vec<Envelope> = (10..16).map(|n| message(n, user(1), user(2))).collect();
    let outcomes = apply(store, limited(LIMIT, &fill)).await;
    assert_eq!(outcomes, [STORED, STORED, STORED, STORED, FULL, FULL]);
    // Deletes come after inserts: the room they make is the next batch's.
    let mut swap = limited(LIMIT, &[message(20, user(1), user(2))]);
    swap.deletes = vec![message_id(2)];
    assert_eq!(apply(store, swap.clone()).await, [FULL]);
    assert_eq!(apply(store, swap).await, [STORED]);
    assert_eq!(apply(store, limited(LIMIT, &fill[4..])).await, [FULL, FULL]);
    assert_eq!(taken(store.expire(EPOCH_MS + 1, 2).await).len(), 2);
    assert_eq!(apply(store, limited(LIMIT, &fill[4..])).await, [STORED, STORED]);
    assert_eq!(
        apply(store, limited(LIMIT, &[message(30, user(1), user(2))])).await,
        [FULL]
    );
    assert_eq!(count(store, user(2), &[]).await, LIMIT);
}

/// Both are refused: the second is no duplicate of what does not wait.
pub async fn a_refused_message_is_not_taken_for_the_first_of_two<S: Store + ?Sized>(store: &S) {
    keep(store, &[message(1, user(1), user(2))]).await;
    let pair = [2, 3].map(|n| message_with_reference(n, user(1), user(2), "r"));
    assert_eq!(apply(store, limited(1, &pair)).await, [FULL, FULL]);
    assert_eq!(
        apply(store, limited(2, &pair)).await,
        [STORED, InsertOutcome::Duplicate(message_id(2))]
    );
}

/// It waits, so its sender must not be told that it was refused.
pub async fn a_repetition_for_a_full_inbox_is_a_duplicate<S: Store + ?Sized>(store: &S) {
    keep(store, &[message_with_reference(1, user(1), user(2), "r")]).await;
    let again = [
        message_with_reference(2, user(1), user(2), "r"),
        message_with_reference(1, user(1), user(2), "r"),
        message(3, user(1), user(2)),
    ];
    assert_eq!(
        apply(store, limited(1, &again)).await,
        [InsertOutcome::Duplicate(message_id(1)), STORED, FULL]
    );
}

/// Per recipient and user told of, connected or disconnected; the newest waits where it arrived.
pub async fn of_events_about_one_user_only_the_newest_waits<S: Store + ?Sized>(store: &S) {
    use Kind::{UserConnected as Connected, UserDisconnected as Disconnected};
    let event = |n, kind, about| of_kind(kind, n, user(about), user(2));
    keep(store, &[event(1, Connected, 5), event(2, Connected, 6)]).await;
    keep(store, &[event(3, Disconnected, 5)]).await;
    assert_eq!(waiting(store, user(2)).await, [2, 3].map(message_id));
    keep(store, &[of_kind(Connected, 4, user(5), user(3))]).await;
    keep(store, &[event(5, Connected, 5)]).await;
    // Messages from the one it tells of have nothing to do with it.
    keep(store, &[message(6, user(5), user(2))]).await;
    assert_eq!(waiting(store, user(2)).await, [2, 5, 6].map(message_id));
    assert_eq!(waiting(store, user(3)).await, [message_id(4)]);
    assert_eq!(count(store, user(2), &[]).await, 3);
    delete(store, &[message_id(5)]).await;
    keep(store, &[event(7, Disconnected, 5)]).await;
    assert_eq!(waiting(store, user(2)).await, [2, 6, 7].map(message_id));
}

/// As if they had come one by one; all are `Stored`.
pub async fn of_events_within_one_batch_only_the_newest_waits<S: Store + ?Sized>(store: &S) {
    let event = |n, about| of_kind(Kind::UserConnected, n, user(about), user(2));
    keep(store, &[event(1, 5)]).await;
    let batch_of_five = [event(2, 5), event(3, 6), event(4, 5), event(5, 7), event(6, 6)];
    for _ in 0..3 {
        keep(store, &batch_of_five).await;
        let mut left = waiting(store, user(2)).await;
        left.sort();
        assert_eq!(left, [4, 5, 6].map(message_id));
    }
    // Repeated after a newer one of the same batch, it is the newest again.
    keep(store, &[event(8, 7), event(5, 7)]).await;
    let mut left = waiting(store, user(2)).await;
    left.sort();
    assert_eq!(left, [4, 5, 6].map(message_id));
}

/// The newest, repeated, is there already.
pub async fn an_event_inserted_again_stays_where_it_is<S: Store + ?Sized>(store: &S) {
    let event = of_kind(Kind::UserDisconnected, 1, user(5), user(2));
    keep(store, std::slice::from_ref(&event)).await;
    keep(store, &[message(2, user(1), user(2))]).await;
    let mut again = batch(5, &[], &[]);
    again.inserts = vec![insert(&event, WaitReason::Behind)];
    assert_eq!(apply(store, again).await, [STORED]);
    assert_eq!(waiting(store, user(2)).await, [1, 2].map(message_id));
}
