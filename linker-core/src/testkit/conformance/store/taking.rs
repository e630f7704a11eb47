//! Whose rows are: taking over what a node left, and letting go.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;

use super::{STORED, apply, batch, count, delete, everything, ids, insert, page, taken, waiting};
use crate::envelope::Envelope;
use crate::id::{MessageId, NodeInstance};
use crate::port::{BoxFuture, Page, PageFilter, PageRequest, Store, StoreBatch, TakeOver, WaitReason};
use crate::testkit::sample::{message, message_id, message_with_reference, node, user};

/// Messages of these numbers, which `owner` moves.
fn moved(owner: Option<NodeInstance>, numbers: impl IntoIterator<Item = u64>) -> StoreBatch {
    StoreBatch {
        inserts: numbers
            .into_iter()
            .map(|n| insert(&message(n, user(1), user(n % 3)), WaitReason::Fault))
            .collect(),
        node: owner,
        ..batch(0, &[], &[])
    }
}

fn let_go(numbers: &[u64]) -> StoreBatch {
    StoreBatch {
        absent: numbers.iter().copied().map(message_id).collect(),
        ..batch(0, &[], &[])
    }
}

/// All that can be taken over, for node `taker`.
pub(super) fn all_for(taker: u64, spared: &[u64]) -> TakeOver {
    TakeOver {
        node: Some(node(taker)),
        spared: spared.iter().copied().map(node).collect(),
        home: None,
        after_seq: 0,
        max_rows: 10_000,
        max_bytes: usize::MAX,
    }
}

pub(super) async fn take<S: Store + ?Sized>(store: &S, request: TakeOver) -> Page {
    taken(store.take_over(request).await)
}

/// Everything at once, and the ids of it.
pub(super) async fn take_all<S: Store + ?Sized>(store: &S, request: TakeOver) -> Vec<MessageId> {
    let page = take(store, request).await;
    assert!(page.exhausted, "nothing was left out");
    ids(&page)
}

/// Oldest first, over all users, as they were inserted; and they are the taker's from then on.
pub async fn what_a_node_left_is_taken_over<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), [1, 2])).await;
    apply(store, moved(Some(node(2)), [3])).await;
    apply(store, moved(Some(node(3)), [4, 5])).await;
    apply(store, moved(Some(node(1)), [6])).await;
    let page = take(store, all_for(2, &[2, 3])).await;
    assert_eq!(
        (ids(&page), page.exhausted),
        ([1, 2, 6].map(message_id).into(), true)
    );
    assert_eq!(*page.rows[1].envelope, message(2, user(1), user(2)));
    let seqs: Vec<u64> = page.rows.iter().map(|row| row.seq).collect();
    let of_user: Vec<u64> = self::page(store, everything(user(2)))
        .await
        .rows
        .iter()
        .map(|row| row.seq)
        .collect();
    assert!(seqs.contains(&of_user[0]), "the same sequence numbers");
    assert_eq!(take_all(store, all_for(2, &[2, 3])).await, []);
    assert_eq!(
        take_all(store, all_for(3, &[3])).await,
        [1, 2, 3, 6].map(message_id)
    );
    assert_eq!(
        waiting(store, user(0)).await,
        [3, 6].map(message_id),
        "they go on waiting"
    );
}

/// Who spares nobody gets its own too; what is nobody's nobody can spare; another incarnation is another node.
pub async fn only_the_spared_keep_their_own<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), [1])).await;
    apply(store, moved(None, [2])).await;
    assert_eq!(take_all(store, all_for(1, &[1])).await, [message_id(2)]);
    assert_eq!(take_all(store, all_for(1, &[])).await, [1, 2].map(message_id));
    let again = NodeInstance {
        incarnation: 99,
        ..node(1)
    };
    let restarted = TakeOver {
        node: Some(again.clone()),
        spared: vec![again],
        ..all_for(1, &[])
    };
    assert_eq!(take_all(store, restarted).await, [1, 2].map(message_id));
    let nobody = TakeOver {
        node: None,
        ..all_for(1, &[])
    };
    for _ in 0..2 {
        assert_eq!(take_all(store, nobody.clone()).await, [1, 2].map(message_id));
    }
}

