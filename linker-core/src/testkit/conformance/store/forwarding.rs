//! What waits to be handed over to other domains: whose it is, for which domain, and how much.

use super::taking::{all_for, all_take_each_once, take, take_all};
use super::{STORED, apply, batch, count, delete, everything, ids, insert, page, taken, waiting};
use crate::envelope::{Envelope, Kind, Trail};
use crate::id::{DomainName, MessageId, NodeInstance};
use crate::port::{Insert, InsertOutcome, PageFilter, PageRequest, Store, StoreBatch, TakeOver, WaitReason};
use crate::testkit::sample::{
    EPOCH_MS, KINDS, message, message_id, message_with_reference, node, of_kind, user,
};

/// Domain number `n`.
pub(super) fn domain(n: u64) -> DomainName {
    format!("domain-{n:02}").parse().expect("a domain name")
}

/// To be handed over to domain `home`.
fn forward(n: u64, home: u64) -> Insert {
    Insert {
        home: Some(domain(home)),
        ..insert(&message(n, user(1), user(n % 3)), WaitReason::Forward)
    }
}

/// Messages of these numbers, which `owner` hands over to domain `home`.
pub(super) fn forwarded(
    owner: Option<NodeInstance>,
    home: u64,
    numbers: impl IntoIterator<Item = u64>,
) -> StoreBatch {
    StoreBatch {
        inserts: numbers.into_iter().map(|n| forward(n, home)).collect(),
        node: owner,
        ..batch(0, &[], &[])
    }
}

/// All that can be taken over for domain `home`, for node `taker`.
pub(super) fn all_to(home: u64, taker: u64, spared: &[u64]) -> TakeOver {
    TakeOver {
        home: Some(domain(home)),
        ..all_for(taker, spared)
    }
}

async fn backlog<S: Store + ?Sized>(store: &S, spared: &[u64]) -> Vec<(DomainName, u64)> {
    let spared = spared.iter().copied().map(node).collect();
    let mut told = taken(store.backlog(spared).await);
    told.retain(|(_, rows)| *rows > 0);
    told.sort_unstable();
    told
}

/// Oldest first, over all users, of this domain only; and they are the taker's from then on.
pub async fn what_waits_for_a_domain_is_taken_over_for_it<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, [1, 2])).await;
    apply(store, forwarded(Some(node(1)), 2, [3])).await;
    apply(store, forwarded(Some(node(2)), 1, [4])).await;
    apply(store, forwarded(Some(node(3)), 1, [5])).await;
    apply(store, forwarded(Some(node(1)), 1, [6])).await;
    let page = take(store, all_to(1, 2, &[2, 3])).await;
    assert_eq!(
        (ids(&page), page.exhausted),
        ([1, 2, 6].map(message_id).into(), true)
    );
    assert_eq!(*page.rows[1].envelope, message(2, user(1), user(2)));
    assert!(page.rows.is_sorted_by_key(|row| row.seq));
    assert!(page.rows.iter().all(|row| row.reason == WaitReason::Forward));
    assert_eq!(take_all(store, all_to(1, 2, &[2, 3])).await, []);
    assert_eq!(
        take_all(store, all_to(1, 3, &[3])).await,
        [1, 2, 4, 6].map(message_id)
    );
    assert_eq!(take_all(store, all_to(2, 3, &[3])).await, [message_id(3)]);
    assert_eq!(take_all(store, all_to(9, 3, &[])).await, []);
    assert_eq!(
        waiting(store, user(0)).await,
        [3, 6].map(message_id),
        "they go on waiting"
    );
}

/// A node that hands over asks for its own again and again; what is nobody's nobody can spare.
pub async fn a_node_that_does_not_spare_itself_is_told_its_own_again<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, [1])).await;
    apply(store, forwarded(None, 1, [2])).await;
    apply(store, forwarded(Some(node(1)), 1, [3])).await;
    apply(store, forwarded(Some(node(2)), 1, [4])).await;
    for _ in 0..3 {
        assert_eq!(
            take_all(store, all_to(1, 1, &[2])).await,
            [1, 2, 3].map(message_id)
        );
    }
    assert_eq!(take_all(store, all_to(1, 1, &[1, 2])).await, []);
    let nobody = TakeOver {
        node: None,
        ..all_to(1, 1, &[2])
    };
    for _ in 0..2 {
        assert_eq!(take_all(store, nobody.clone()).await, [1, 2, 3].map(message_id));
    }
    assert_eq!(
        take_all(store, all_to(1, 3, &[1, 2, 3])).await,
        [1, 2, 3].map(message_id)
    );
}

