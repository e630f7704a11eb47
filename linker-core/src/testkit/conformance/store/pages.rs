//! Reading: what comes back, in what order, how much at once.

use bytes::Bytes;

use super::{apply, batch, count, delete, everything, ids, insert, keep, page, taken, waiting};
use crate::envelope::{Envelope, Feature};
use crate::port::{CountRequest, Page, PageFilter, PageRequest, Store, WaitReason};
use crate::testkit::sample::{KINDS, message, message_id, message_with_reference, of_kind, user};

/// All kinds, with and without reference, FAST too; app names and references at their longest.
pub async fn envelopes_come_back_equal<S: Store + ?Sized>(store: &S) {
    let long_app = format!("{}-{}", "x".repeat(32), i64::MAX);
    let stranger = long_app.parse().expect("a user id");
    let mut envelopes: Vec<Envelope> = (1..)
        .zip(KINDS)
        .map(|(n, kind)| of_kind(kind, n, user(1), user(2)))
        .collect();
    envelopes.push(message_with_reference(20, user(1), user(2), "r"));
    envelopes.push(message_with_reference(21, stranger, user(2), &"ü".repeat(128)));
    envelopes.push(Envelope {
        feature: Feature::Fast,
        confirm: false,
        ..message_with_reference(22, user(1), user(2), "a\"b\\c\n\u{0}d")
    });
    envelopes.push(Envelope {
        content: Bytes::from_static(br#"{"z":1.000,"a":"\u00fc","n":12345678901234567890.1234567890}"#),
        ..message(23, user(1), user(2))
    });
    // Of the two events about user 1 only the newer waits: make them about two.
    envelopes[4].from = user(3);
    keep(store, &envelopes).await;
    let page = page(store, everything(user(2))).await;
    let back: Vec<Envelope> = page.rows.iter().map(|row| (*row.envelope).clone()).collect();
    assert_eq!(back, envelopes);
}

/// As large as a frame may be by default.
pub async fn contents_of_64_kib_come_back_equal<S: Store + ?Sized>(store: &S) {
    let content: Vec<u8> = (0..65_534_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let large = Envelope {
        content: Bytes::from([b"\"", content.as_slice(), b"\""].concat()),
        ..message(1, user(1), user(2))
    };
    keep(store, &[large.clone(), message(2, user(1), user(2))]).await;
    let page = page(store, everything(user(2))).await;
    assert_eq!(*page.rows[0].envelope, large);
    assert_eq!(page.rows[1].envelope.id, message_id(2));
}

/// Not of ids: what arrives first is first, in one batch and over several.
pub async fn pages_are_in_order_of_arrival<S: Store + ?Sized>(store: &S) {
    for chunk in [[9, 3, 5], [8, 1, 2], [7, 6, 4]] {
        keep(store, &chunk.map(|n| message(n, user(1), user(2)))).await;
    }
    let expected = [9, 3, 5, 8, 1, 2, 7, 6, 4].map(message_id);
    assert_eq!(waiting(store, user(2)).await, expected);
}

/// From 1 on, also after everything was deleted.
pub async fn sequence_numbers_grow_over_all_users<S: Store + ?Sized>(store: &S) {
    let mut newest = 0;
    for n in 1..=20 {
        let to = user(n % 3);
        keep(store, &[message(n, user(9), to)]).await;
        let page = page(store, everything(to)).await;
        let seq = page.rows.last().expect("the row just stored").seq;
        assert!(seq > newest, "{seq} after {newest}");
        newest = seq;
        if n % 5 == 0 {
            delete(store, &(1..=n).map(message_id).collect::<Vec<_>>()).await;
        }
    }
}

/// Page by page, everything comes once.
pub async fn pages_go_on_after_a_sequence_number<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..=25).map(|n| message(n, user(1), user(2))).collect();
    keep(store, &envelopes).await;
    let mut seen = Vec::new();
    let mut after_seq = 0;
    loop {
        let request = PageRequest {
            after_seq,
            max_rows: 7,
            ..everything(user(2))
        };
        let page = page(store, request).await;
        seen.extend(ids(&page));
        assert_eq!(page.exhausted, seen.len() == 25);
        let Some(last) = page.rows.last() else { break };
        after_seq = last.seq;
        if page.exhausted {
            break;
        }
    }
    assert_eq!(seen, (1..=25).map(message_id).collect::<Vec<_>>());
    let beyond = PageRequest {
        after_seq: u64::MAX,
        ..everything(user(2))
    };
    assert_eq!(
        page(store, beyond).await,
        Page {
            rows: vec![],
            exhausted: true
        }
    );
}

/// `exhausted` is told exactly, also when the last row is the last that was allowed.
pub async fn pages_are_bounded_by_rows<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..=4).map(|n| message(n, user(1), user(2))).collect();
    keep(store, &envelopes).await;
    for (max_rows, rows, exhausted) in [(1, 1, false), (3, 3, false), (4, 4, true), (5, 4, true)] {
        let request = PageRequest {
            max_rows,
            ..everything(user(2))
        };
        let page = page(store, request).await;
        assert_eq!(
            (page.rows.len(), page.exhausted),
            (rows, exhausted),
            "of {max_rows}"
        );
    }
}

