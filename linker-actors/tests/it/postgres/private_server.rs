//! A PostgreSQL of a test's own, killed and started again.

use std::time::Duration;

use linker_actors::adapter::postgres::{PostgresOpenError, PostgresOptions, PostgresStore};
use linker_core::port::{Store, StoreError};
use linker_core::testkit::sample::{message, message_id, user};

use super::harness::{PATIENCE, STORED, batch, waiting};
use super::server::{SECRET, Server};
use crate::wait::eventually;

/// Starts it, and waits until a store can be opened.
async fn opened(server: &mut Server) -> PostgresStore {
    server.start();
    eventually("the server can be opened", PATIENCE, async || {
        if server.has_ended() {
            server.start();
        }
        match PostgresStore::open(&server.url(SECRET), PostgresOptions::default()).await {
            Ok(store) => Some(store),
            Err(error) => {
                assert!(error.is_away(), "starting up is being away: {error}");
                None
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_not_repeated() {
    let mut server = Server::new();
    opened(&mut server).await.close().await;
    let wrong = "wr0ng-pw";
    let error = PostgresStore::open(&server.url(wrong), PostgresOptions::default())
        .await
        .expect_err("the password is wrong");
    assert!(matches!(error, PostgresOpenError::Login { .. }), "{error:?}");
    assert!(!error.is_away() && !error.to_string().contains(wrong) && !format!("{error:?}").contains(wrong));
}

/// All that was answered is there, in order; what failed was told so; and the same store goes on when the server is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_answered() {
    let mut server = Server::new();
    let store = std::sync::Arc::new(opened(&mut server).await);
    let mut answered = Vec::new();
    for round in 0..3_u64 {
        let writing = std::sync::Arc::clone(&store);
        let first = round * 1_000_000;
        let written = tokio::spawn(async move {
            let mut n = first;
            loop {
                let envelopes: Vec<_> = (n..n + 20).map(|n| message(n, user(1), user(2))).collect();
                match Store::apply(&*writing, batch(0, &envelopes, &[])).await {
                    Ok(outcomes) => assert_eq!(outcomes, [STORED; 20]),
                    Err(error) => break (n, error),
                }
                n += 20;
            }
        });
        // In the middle of it.
        eventually("much is written", PATIENCE, async || {
            (waiting(&store, user(2)).await.len() > answered.len() + 200).then_some(())
        })
        .await;
        server.kill();
        let (failed, error) = written.await.expect("no panic");
        assert!(matches!(error, StoreError::Away(_) | StoreError::Uncertain(_)));
        assert!(store.probe().await.is_err(), "nobody is there");
        server.start();
        // As the store actor does: the same batch until it is answered.
        let envelopes: Vec<_> = (failed..failed + 20)
            .map(|n| message(n, user(1), user(2)))
            .collect();
        eventually("the batch is answered", PATIENCE, async || {
            if server.has_ended() {
                server.start();
            }
            let again = Store::apply(&*store, batch(0, &envelopes, &[])).await;
            again.is_ok().then_some(())
        })
        .await;
        answered.extend((first..failed + 20).map(message_id));
        assert_eq!(waiting(&store, user(2)).await, answered, "round {round}");
        assert_eq!(store.probe().await, Ok(()));
    }
    tokio::time::timeout(Duration::from_secs(15), store.close())
        .await
        .expect("closed");
}