/// Each reason is asked for by itself; a home without it is none.
pub async fn what_is_handed_over_is_apart_from_what_is_moved<S: Store + ?Sized>(store: &S) {
    let reasons = [
        WaitReason::Absent,
        WaitReason::Behind,
        WaitReason::Fault,
        WaitReason::Forward,
    ];
    let mut mixed = forwarded(Some(node(1)), 1, 1..=8);
    for (insert, n) in mixed.inserts.iter_mut().zip(1..) {
        insert.reason = reasons[n % 4];
    }
    apply(store, mixed).await;
    assert_eq!(take_all(store, all_to(1, 2, &[])).await, [3, 7].map(message_id));
    assert_eq!(take_all(store, all_for(2, &[])).await, [2, 6].map(message_id));
    assert_eq!(backlog(store, &[]).await, [(domain(1), 2)]);
    delete(store, &[message_id(3)]).await;
    assert_eq!(take_all(store, all_to(1, 2, &[])).await, [message_id(7)]);
}

/// `after_seq`, rows and bytes, as of a page; what was left out is not the taker's.
pub async fn taking_over_for_a_domain_is_bounded<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 2, [100, 101])).await;
    apply(store, forwarded(Some(node(1)), 1, 1..=7)).await;
    let some = |max_rows| TakeOver {
        max_rows,
        ..all_to(1, 2, &[2])
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
        ..all_to(1, 2, &[2])
    };
    let one = take(store, one).await;
    assert_eq!((ids(&one), one.exhausted), (vec![message_id(3)], false));
    let later = TakeOver {
        after_seq: first.rows[1].seq,
        max_rows: 3,
        ..all_to(1, 2, &[])
    };
    let later = take(store, later).await;
    assert_eq!(
        (ids(&later), later.exhausted),
        ([3, 4, 5].map(message_id).into(), false)
    );
    assert_eq!(take_all(store, all_to(1, 3, &[2])).await, [6, 7].map(message_id));
    let beyond = TakeOver {
        after_seq: u64::MAX,
        ..all_to(1, 3, &[])
    };
    assert_eq!(take_all(store, beyond).await, []);
}

/// Whoever asks, for whichever node; and nothing is forgotten between them.
pub async fn each_row_is_handed_over_by_one<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(100)), 1, 0..400)).await;
    all_take_each_once(store, 400, |taker, spared| all_to(1, taker, spared)).await;
}

/// As a node does that hands over: page by page, deleting what it has handed over, and now and then from the beginning.
pub async fn a_backlog_is_drained_page_by_page<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 2, 1000..1010)).await;
    for from in [0, 100, 200] {
        apply(store, forwarded(Some(node(from / 100)), 1, from..from + 100)).await;
    }
    let (mut drained, mut after_seq, mut rounds) = (Vec::new(), 0, 0);
    while drained.len() < 300 {
        rounds += 1;
        let page = take(
            store,
            TakeOver {
                after_seq: if rounds % 4 == 0 { 0 } else { after_seq },
                max_rows: 32,
                ..all_to(1, 1, &[])
            },
        )
        .await;
        assert!(!page.rows.is_empty());
        after_seq = page.rows.last().map_or(0, |row| row.seq);
        delete(store, &ids(&page)).await;
        drained.extend(ids(&page));
        let left = 300 - drained.len() as u64;
        let mut expected = vec![(domain(1), left), (domain(2), 10)];
        expected.retain(|(_, rows)| *rows > 0);
        assert_eq!(backlog(store, &[]).await, expected);
    }
    let all: Vec<MessageId> = (0..300).map(message_id).collect();
    assert_eq!(drained, all);
}

/// It is nobody's then, and goes to no domain.
pub async fn rows_let_go_are_not_handed_over<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, 1..=6)).await;
    let let_go = StoreBatch {
        absent: [1, 2].map(message_id).into(),
        behind: [4, 5].map(message_id).into(),
        ..batch(0, &[], &[])
    };
    for _ in 0..2 {
        assert_eq!(apply(store, let_go.clone()).await, []);
    }
    assert_eq!(backlog(store, &[]).await, [(domain(1), 2)]);
    assert_eq!(take_all(store, all_to(1, 2, &[])).await, [3, 6].map(message_id));
    assert_eq!(take_all(store, all_for(2, &[])).await, []);
    assert_eq!(waiting(store, user(1)).await, [1, 4].map(message_id));
    let fed = PageRequest {
        filter: PageFilter::Behind,
        ..everything(user(1))
    };
    assert_eq!(ids(&page(store, fed).await), [message_id(4)]);
}