/// The row that passes the bound comes; at least one does.
pub async fn pages_are_bounded_by_bytes<S: Store + ?Sized>(store: &S) {
    let content = Bytes::from(format!("\"{}\"", "c".repeat(1000)));
    let envelopes: Vec<Envelope> = (1..=4)
        .map(|n| Envelope {
            content: content.clone(),
            ..message(n, user(1), user(2))
        })
        .collect();
    let cost = envelopes[0].cost();
    keep(store, &envelopes).await;
    for (max_bytes, rows, exhausted) in [
        (0, 1, false),
        (cost - 1, 1, false),
        (cost, 2, false),
        (cost * 2 + cost / 2, 3, false),
        (cost * 4 - 1, 4, true),
        (usize::MAX, 4, true),
    ] {
        let request = PageRequest {
            max_bytes,
            ..everything(user(2))
        };
        let page = page(store, request).await;
        assert_eq!(
            (page.rows.len(), page.exhausted),
            (rows, exhausted),
            "of {max_bytes}"
        );
    }
}

/// The others are not seen, and do not count as left out.
pub async fn pages_can_be_of_rows_behind_only<S: Store + ?Sized>(store: &S) {
    let reasons = [WaitReason::Absent, WaitReason::Behind, WaitReason::Fault];
    let mut wanted = batch(0, &[], &[]);
    wanted.inserts = (1..=9_u64)
        .map(|n| insert(&message(n, user(1), user(2)), reasons[n as usize % 3]))
        .collect();
    apply(store, wanted).await;
    let behind = PageRequest {
        filter: PageFilter::Behind,
        ..everything(user(2))
    };
    let all_behind = page(store, behind.clone()).await;
    assert_eq!(ids(&all_behind), [1, 4, 7].map(message_id));
    assert!(all_behind.exhausted);
    let second = PageRequest {
        after_seq: all_behind.rows[0].seq,
        max_rows: 1,
        ..behind
    };
    let second = page(store, second).await;
    assert_eq!((ids(&second), second.exhausted), (vec![message_id(4)], false));
    assert_eq!(waiting(store, user(2)).await.len(), 9);
}

/// A hundred users, one batch after the other with a message for each.
pub async fn interleaved_users_do_not_see_each_others_rows<S: Store + ?Sized>(store: &S) {
    for round in 0..5 {
        let envelopes: Vec<Envelope> = (0..100)
            .map(|n| message(round * 100 + n, user(1000), user(n)))
            .collect();
        keep(store, &envelopes).await;
    }
    let users_1_and_10 = [message_id(1), message_id(110)];
    delete(store, &users_1_and_10).await;
    for n in 0..100 {
        let expected: Vec<_> = (0..5)
            .map(|round| message_id(round * 100 + n))
            .filter(|id| !users_1_and_10.contains(id))
            .collect();
        assert_eq!(waiting(store, user(n)).await, expected, "of user {n}");
    }
}

/// Nothing was left out of nothing.
pub async fn unknown_users_have_empty_pages<S: Store + ?Sized>(store: &S) {
    keep(store, &[message(1, user(1), user(12))]).await;
    for number in [1, 2, 123] {
        let page = page(store, everything(user(number))).await;
        assert_eq!(
            page,
            Page {
                rows: vec![],
                exhausted: true
            }
        );
    }
}

/// Confirmations, receipts and events included, over many users at once, in the order asked.
pub async fn counts_are_of_all_kinds<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..)
        .zip(KINDS)
        .map(|(n, kind)| of_kind(kind, n, user(n), user(2)))
        .collect();
    keep(store, &envelopes).await;
    keep(store, &[message(100, user(2), user(3))]).await;
    let asked = [3, 2, 1, 2].map(|number| CountRequest {
        user: user(number),
        except: vec![],
    });
    let counts = taken(store.count(asked.to_vec()).await);
    let all = KINDS.len() as u64;
    assert_eq!(counts, [1, all, 0, all]);
    assert_eq!(taken(store.count(vec![]).await), Vec::<u64>::new());
}

/// Whether they exist or not, are someone else's, or are named twice.
pub async fn counts_leave_out_the_excepted<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..=6).map(|n| message(n, user(1), user(2))).collect();
    keep(store, &envelopes).await;
    keep(store, &[message(7, user(1), user(3))]).await;
    delete(store, &[message_id(6)]).await;
    let except = [1, 2, 2, 6, 7, 99].map(message_id);
    assert_eq!(count(store, user(2), &except).await, 3);
    assert_eq!(count(store, user(3), &except).await, 0);
    assert_eq!(count(store, user(2), &[]).await, 5);
    let several = vec![
        CountRequest {
            user: user(2),
            except: vec![message_id(1)],
        },
        CountRequest {
            user: user(3),
            except: vec![message_id(1)],
        },
    ];
    assert_eq!(taken(store.count(several).await), [4, 1]);
}

/// As long as they wait.
pub async fn rows_are_found_by_their_ids<S: Store + ?Sized>(store: &S) {
    let envelopes: Vec<Envelope> = (1..=3).map(|n| message(n, user(1), user(n))).collect();
    keep(store, &envelopes).await;
    for envelope in &envelopes {
        let found = taken(store.find(envelope.id).await).expect("it waits");
        assert_eq!(
            (&*found.envelope, found.reason, found.home),
            (envelope, WaitReason::Absent, None)
        );
    }
    delete(store, &[message_id(2)]).await;
    assert_eq!(taken(store.find(message_id(2)).await), None);
    assert_eq!(taken(store.find(message_id(9)).await), None);
}
