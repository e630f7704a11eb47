//! Users whose home has moved: who there is, and what becomes of what waits for them.

use super::forwarding::{all_to, domain, forwarded};
use super::taking::{all_for, take, take_all};
use super::{apply, batch, count, delete, everything, insert, keep, page, taken, waiting};
use crate::id::{AppName, UserId};
use crate::port::{Store, StoreBatch, WaitReason};
use crate::testkit::sample::{message, message_id, node, user};

async fn recipients<S: Store + ?Sized>(store: &S, after: Option<UserId>, max: u32) -> Vec<UserId> {
    taken(store.recipients(after, max).await)
}

async fn rehome<S: Store + ?Sized>(store: &S, users: &[(u64, Option<u64>)]) {
    let users = users
        .iter()
        .map(|(number, home)| (user(*number), home.map(domain)))
        .collect();
    taken(store.rehome(users).await);
}

async fn reasons<S: Store + ?Sized>(store: &S, number: u64) -> Vec<WaitReason> {
    let page = page(store, everything(user(number))).await;
    page.rows.iter().map(|row| row.reason).collect()
}

/// Rows of every reason for `number`, from message `first` on: absent, behind, fault, forward to domain 1, forward to domain 2.
async fn mixed<S: Store + ?Sized>(store: &S, number: u64, first: u64) {
    let mut mixed = forwarded(Some(node(1)), 1, first..first + 5);
    let reasons = [WaitReason::Absent, WaitReason::Behind, WaitReason::Fault];
    for (n, row) in (first..).zip(&mut mixed.inserts) {
        let envelope = message(n, user(1), user(number));
        match reasons.get((n - first) as usize) {
            Some(reason) => *row = insert(&envelope, *reason),
            None => row.envelope = envelope.into(),
        }
    }
    mixed.inserts[4].home = Some(domain(2));
    apply(store, mixed).await;
}

/// Not of the numbers, and each user once, whatever waits.
pub async fn recipients_come_in_the_order_of_their_texts<S: Store + ?Sized>(store: &S) {
    assert_eq!(recipients(store, None, 10).await, []);
    let of_app = |app: &str, number| {
        let app: AppName = app.parse().expect("an app name");
        UserId::new(app, number).expect("a user number")
    };
    let ordered = [
        of_app("ANZ", 1),
        of_app("ANZ", 10),
        of_app("ANZ", 100),
        of_app("ANZ", 2),
        of_app("ANZA", 1),
        of_app("ANZ_1", 1),
        of_app("a", 7),
    ];
    for (n, to) in (0..).zip(ordered.iter().rev()) {
        keep(store, &[0, 1].map(|more| message(n * 2 + more, user(3), *to))).await;
    }
    assert_eq!(recipients(store, None, 100).await, ordered);
    assert_eq!(recipients(store, None, 7).await, ordered);
    assert_eq!(recipients(store, None, 3).await, ordered[..3]);
    assert_eq!(recipients(store, None, 0).await, []);
    for (n, user) in ordered.iter().enumerate() {
        let next = &ordered[n + 1..ordered.len().min(n + 3)];
        assert_eq!(recipients(store, Some(*user), 2).await, next);
    }
    assert_eq!(
        recipients(store, Some(user(11)), 1).await,
        ordered[3..4],
        "behind somebody for whom nothing waits"
    );
}

/// For whom nothing waits any more is none.
pub async fn recipients_are_those_for_whom_something_waits<S: Store + ?Sized>(store: &S) {
    keep(store, &[1, 2].map(|n| message(n, user(9), user(n)))).await;
    apply(store, forwarded(Some(node(1)), 1, [6, 7])).await;
    assert_eq!(recipients(store, None, 10).await, [0, 1, 2].map(user));
    delete(store, &[2, 7].map(message_id)).await;
    assert_eq!(recipients(store, None, 10).await, [0, 1].map(user));
    taken(store.expire(u64::MAX >> 1, 10).await);
    assert_eq!(recipients(store, None, 10).await, []);
    keep(store, &[message(8, user(9), user(2))]).await;
    assert_eq!(recipients(store, None, 10).await, [user(2)]);
}

