//! The store that tests make fail fails as they are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linker_actors::adapter::memory::{Fault, FaultSwitch, FaultyStore, MemoryStore};
use linker_core::port::{CountRequest, Insert, InsertOutcome, Store, StoreBatch, StoreError, WaitReason};
use linker_core::testkit::sample::{message, user};

fn store() -> (Arc<FaultyStore<MemoryStore>>, FaultSwitch) {
    let (store, switch) = FaultyStore::new(MemoryStore::new());
    (Arc::new(store), switch)
}

fn one_message() -> StoreBatch {
    let insert = Insert {
        envelope: Arc::new(message(1, user(1), user(2))),
        reason: WaitReason::Absent,
        home: None,
    };
    StoreBatch {
        inserts: vec![insert],
        max_per_user: 10,
        ..StoreBatch::default()
    }
}

async fn waiting(store: &FaultyStore<MemoryStore>) -> u64 {
    let request = CountRequest {
        user: user(2),
        except: vec![],
    };
    store.store().count(vec![request]).await.expect("never away")[0]
}

#[tokio::test]
async fn away_does_nothing_until_it_is_back() {
    let (store, switch) = store();
    switch.set(Fault::Away);
    assert!(matches!(
        store.apply(one_message()).await,
        Err(StoreError::Away(_))
    ));
    assert!(matches!(store.probe().await, Err(StoreError::Away(_))));
    assert_eq!((waiting(&store).await, switch.applied()), (0, 0));
    switch.set(Fault::None);
    assert_eq!(store.probe().await, Ok(()));
    assert_eq!(store.apply(one_message()).await, Ok(vec![InsertOutcome::Stored]));
    assert_eq!((waiting(&store).await, switch.applied()), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_may_be_of_a_commit_or_of_none() {
    let (store, switch) = store();
    switch.set(Fault::UncertainBeforeCommit);
    assert!(matches!(
        store.apply(one_message()).await,
        Err(StoreError::Uncertain(_))
    ));
    assert_eq!(waiting(&store).await, 0);
    switch.set(Fault::UncertainAfterCommit);
    assert!(matches!(
        store.apply(one_message()).await,
        Err(StoreError::Uncertain(_))
    ));
    assert_eq!(waiting(&store).await, 1);
}

#[tokio::test]
async fn a_held_call_waits_for_its_release() {
    let (store, switch) = store();
    switch.set(Fault::Held);
    let held = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.apply(one_message()).await }
    });
    tokio::task::yield_now().await;
    assert!(!held.is_finished());
    assert_eq!(waiting(&store).await, 0);
    switch.set(Fault::None);
    let outcomes = held.await.expect("it does not panic");
    assert_eq!(outcomes, Ok(vec![InsertOutcome::Stored]));
}

#[tokio::test]
async fn a_slow_call_takes_its_time() {
    let (store, switch) = store();
    let longer = Duration::from_millis(30);
    switch.set(Fault::Slow(longer));
    let began = Instant::now();
    assert_eq!(store.probe().await, Ok(()));
    assert!(began.elapsed() >= longer);
}