/// Neither what waits to be fetched nor what waits for a session that is behind.
pub async fn only_what_was_being_moved_is_taken_over<S: Store + ?Sized>(store: &S) {
    let reasons = [WaitReason::Absent, WaitReason::Behind, WaitReason::Fault];
    let mut mixed = moved(Some(node(1)), []);
    mixed.inserts = (1..=9_u64)
        .map(|n| insert(&message(n, user(1), user(2)), reasons[n as usize % 3]))
        .collect();
    apply(store, mixed).await;
    assert_eq!(take_all(store, all_for(2, &[])).await, [2, 5, 8].map(message_id));
    delete(store, &[message_id(5)]).await;
    assert_eq!(take_all(store, all_for(2, &[])).await, [2, 8].map(message_id));
    assert_eq!(count(store, user(2), &[]).await, 8);
}

/// `after_seq`, rows and bytes, as of a page; what was left out is not the taker's.
pub async fn taking_over_is_bounded<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), 1..=7)).await;
    let some = |max_rows| TakeOver {
        max_rows,
        ..all_for(2, &[2])
    };
    let none = take(store, some(0)).await;
    assert_eq!((ids(&none), none.exhausted), (vec![], false));
    let first = take(store, some(2)).await;
    assert_eq!(
        (ids(&first), first.exhausted),
        ([1, 2].map(message_id).into(), false)
    );
    let one = TakeOver {
        max_bytes: 0,
        ..all_for(2, &[2])
    };
    let one = take(store, one).await;
    assert_eq!((ids(&one), one.exhausted), (vec![message_id(3)], false));
    // Also where its own come first, which it goes past.
    let later = TakeOver {
        home: None,
        after_seq: one.rows[0].seq,
        max_rows: 3,
        ..all_for(2, &[])
    };
    let later = take(store, later).await;
    assert_eq!(
        (ids(&later), later.exhausted),
        ([4, 5, 6].map(message_id).into(), false)
    );
    assert_eq!(take_all(store, all_for(3, &[2])).await, [message_id(7)]);
    let beyond = TakeOver {
        home: None,
        after_seq: u64::MAX,
        ..all_for(3, &[])
    };
    assert_eq!(take_all(store, beyond).await, []);
}

/// Whoever asks, for whichever node; and nothing is forgotten between them.
pub async fn each_row_is_taken_over_by_one<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(100)), 0..400)).await;
    all_take_each_once(store, 400, all_for).await;
}

/// Many nodes ask for what there is, at one time, until it is told.
pub(super) async fn all_take_each_once<S: Store + ?Sized>(
    store: &S,
    rows: usize,
    request: impl Fn(u64, &[u64]) -> TakeOver,
) {
    let living: Vec<u64> = (1..=6).collect();
    let mut told = Vec::new();
    while told.len() < rows {
        let asked = living
            .iter()
            .map(|taker| {
                store.take_over(TakeOver {
                    max_rows: 17,
                    ..request(*taker, &living)
                })
            })
            .collect();
        let before = told.len();
        for page in all(asked).await {
            told.extend(ids(&taken(page)));
        }
        assert!(told.len() > before, "rows are left, and somebody gets some");
    }
    let different: BTreeSet<MessageId> = told.iter().copied().collect();
    assert_eq!((told.len(), different.len()), (rows, rows));
    assert_eq!(take_all(store, request(1, &living)).await, []);
}

pub(super) async fn all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(answer) = future.as_mut().poll(context)
            {
                *done = Some(answer);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// It waits on, in its place, for whoever fetches; twice the same and unknown ids change nothing.
pub async fn rows_let_go_are_nobodys<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), 1..=6)).await;
    let mut behind = batch(0, &[], &[]);
    behind.inserts = vec![insert(&message(7, user(1), user(1)), WaitReason::Behind)];
    apply(store, behind).await;
    for _ in 0..2 {
        assert_eq!(apply(store, let_go(&[1, 3, 4, 7, 99, 3])).await, []);
    }
    assert_eq!(take_all(store, all_for(2, &[])).await, [2, 5, 6].map(message_id));
    assert_eq!(apply(store, let_go(&[5])).await, [], "another node's");
    assert_eq!(take_all(store, all_for(2, &[])).await, [2, 6].map(message_id));
    assert_eq!(waiting(store, user(1)).await, [1, 4, 7].map(message_id));
    let fed = PageRequest {
        filter: PageFilter::Behind,
        ..everything(user(1))
    };
    assert_eq!(ids(&page(store, fed).await), []);
}

