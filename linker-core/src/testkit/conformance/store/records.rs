//! Records: all or none, by version.

use bytes::Bytes;

use super::taken;
use crate::port::{Expected, Record, RecordWrite, Records};

fn write(key: &str, expected: Expected, body: &'static str) -> RecordWrite {
    RecordWrite {
        key: key.to_owned(),
        expected,
        body: Some(Bytes::from_static(body.as_bytes())),
        expires_ms: 1000,
    }
}

fn removal(key: &str, expected: Expected) -> RecordWrite {
    RecordWrite {
        body: None,
        ..write(key, expected, "")
    }
}

fn record(key: &str, version: u64, body: &'static str) -> Record {
    Record {
        key: key.to_owned(),
        version,
        body: Bytes::from_static(body.as_bytes()),
        expires_ms: 1000,
    }
}

async fn writes<S: Records + ?Sized>(store: &S, writes: Vec<RecordWrite>) -> bool {
    taken(store.write_records(writes).await)
}

async fn all<S: Records + ?Sized>(store: &S) -> Vec<Record> {
    taken(store.list_records(String::new(), String::new(), 1000).await)
}

/// A version more with every write, from 1 again after a removal.
pub async fn records_have_versions<S: Records + ?Sized>(store: &S) {
    for body in ["a", "b"] {
        assert!(writes(store, vec![write("k", Expected::Anything, body)]).await);
    }
    assert_eq!(all(store).await, [record("k", 2, "b")]);
    assert!(writes(store, vec![write("k", Expected::Version(2), "c")]).await);
    assert_eq!(all(store).await, [record("k", 3, "c")]);
    assert!(writes(store, vec![removal("k", Expected::Version(3))]).await);
    assert!(writes(store, vec![removal("k", Expected::Anything)]).await);
    assert!(writes(store, vec![write("k", Expected::Nothing, "d")]).await);
    assert_eq!(all(store).await, [record("k", 1, "d")]);
}

/// Whichever of them it is.
pub async fn records_are_written_all_or_none<S: Records + ?Sized>(store: &S) {
    assert!(writes(store, vec![write("b", Expected::Nothing, "1")]).await);
    for wrong in [
        write("b", Expected::Nothing, "2"),
        write("b", Expected::Version(2), "2"),
        write("c", Expected::Version(1), "2"),
        removal("b", Expected::Version(7)),
        removal("b", Expected::Nothing),
    ] {
        let others = [
            write("a", Expected::Anything, "2"),
            write("z", Expected::Nothing, "2"),
        ];
        let [first, last] = others;
        assert!(!writes(store, vec![first, wrong, last]).await);
        assert_eq!(all(store).await, [record("b", 1, "1")]);
    }
    assert!(writes(store, vec![]).await);
}

/// In the order of their bytes, within a prefix, page by page.
pub async fn records_are_listed_in_order<S: Records + ?Sized>(store: &S) {
    let keys = ["a/2", "b", "a/10", "a", "A/1", "a/~"];
    let new = keys.map(|key| write(key, Expected::Nothing, "x"));
    assert!(writes(store, new.to_vec()).await);
    let list = async |prefix: &str, after: &str, max| {
        let listed = taken(store.list_records(prefix.into(), after.into(), max).await);
        listed.into_iter().map(|record| record.key).collect::<Vec<_>>()
    };
    assert_eq!(list("", "", 10).await, ["A/1", "a", "a/10", "a/2", "a/~", "b"]);
    assert_eq!(list("a/", "", 10).await, ["a/10", "a/2", "a/~"]);
    assert_eq!(list("a/", "a/10", 1).await, ["a/2"]);
    assert_eq!(list("a/", "a/~", 1).await, [""; 0]);
    assert_eq!(list("c", "", 1).await, [""; 0]);
    let read = store.read_records(vec!["b".into(), "nothing".into(), "a".into()]);
    assert_eq!(taken(read.await), [record("a", 1, "x"), record("b", 1, "x")]);
}

/// A body is any bytes, and may be large.
pub async fn records_come_back_equal<S: Records + ?Sized>(store: &S) {
    let bodies = [vec![], (0..=255).collect(), vec![7; 300_000]];
    for (number, body) in bodies.into_iter().enumerate() {
        let written = RecordWrite {
            body: Some(body.into()),
            expires_ms: i64::MAX as u64,
            ..write(&format!("k{number}"), Expected::Nothing, "")
        };
        assert!(writes(store, vec![written.clone()]).await);
        let read = taken(store.read_records(vec![written.key]).await);
        assert_eq!(Some(&read[0].body), written.body.as_ref());
        assert_eq!(read[0].expires_ms, written.expires_ms);
    }
}

/// The oldest need not go first, but no more than were asked for, and none before its time.
pub async fn expired_records_go<S: Records + ?Sized>(store: &S) {
    for (key, expires_ms) in [("a", 10), ("b", 20), ("c", 30)] {
        let new = RecordWrite {
            expires_ms,
            ..write(key, Expected::Nothing, "x")
        };
        assert!(writes(store, vec![new]).await);
    }
    assert_eq!(taken(store.expire_records(10, 10).await), 0);
    assert_eq!(taken(store.expire_records(25, 1).await), 1);
    assert_eq!(taken(store.expire_records(25, 10).await), 1);
    let left: Vec<_> = all(store).await.into_iter().map(|record| record.key).collect();
    assert_eq!(left, ["c"]);
}

/// Of two that change the same version at once one is told that it did.
pub async fn a_record_is_changed_by_one<S: Records + ?Sized>(store: &S) {
    assert!(writes(store, vec![write("k", Expected::Nothing, "0")]).await);
    for version in 1..=20 {
        let change = || {
            let changes = vec![
                write("k", Expected::Version(version), "x"),
                write("other", Expected::Anything, "y"),
            ];
            store.write_records(changes)
        };
        let done = three_at_once(change(), change(), change()).await;
        let won = done.into_iter().filter(|done| *done).count();
        assert_eq!(won, 1, "version {version}");
    }
}

/// Three at once, on whatever runtime the test has.
async fn three_at_once<'f, F>(a: F, b: F, c: F) -> [bool; 3]
where
    F: Future<Output = Result<bool, crate::port::StoreError>> + Unpin + 'f,
{
    let mut left = [Some(a), Some(b), Some(c)];
    let mut done = [false; 3];
    std::future::poll_fn(move |cx| {
        for (place, running) in left.iter_mut().enumerate() {
            if let Some(future) = running
                && let std::task::Poll::Ready(answer) = std::pin::Pin::new(future).poll(cx)
            {
                done[place] = taken(answer);
                *running = None;
            }
        }
        match left.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(done),
            false => std::task::Poll::Pending,
        }
    })
    .await
}