/// All of it, whatever it waited for, in its order and as nobody's; what goes there already is left to its node.
pub async fn what_waits_for_one_who_moved_away_is_handed_over<S: Store + ?Sized>(store: &S) {
    mixed(store, 5, 10).await;
    mixed(store, 6, 20).await;
    rehome(store, &[(5, Some(1)), (77, Some(1))]).await;
    assert_eq!(reasons(store, 5).await, [WaitReason::Forward; 5]);
    assert_eq!(
        take_all(store, all_to(1, 1, &[1])).await,
        [10, 11, 12, 14].map(message_id),
        "of the row that went there before, node 1 is still the owner"
    );
    assert_eq!(
        take_all(store, all_to(1, 2, &[])).await,
        [10, 11, 12, 13, 14, 23].map(message_id)
    );
    assert_eq!(take_all(store, all_to(2, 2, &[])).await, [message_id(24)]);
    assert_eq!(take_all(store, all_for(2, &[])).await, [message_id(22)]);
    assert_eq!(
        waiting(store, user(5)).await,
        [10, 11, 12, 13, 14].map(message_id)
    );
    // Again, all of it is where it goes, and whose it is.
    rehome(store, &[(5, Some(1))]).await;
    assert_eq!(take_all(store, all_to(1, 3, &[2])).await, []);
    rehome(store, &[(5, Some(2))]).await;
    assert_eq!(take_all(store, all_to(1, 3, &[])).await, [message_id(23)]);
    assert_eq!(
        take_all(store, all_to(2, 3, &[1, 2])).await,
        [10, 11, 12, 13, 14].map(message_id)
    );
}

/// What was to be handed over is moved here from then on, by whoever takes it over; the rest is as it was.
pub async fn what_waits_for_one_who_moved_here_is_moved<S: Store + ?Sized>(store: &S) {
    mixed(store, 5, 10).await;
    mixed(store, 6, 20).await;
    rehome(store, &[(5, None), (77, None)]).await;
    let (absent, behind, fault) = (WaitReason::Absent, WaitReason::Behind, WaitReason::Fault);
    assert_eq!(reasons(store, 5).await, [absent, behind, fault, fault, fault]);
    assert_eq!(
        take_all(store, all_for(2, &[1, 2])).await,
        [13, 14].map(message_id)
    );
    assert_eq!(take_all(store, all_for(2, &[2])).await, [12, 22].map(message_id));
    assert_eq!(take_all(store, all_to(1, 2, &[])).await, [message_id(23)]);
    assert_eq!(take_all(store, all_to(2, 2, &[])).await, [message_id(24)]);
}

/// Many at once, to different places, and with more rows than anybody moves in one go.
pub async fn many_users_move_at_once<S: Store + ?Sized>(store: &S) {
    const ROWS: u64 = 6000;
    let to = |n: u64| match n {
        0..ROWS => user(1000),
        n => user(n % 700),
    };
    let all: Vec<u64> = (0..ROWS + 1400).collect();
    for some in all.chunks(1000) {
        let inserts = some
            .iter()
            .map(|n| insert(&message(*n, user(9), to(*n)), WaitReason::Absent));
        let some = StoreBatch {
            inserts: inserts.collect(),
            ..batch(0, &[], &[])
        };
        apply(store, some).await;
    }
    let homes: Vec<(u64, Option<u64>)> = (0..700)
        .chain([1000])
        .map(|number| (number, (number % 7 > 0).then_some(number % 7)))
        .collect();
    rehome(store, &homes).await;
    let mut moved = 0;
    for home in 1..7 {
        let page = take(store, all_to(home, 1, &[])).await;
        assert!(page.exhausted);
        assert!(page.rows.is_sorted_by_key(|row| row.seq));
        assert!(page.rows.iter().all(|row| row.envelope.to.number() % 7 == home));
        moved += page.rows.len() as u64;
    }
    assert_eq!(moved, ROWS + 1200);
    assert_eq!(count(store, user(1000), &[]).await, ROWS);
    assert_eq!(reasons(store, 7).await, [WaitReason::Absent; 2]);
    // And back.
    let back: Vec<(u64, Option<u64>)> = homes.iter().map(|(number, _)| (*number, None)).collect();
    rehome(store, &back).await;
    for home in 1..7 {
        assert_eq!(take_all(store, all_to(home, 1, &[])).await, []);
    }
    let page = take(store, all_for(1, &[])).await;
    assert_eq!(page.rows.len() as u64, ROWS + 1200);
}