/// Inserts, then letting go, then deletes: in one batch, and again after a lost answer.
pub async fn letting_go_comes_with_the_rest_of_its_batch<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), [1, 2, 3])).await;
    let both = StoreBatch {
        absent: [1, 2].map(message_id).into(),
        deletes: [2, 11].map(message_id).into(),
        ..moved(Some(node(2)), [10, 11])
    };
    for _ in 0..2 {
        assert_eq!(apply(store, both.clone()).await, [STORED, STORED]);
        assert_eq!(count(store, user(2), &[]).await, 0);
        assert_eq!(waiting(store, user(1)).await, [1, 10].map(message_id));
    }
    assert_eq!(take_all(store, all_for(1, &[1])).await, [message_id(10)]);
    delete(store, &[message_id(1)]).await;
    assert_eq!(waiting(store, user(1)).await, [message_id(10)]);
}

/// Found by sessions that are behind, taken over by nobody, and let go as any other.
pub async fn rows_left_to_those_behind_are_theirs<S: Store + ?Sized>(store: &S) {
    apply(store, moved(Some(node(1)), [1, 4, 7])).await;
    let left = StoreBatch {
        behind: [4, 7, 99].map(message_id).into(),
        deletes: vec![message_id(7)],
        ..batch(0, &[], &[])
    };
    for _ in 0..2 {
        assert_eq!(apply(store, left.clone()).await, []);
        let fed = PageRequest {
            filter: PageFilter::Behind,
            ..everything(user(1))
        };
        assert_eq!(ids(&page(store, fed).await), [message_id(4)]);
    }
    assert_eq!(take_all(store, all_for(2, &[])).await, [message_id(1)]);
    apply(store, let_go(&[4])).await;
    assert_eq!(waiting(store, user(1)).await, [1, 4].map(message_id));
}

/// In pages of a user, and in those that are taken over.
pub async fn pages_tell_why_a_row_waits<S: Store + ?Sized>(store: &S) {
    let reasons = [WaitReason::Fault, WaitReason::Absent, WaitReason::Behind];
    let inserts = (1..).zip(reasons);
    let inserts = inserts.map(|(n, reason)| insert(&message(n, user(1), user(2)), reason));
    let of = StoreBatch {
        inserts: inserts.collect(),
        ..moved(Some(node(1)), [])
    };
    apply(store, of).await;
    let told = |page: &Page| page.rows.iter().map(|row| row.reason).collect::<Vec<_>>();
    assert_eq!(told(&page(store, everything(user(2))).await), reasons);
    let left = take(store, all_for(2, &[])).await;
    assert_eq!(told(&left), [WaitReason::Fault]);
}

/// Neither does it become another's, nor does it begin to wait for something else.
pub async fn inserting_again_leaves_a_row_whose_it_is<S: Store + ?Sized>(store: &S) {
    let envelope = message_with_reference(1, user(1), user(2), "r");
    let of = |owner, envelope: &Envelope, reason| StoreBatch {
        inserts: vec![insert(envelope, reason)],
        ..moved(Some(node(owner)), [])
    };
    apply(store, of(1, &envelope, WaitReason::Fault)).await;
    assert_eq!(apply(store, of(2, &envelope, WaitReason::Fault)).await, [STORED]);
    assert_eq!(apply(store, of(2, &envelope, WaitReason::Absent)).await, [STORED]);
    let repetition = message_with_reference(2, user(1), user(2), "r");
    apply(store, of(2, &repetition, WaitReason::Fault)).await;
    assert_eq!(take_all(store, all_for(3, &[1, 3])).await, []);
    assert_eq!(take_all(store, all_for(3, &[2, 3])).await, [message_id(1)]);
}
