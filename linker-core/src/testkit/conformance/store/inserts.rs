//! Writing the same thing twice: by id, and by reference.

use super::{STORED, WINDOW_MS, apply, batch, delete, keep, waiting};
use crate::envelope::{Envelope, Feature, Kind};
use crate::port::{InsertOutcome, Store};
use crate::testkit::sample::{message, message_id, message_with_reference, user};

/// An id that is there already is `Stored`, and stays as and where it is.
pub async fn inserting_again_changes_nothing<S: Store + ?Sized>(store: &S) {
    let envelopes = [1, 2, 3].map(|n| message(n, user(1), user(2)));
    keep(store, &envelopes).await;
    let again = [
        envelopes[2].clone(),
        message(4, user(1), user(2)),
        envelopes[0].clone(),
    ];
    keep(store, &again).await;
    assert_eq!(waiting(store, user(2)).await, [1, 2, 3, 4].map(message_id));
    let twice = message(5, user(1), user(2));
    keep(store, &[twice.clone(), twice]).await;
    assert_eq!(waiting(store, user(2)).await, [1, 2, 3, 4, 5].map(message_id));
}

/// What makes `Uncertain` harmless: the whole batch again, references and deletes included, ends where it ended, and says so.
pub async fn inserting_again_after_a_lost_answer_gives_the_same_answer<S: Store + ?Sized>(store: &S) {
    keep(store, &[message_with_reference(1, user(1), user(2), "waits")]).await;
    keep(store, &[message(2, user(1), user(2))]).await;
    let mut whole = batch(
        1,
        &[
            message_with_reference(3, user(1), user(2), "new"),
            message_with_reference(4, user(1), user(2), "waits"),
            message_with_reference(5, user(1), user(2), "new"),
            message(6, user(1), user(2)),
        ],
        &[message_id(2)],
    );
    whole.max_per_user = 4;
    let expected = [
        STORED,
        InsertOutcome::Duplicate(message_id(1)),
        InsertOutcome::Duplicate(message_id(3)),
        STORED,
    ];
    for _ in 0..3 {
        assert_eq!(apply(store, whole.clone()).await, expected);
        assert_eq!(waiting(store, user(2)).await, [1, 3, 6].map(message_id));
    }
}

/// A delete is forgotten, not held against the id; it comes back at the end.
pub async fn deleted_ids_can_be_inserted_again<S: Store + ?Sized>(store: &S) {
    let envelopes = [1, 2, 3].map(|n| message(n, user(1), user(2)));
    for _ in 0..3 {
        keep(store, &envelopes).await;
        assert_eq!(waiting(store, user(2)).await, [1, 2, 3].map(message_id));
        delete(store, &[message_id(1)]).await;
        keep(store, &envelopes).await;
        assert_eq!(waiting(store, user(2)).await, [2, 3, 1].map(message_id));
        delete(store, &[1, 2, 3].map(message_id)).await;
    }
}

/// Same sender, recipient and reference within the window: nothing is added.
pub async fn a_repetition_is_answered_with_the_id_that_waits<S: Store + ?Sized>(store: &S) {
    keep(store, &[message_with_reference(1, user(1), user(2), "r")]).await;
    for (n, after_ms) in [(2, 0), (3, 1), (4, WINDOW_MS - 1), (5, WINDOW_MS)] {
        let again = message_with_reference(n, user(1), user(2), "r");
        let outcomes = apply(store, batch(after_ms, &[again], &[])).await;
        assert_eq!(
            outcomes,
            [InsertOutcome::Duplicate(message_id(1))],
            "after {after_ms} ms"
        );
    }
    assert_eq!(waiting(store, user(2)).await, [message_id(1)]);
}

/// The first of them is the one that waits.
pub async fn a_repetition_within_one_batch_is_found<S: Store + ?Sized>(store: &S) {
    let envelopes = [
        message_with_reference(1, user(1), user(2), "r"),
        message_with_reference(2, user(1), user(2), "s"),
        message_with_reference(3, user(1), user(2), "r"),
        message_with_reference(4, user(1), user(2), "r"),
    ];
    let outcomes = apply(store, batch(0, &envelopes, &[])).await;
    let duplicate = InsertOutcome::Duplicate(message_id(1));
    assert_eq!(outcomes, [STORED, STORED, duplicate, duplicate]);
    assert_eq!(waiting(store, user(2)).await, [1, 2].map(message_id));
}

/// It counts when the row arrived, not when the message was made; then both wait, and the newer is the one repeated.
pub async fn a_repetition_after_the_window_is_a_new_message<S: Store + ?Sized>(store: &S) {
    let copies = [1, 2, 3].map(|n| message_with_reference(n, user(1), user(2), "r"));
    keep(store, &copies[..1]).await;
    let later = apply(store, batch(WINDOW_MS + 1, &copies[1..2], &[])).await;
    assert_eq!(later, [STORED]);
    let mut wide = batch(WINDOW_MS + 2, &copies[2..], &[]);
    wide.dedupe_since_ms = 0;
    assert_eq!(
        apply(store, wide).await,
        [InsertOutcome::Duplicate(message_id(2))]
    );
    assert_eq!(waiting(store, user(2)).await, [1, 2].map(message_id));
}

/// The store knows what waits in it, and nothing else.
pub async fn a_repetition_of_a_deleted_message_is_a_new_one<S: Store + ?Sized>(store: &S) {
    keep(store, &[message_with_reference(1, user(1), user(2), "r")]).await;
    delete(store, &[message_id(1)]).await;
    keep(store, &[message_with_reference(2, user(1), user(2), "r")]).await;
    assert_eq!(waiting(store, user(2)).await, [message_id(2)]);
}

/// All three must be the same, to the letter.
pub async fn other_senders_recipients_and_references_are_no_repetitions<S: Store + ?Sized>(store: &S) {
    keep(store, &[message_with_reference(1, user(1), user(2), "r")]).await;
    let others = [
        message_with_reference(2, user(3), user(2), "r"),
        message_with_reference(3, user(1), user(4), "r"),
        message_with_reference(4, user(1), user(2), "R"),
        message_with_reference(5, user(1), user(2), "r "),
        message_with_reference(6, user(2), user(1), "r"),
        message(7, user(1), user(2)),
        message(8, user(1), user(2)),
    ];
    keep(store, &others).await;
    assert_eq!(waiting(store, user(2)).await.len(), 6);
}

/// [`Envelope::dedupe_reference`] decides, for what waits and for what comes.
pub async fn only_reliable_messages_are_repetitions<S: Store + ?Sized>(store: &S) {
    let of = |n, kind, feature| Envelope {
        kind,
        feature,
        ..message_with_reference(n, user(1), user(2), "r")
    };
    let all = [
        of(1, Kind::Message, Feature::Fast),
        of(2, Kind::Read, Feature::Reliable),
        of(3, Kind::GroupMessage, Feature::Reliable),
        of(4, Kind::Message, Feature::Reliable),
        of(5, Kind::Confirmation, Feature::Reliable),
        of(6, Kind::Message, Feature::Fast),
        of(7, Kind::Read, Feature::Reliable),
    ];
    keep(store, &all).await;
    assert_eq!(waiting(store, user(2)).await.len(), all.len());
    let again = apply(store, batch(0, &[of(8, Kind::Message, Feature::Reliable)], &[])).await;
    assert_eq!(again, [InsertOutcome::Duplicate(message_id(4))]);
}