/// As the own of whoever redirects them; what waits for anything else stays.
pub async fn redirected_rows_are_handed_over_elsewhere_in_their_order<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, 1..=6)).await;
    let here = insert(&message(7, user(1), user(1)), WaitReason::Absent);
    let elsewhere = |n: u64, home| (message_id(n), domain(home));
    let redirected = StoreBatch {
        inserts: vec![here],
        redirected: vec![
            elsewhere(4, 2),
            elsewhere(2, 2),
            elsewhere(5, 3),
            elsewhere(99, 2),
        ],
        deletes: vec![message_id(6)],
        node: Some(node(2)),
        ..batch(0, &[], &[])
    };
    for _ in 0..2 {
        assert_eq!(apply(store, redirected.clone()).await, [STORED]);
    }
    let late = StoreBatch {
        redirected: vec![elsewhere(7, 2), elsewhere(6, 2)],
        node: Some(node(2)),
        ..batch(0, &[], &[])
    };
    assert_eq!(apply(store, late).await, []);
    let expected = [(domain(1), 2), (domain(2), 2), (domain(3), 1)];
    assert_eq!(backlog(store, &[]).await, expected);
    assert_eq!(backlog(store, &[2]).await, [(domain(1), 2)], "they are its own");
    assert_eq!(take_all(store, all_to(3, 2, &[2])).await, [], "and spared");
    assert_eq!(take_all(store, all_to(2, 2, &[])).await, [2, 4].map(message_id));
    assert_eq!(take_all(store, all_to(1, 1, &[2])).await, [1, 3].map(message_id));
    assert!(waiting(store, user(1)).await.contains(&message_id(7)));
}

/// A user who has moved here is told them, and why they wait.
pub async fn what_is_handed_over_is_in_the_pages_of_its_recipient<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, [1, 4])).await;
    let here = insert(&message(7, user(1), user(1)), WaitReason::Absent);
    let of = StoreBatch {
        inserts: vec![here, forward(10, 2)],
        ..batch(0, &[], &[])
    };
    apply(store, of).await;
    let page = page(store, everything(user(1))).await;
    assert_eq!(ids(&page), [1, 4, 7, 10].map(message_id));
    let reasons: Vec<WaitReason> = page.rows.iter().map(|row| row.reason).collect();
    let (forward, absent) = (WaitReason::Forward, WaitReason::Absent);
    assert_eq!(reasons, [forward, forward, absent, forward]);
    assert_eq!(count(store, user(1), &[]).await, 4);
    assert_eq!(count(store, user(1), &[message_id(4)]).await, 3);
    let fed = PageRequest {
        filter: PageFilter::Behind,
        ..everything(user(1))
    };
    assert_eq!(ids(&self::page(store, fed).await), []);
}

/// As for all that waits: repetitions, full inboxes, one event a sender.
pub async fn what_is_handed_over_is_counted_and_recognised<S: Store + ?Sized>(store: &S) {
    let to_home = |envelope: &Envelope| Insert {
        home: Some(domain(1)),
        ..insert(envelope, WaitReason::Forward)
    };
    let bounded = |envelopes: &[Envelope]| StoreBatch {
        inserts: envelopes.iter().map(to_home).collect(),
        node: Some(node(1)),
        max_per_user: 2,
        ..batch(0, &[], &[])
    };
    let first = message_with_reference(1, user(1), user(2), "r");
    let again = message_with_reference(2, user(1), user(2), "r");
    let both = apply(store, bounded(&[first, again])).await;
    assert_eq!(both, [STORED, InsertOutcome::Duplicate(message_id(1))]);
    let more = [3, 4].map(|n| message(n, user(1), user(2)));
    let more = apply(store, bounded(&more)).await;
    assert_eq!(more, [STORED, InsertOutcome::InboxFull]);
    let events = [10, 11].map(|n| of_kind(KINDS[4], n, user(1), user(2)));
    assert_eq!(apply(store, bounded(&events)).await, [STORED, STORED]);
    assert_eq!(
        take_all(store, all_to(1, 2, &[])).await,
        [1, 3, 11].map(message_id)
    );
    let expired = taken(store.expire(EPOCH_MS + 1, 2).await);
    let expired: Vec<MessageId> = expired.iter().map(|envelope| envelope.id).collect();
    assert_eq!(expired, [1, 3].map(message_id));
    assert_eq!(take_all(store, all_to(1, 2, &[])).await, [message_id(11)]);
    assert_eq!(backlog(store, &[]).await, [(domain(1), 1)]);
}

