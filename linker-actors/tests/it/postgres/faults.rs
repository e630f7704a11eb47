//! Connections that are lost at the worst moments: what is told is true, and repeating is safe.

use std::time::Duration;

use linker_actors::adapter::postgres::{PostgresOptions, PostgresStore};
use linker_core::port::{InsertOutcome, Store, StoreBatch, StoreError};
use linker_core::testkit::sample::{EPOCH_MS, message, message_id, message_with_reference, user};

use super::database::Database;
use super::harness::{STORED, batch, count, keep, open, waiting};
use super::proxy::{Cut, Proxy};

/// A database, a store that reaches it through a proxy, and one that reaches it directly.
struct Fixture {
    through: PostgresStore,
    direct: PostgresStore,
    proxy: Proxy,
    _database: Database,
}

async fn fixture() -> Fixture {
    let database = Database::create().await;
    let direct = open(&database.url()).await;
    let url = database.url();
    let place = url.split('@').next_back().expect("a place");
    let (server, name) = place.split_once('/').expect("a database");
    let proxy = Proxy::start(server.to_owned()).await;
    // What is encrypted could not be looked for.
    let login = url.strip_suffix(place).expect("a login");
    let url = format!("{login}127.0.0.1:{}/{name}?sslmode=disable", proxy.port());
    let options = PostgresOptions {
        statement_timeout: Duration::from_millis(300),
        ..PostgresOptions::default()
    };
    let through = PostgresStore::open(&url, options).await.expect("opened");
    Fixture {
        through,
        direct,
        proxy,
        _database: database,
    }
}

fn three() -> StoreBatch {
    let envelopes = [
        message_with_reference(1, user(1), user(2), "r"),
        message(2, user(1), user(2)),
        message_with_reference(3, user(1), user(2), "r"),
    ];
    batch(0, &envelopes, &[message_id(100)])
}

async fn is_cut(cut: Cut, at: &'static str, uncertain: bool, done: bool) {
    let fixture = fixture().await;
    // Not through the proxy: what is prepared already does not travel as text again.
    keep(&fixture.direct, &[message(100, user(1), user(2))]).await;
    fixture.proxy.cut_at(at, cut);
    let answer = Store::apply(&fixture.through, three()).await;
    assert!(fixture.proxy.has_cut(), "{at}");
    match answer {
        Err(StoreError::Uncertain(_)) => assert!(uncertain, "{at}"),
        Err(StoreError::Away(_)) => assert!(!uncertain, "{at}"),
        other => panic!("{at}: {other:?}"),
    }
    let there = if done { vec![1, 2] } else { vec![100] };
    let there: Vec<_> = there.into_iter().map(message_id).collect();
    assert_eq!(waiting(&fixture.direct, user(2)).await, there, "{at}");
    // The next attempt finds a new connection by itself, and ends where the first one should have.
    let expected = [STORED, STORED, InsertOutcome::Duplicate(message_id(1))];
    for _ in 0..2 {
        let again = Store::apply(&fixture.through, three()).await;
        assert_eq!(again, Ok(expected.to_vec()), "{at}");
    }
    assert_eq!(waiting(&fixture.direct, user(2)).await, [1, 2].map(message_id));
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_has_changed_nothing() {
    for at in ["BEGIN", "UNION ALL", "INSERT INTO linker_message", "DELETE FROM"] {
        is_cut(Cut::Before, at, false, false).await;
    }
    is_cut(Cut::After, "INSERT INTO linker_message", false, false).await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_uncertain() {
    is_cut(Cut::After, "COMMIT", true, true).await;
    is_cut(Cut::Before, "COMMIT", true, false).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    is_cut(Cut::Stall, "INSERT INTO linker_message", false, false).await;
    is_cut(Cut::Stall, "COMMIT", true, false).await;
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_uncertain_and_can_be_repeated() {
    for cut in [Cut::Before, Cut::After] {
        let fixture = fixture().await;
        keep(&fixture.direct, &[message(1, user(1), user(2))]).await;
        fixture.proxy.cut_at("DELETE FROM", cut);
        let removal = batch(0, &[], &[message_id(1)]);
        let answer = Store::apply(&fixture.through, removal.clone()).await;
        assert!(matches!(answer, Err(StoreError::Uncertain(_))), "{answer:?}");
        assert_eq!(Store::apply(&fixture.through, removal).await, Ok(vec![]));
        assert_eq!(count(&fixture.direct, user(2)).await, 0);
    }
}

#[tokio::test]
async fn readers_come_back_by_themselves() {
    let fixture = fixture().await;
    keep(
        &fixture.direct,
        &[message_with_reference(1, user(1), user(2), "r")],
    )
    .await;
    for cut in [Cut::Before, Cut::After, Cut::Stall] {
        fixture.proxy.cut_at("substring(body", cut);
        let answer = fixture.through.repeatable_since(EPOCH_MS, 10).await;
        assert!(matches!(answer, Err(StoreError::Away(_))), "{answer:?}");
        assert_eq!(waiting(&fixture.through, user(2)).await, [message_id(1)]);
    }
    fixture.proxy.cut_at("linker_probe", Cut::After);
    assert!(fixture.through.probe().await.is_err());
    assert_eq!(fixture.through.probe().await, Ok(()));
}

#[tokio::test]
async fn a_closed_store_is_away() {
    let fixture = fixture().await;
    fixture.through.close().await;
    let away =
        |answer: Result<(), StoreError>| assert!(matches!(answer, Err(StoreError::Away(_))), "{answer:?}");
    away(Store::apply(&fixture.through, three()).await.map(drop));
    away(fixture.through.probe().await);
    away(fixture.through.expire(EPOCH_MS, 1).await.map(drop));
}