/// Neither does it become another's, nor does it go elsewhere.
pub async fn inserting_again_leaves_a_row_where_it_goes<S: Store + ?Sized>(store: &S) {
    apply(store, forwarded(Some(node(1)), 1, [1])).await;
    assert_eq!(apply(store, forwarded(Some(node(2)), 2, [1])).await, [STORED]);
    assert_eq!(take_all(store, all_to(2, 3, &[])).await, []);
    assert_eq!(take_all(store, all_to(1, 3, &[1, 3])).await, []);
    assert_eq!(take_all(store, all_to(1, 3, &[2, 3])).await, [message_id(1)]);
}

/// Message `n` to user 2 after `hops` domains.
fn after(hops: usize, n: u64) -> Envelope {
    let path = (10..).take(hops).map(domain).collect();
    Envelope {
        trail: Some(Box::new(Trail { path, after: None })),
        ..message(n, user(1), user(2))
    }
}

/// On its way to domain 1 by `owner`.
fn on_its_way(owner: u64, envelope: &Envelope) -> StoreBatch {
    StoreBatch {
        inserts: vec![Insert {
            home: Some(domain(1)),
            ..insert(envelope, WaitReason::Forward)
        }],
        node: Some(node(owner)),
        ..batch(0, &[], &[])
    }
}

/// What another domain has taken after so many hops.
fn sent_on(n: u64, hops: u8) -> StoreBatch {
    StoreBatch {
        forwarded: vec![(message_id(n), hops)],
        ..batch(0, &[], &[])
    }
}

/// By whichever node it has come back, and whichever of the two is first.
pub async fn what_has_come_back_is_not_removed_for_having_been_sent_on<S: Store + ?Sized>(store: &S) {
    let (out, back) = (after(0, 1), after(2, 1));
    apply(store, on_its_way(1, &out)).await;
    assert_eq!(apply(store, on_its_way(2, &back)).await, [STORED]);
    apply(store, sent_on(1, 0)).await;
    assert_eq!(*take(store, all_to(1, 2, &[1])).await.rows[0].envelope, back);
    // The former word again, after a lost answer; and a row of it that was written late.
    apply(store, sent_on(1, 1)).await;
    assert_eq!(apply(store, on_its_way(1, &out)).await, [STORED]);
    apply(store, sent_on(1, 0)).await;
    assert_eq!(*take(store, all_to(1, 3, &[1])).await.rows[0].envelope, back);
    apply(store, sent_on(1, 2)).await;
    assert_eq!(waiting(store, user(2)).await, []);
    assert_eq!(count(store, user(2), &[]).await, 0);
    apply(store, on_its_way(1, &after(1, 1))).await;
    delete(store, &[message_id(1)]).await;
    assert_eq!(
        waiting(store, user(2)).await,
        [],
        "a proof removes it however far it has come"
    );
}

/// Also where one batch has both, and where neither was there before.
pub async fn what_has_come_back_is_not_removed_in_the_same_batch_either<S: Store + ?Sized>(store: &S) {
    apply(store, on_its_way(1, &after(0, 1))).await;
    let mut both = on_its_way(1, &after(2, 1));
    both.forwarded.push((message_id(1), 0));
    assert_eq!(apply(store, both).await, [STORED]);
    assert_eq!(waiting(store, user(2)).await, [message_id(1)]);
    let mut one = on_its_way(1, &after(0, 2));
    one.inserts.extend(on_its_way(1, &after(3, 2)).inserts);
    one.inserts.extend(on_its_way(1, &after(1, 2)).inserts);
    one.forwarded.push((message_id(2), 2));
    assert_eq!(apply(store, one).await, [STORED, STORED, STORED]);
    assert_eq!(waiting(store, user(2)).await, [1, 2].map(message_id));
    let mut gone = on_its_way(1, &after(1, 3));
    gone.forwarded
        .extend([(message_id(3), 1), (message_id(2), 3), (message_id(9), 0)]);
    assert_eq!(apply(store, gone).await, [STORED]);
    assert_eq!(waiting(store, user(2)).await, [message_id(1)]);
    assert_eq!(count(store, user(2), &[]).await, 1);
}

/// It is the other node's, goes where that one says, keeps its place in the order, and takes no room of its own.
pub async fn what_has_come_back_takes_the_place_of_what_was_sent_on<S: Store + ?Sized>(store: &S) {
    apply(store, on_its_way(1, &after(0, 1))).await;
    apply(store, on_its_way(1, &after(0, 2))).await;
    let mut back = on_its_way(2, &after(2, 1));
    back.inserts[0].home = Some(domain(3));
    back.max_per_user = 2;
    assert_eq!(apply(store, back).await, [STORED]);
    assert_eq!(waiting(store, user(2)).await, [1, 2].map(message_id));
    assert_eq!(take_all(store, all_to(1, 4, &[2])).await, [message_id(2)]);
    assert_eq!(take_all(store, all_to(3, 4, &[2])).await, []);
    assert_eq!(backlog(store, &[2]).await, [(domain(1), 1)]);
    assert_eq!(take_all(store, all_to(3, 4, &[])).await, [message_id(1)]);
    let mut home = on_its_way(3, &after(4, 1));
    home.inserts[0] = insert(&after(4, 1), WaitReason::Fault);
    apply(store, home).await;
    assert_eq!(take_all(store, all_to(3, 5, &[])).await, []);
    assert_eq!(take_all(store, all_for(5, &[3])).await, []);
    assert_eq!(take_all(store, all_for(5, &[])).await, [message_id(1)]);
}

/// Its recipient lives here: it stays where it is found.
pub async fn what_comes_a_longer_way_leaves_a_row_that_waits_for_its_recipient<S: Store + ?Sized>(store: &S) {
    let of = |owner, hops, reason| StoreBatch {
        inserts: vec![insert(&after(hops, 1), reason)],
        ..on_its_way(owner, &after(hops, 1))
    };
    for reason in [WaitReason::Absent, WaitReason::Behind, WaitReason::Fault] {
        apply(store, of(1, 1, reason)).await;
        assert_eq!(apply(store, of(2, 3, WaitReason::Fault)).await, [STORED]);
        let told = page(store, everything(user(2))).await;
        assert_eq!(told.rows[0].reason, reason);
        apply(store, sent_on(1, 2)).await;
        assert_eq!(count(store, user(2), &[]).await, 1);
        delete(store, &[message_id(1)]).await;
    }
}

/// As if the inserts of a batch came one by one.
pub async fn an_event_that_has_come_back_gives_way_to_a_newer_one<S: Store + ?Sized>(store: &S) {
    let event = |n, hops| Envelope {
        trail: after(hops, n).trail,
        ..of_kind(Kind::UserConnected, n, user(1), user(2))
    };
    let batch_of = |events: &[(u64, usize)]| StoreBatch {
        inserts: events
            .iter()
            .flat_map(|(n, hops)| on_its_way(1, &event(*n, *hops)).inserts)
            .collect(),
        node: Some(node(1)),
        ..batch(0, &[], &[])
    };
    apply(store, batch_of(&[(1, 1)])).await;
    assert_eq!(apply(store, batch_of(&[(1, 3), (2, 0)])).await, [STORED, STORED]);
    assert_eq!(waiting(store, user(2)).await, [message_id(2)]);
    let again = batch_of(&[(2, 2), (3, 0), (2, 3)]);
    assert_eq!(apply(store, again).await, [STORED, STORED, STORED]);
    let left = page(store, everything(user(2))).await;
    assert_eq!(ids(&left), [message_id(2)]);
    assert_eq!(*left.rows[0].envelope, event(2, 3));
    let mut gone = batch_of(&[(2, 4), (4, 0)]);
    gone.deletes = vec![message_id(4)];
    assert_eq!(apply(store, gone).await, [STORED, STORED]);
    assert_eq!(waiting(store, user(2)).await, []);
}

/// By domain, without those of the spared; what is nobody's nobody can spare.
pub async fn the_backlog_is_told_by_domain<S: Store + ?Sized>(store: &S) {
    assert_eq!(backlog(store, &[]).await, []);
    apply(store, forwarded(Some(node(1)), 1, 1..=5)).await;
    apply(store, forwarded(Some(node(2)), 1, 6..=8)).await;
    apply(store, forwarded(Some(node(2)), 2, 9..=10)).await;
    apply(store, forwarded(None, 3, [11])).await;
    let (one, two, three) = (domain(1), domain(2), domain(3));
    assert_eq!(
        backlog(store, &[]).await,
        [(one.clone(), 8), (two, 2), (three.clone(), 1)]
    );
    assert_eq!(backlog(store, &[2]).await, [(one.clone(), 5), (three.clone(), 1)]);
    assert_eq!(backlog(store, &[1, 2]).await, [(three.clone(), 1)]);
    take_all(store, all_to(1, 3, &[2])).await;
    assert_eq!(backlog(store, &[3, 2]).await, [(three.clone(), 1)]);
    assert_eq!(backlog(store, &[1, 2]).await, [(one, 5), (three, 1)]);
}
