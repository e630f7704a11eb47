//! A Redis that is killed, stands still, or hangs up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use linker_actors::adapter::redis::{RedisOptions, RedisPresence};
use linker_core::id::UserId;
use linker_core::port::{Presence, PresenceError, PresenceWatcher, Reconciled, SessionRef};
use linker_core::testkit::sample::{node, node_record, session, user};

use super::harness::{Domain, PATIENCE, PrivateRedis, new_domain, options, raw, shared_url};
use crate::wait::eventually;

/// Counts what it is told.
#[derive(Default)]
struct Counter {
    of_user_1: AtomicU64,
    all: AtomicU64,
}

impl PresenceWatcher for Counter {
    fn changed(&self, users: Vec<UserId>) {
        if users.contains(&user(1)) {
            self.of_user_1.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn all_changed(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    eventually(what, PATIENCE, async || holds().await.then_some(())).await;
}

fn sessions(count: u64) -> Vec<SessionRef> {
    (0..count).map(|n| session(n, 1, n)).collect()
}

#[tokio::test]
async fn a_killed_and_empty_redis_is_filled_again() {
    let mut redis = PrivateRedis::start(&[]).await;
    let presence = RedisPresence::open(&redis.url(), options(&new_domain()))
        .await
        .expect("opened");
    presence.join(node_record(1)).await.expect("joined");
    let own = sessions(500);
    presence.register(own.clone()).await.expect("registered");
    assert!(!presence.beat(node_record(1)).await.expect("beaten").rejoined);
    redis.kill();
    until("away", async || {
        matches!(presence.beat(node_record(1)).await, Err(PresenceError::Away(_)))
    })
    .await;
    redis.run();
    let rejoined = eventually("it is there again", PATIENCE, async || {
        match presence.beat(node_record(1)).await {
            Ok(cluster) => Some(cluster.rejoined),
            Err(PresenceError::Away(_)) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    assert!(rejoined);
    let done = presence
        .reconcile(node(1), own.clone())
        .await
        .expect("reconciled");
    assert_eq!((done.added, done.back.len()), (500, 0));
    assert_eq!(presence.entries(&node(1)).await, Ok(500));
    assert!(!presence.beat(node_record(1)).await.expect("beaten").rejoined);
    let more = presence
        .register(vec![session(1, 1, 1000)])
        .await
        .expect("registered");
    assert!(!more[0].first);
}

#[tokio::test]
async fn a_quick_restart_is_noticed_by_the_next_beat() {
    let mut redis = PrivateRedis::start(&[]).await;
    let presence = RedisPresence::open(&redis.url(), options(&new_domain()))
        .await
        .expect("opened");
    presence.join(node_record(1)).await.expect("joined");
    redis.kill();
    redis.run();
    until("it answers again", async || presence.probe().await.is_ok()).await;
    assert!(presence.beat(node_record(1)).await.expect("beaten").rejoined);
    assert!(!presence.beat(node_record(1)).await.expect("beaten").rejoined);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_redis_that_stands_still_makes_nobody_wait_for_long() {
    let redis = PrivateRedis::start(&[]).await;
    let domain = new_domain();
    let call_timeout = Duration::from_secs(1);
    let options = RedisOptions {
        call_timeout,
        ..options(&domain)
    };
    let presence = RedisPresence::open(&redis.url(), options).await.expect("opened");
    until("it is joined", async || {
        presence.join(node_record(1)).await.is_ok()
    })
    .await;
    until("it has sessions", async || {
        presence.register(sessions(3)).await.is_ok()
    })
    .await;
    redis.stop();
    let stopped = Instant::now();
    let since = Instant::now();
    let (lookup, register, beat, sweep, reconcile) = tokio::join!(
        presence.lookup(vec![user(1)]),
        presence.register(vec![session(7, 1, 7)]),
        presence.beat(node_record(1)),
        presence.sweep(10),
        presence.reconcile(node(1), sessions(3)),
    );
    assert!(since.elapsed() < call_timeout * 10, "{:?}", since.elapsed());
    assert!(matches!(lookup, Err(PresenceError::Away(_))), "{lookup:?}");
    assert!(matches!(register, Err(PresenceError::Away(_))), "{register:?}");
    assert!(matches!(beat, Err(PresenceError::Away(_))), "{beat:?}");
    assert!(matches!(sweep, Err(PresenceError::Away(_))), "{sweep:?}");
    assert!(matches!(reconcile, Err(PresenceError::Away(_))), "{reconcile:?}");
    while stopped.elapsed() < call_timeout * 4 {
        let since = Instant::now();
        assert!(matches!(
            presence.lookup(vec![user(1)]).await,
            Err(PresenceError::Away(_))
        ));
        assert!(since.elapsed() < call_timeout * 8, "{:?}", since.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    redis.go_on();
    until("it answers again", async || presence.probe().await.is_ok()).await;
    until("and finds what was there", async || {
        presence.lookup(vec![user(1)]).await == Ok(vec![vec![session(1, 1, 1)]])
    })
    .await;
    until("it is told that all may be lost", async || {
        presence
            .beat(node_record(1))
            .await
            .is_ok_and(|cluster| cluster.rejoined)
    })
    .await;
}

#[tokio::test]
async fn scripts_that_were_forgotten_are_given_again() {
    let redis = PrivateRedis::start(&[]).await;
    let presence = RedisPresence::open(&redis.url(), options(&new_domain()))
        .await
        .expect("opened");
    presence.join(node_record(1)).await.expect("joined");
    let mut connection = raw(&redis.url()).await;
    for round in 0..3 {
        let forget = cmd("SCRIPT")
            .arg("FLUSH")
            .query_async::<()>(&mut connection)
            .await;
        forget.expect("forgotten");
        let all: Vec<SessionRef> = (0..1200).map(|n| session(n, 1, n)).collect();
        let registered = presence.register(all.clone()).await.expect("registered");
        assert!(registered.iter().all(|answer| answer.first), "round {round}");
        assert!(!presence.beat(node_record(1)).await.expect("beaten").rejoined);
        let forget = cmd("SCRIPT")
            .arg("FLUSH")
            .query_async::<()>(&mut connection)
            .await;
        forget.expect("forgotten");
        assert_eq!(presence.farewell(all).await, Ok(vec![true; 1200]));
        assert_eq!(presence.entries(&node(1)).await, Ok(0));
    }
}

/// However it came about: what is found of a dead node is swept, listed or not.
#[tokio::test]
async fn entries_that_no_list_knows_are_swept_once_found() {
    let domain = Domain::at(shared_url());
    let presence = domain.open().await;
    presence.join(node_record(1)).await.expect("joined");
    presence.join(node_record(2)).await.expect("joined");
    presence
        .register(vec![session(1, 2, 1)])
        .await
        .expect("registered");
    let mut connection = raw(&shared_url()).await;
    let node_key = format!("linker:{{{}:n:{}}}", domain.name, node(2).name);
    let entries_key = format!("{node_key}:entries:{:016x}", node(2).incarnation);
    let nodes_key = format!("linker:{{{}:nodes}}", domain.name);
    for key in [node_key, entries_key] {
        let removed: u64 = cmd("DEL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .expect("removed");
        assert_eq!(removed, 1);
    }
    let mut unlist = cmd("SREM");
    unlist.arg(nodes_key).arg(node(2).to_string());
    let removed: u64 = unlist.query_async(&mut connection).await.expect("removed");
    assert_eq!(removed, 1);
    assert_eq!(presence.sweep(10).await, Ok(vec![]), "nobody knows of it");
    assert_eq!(presence.lookup(vec![user(1)]).await, Ok(vec![vec![]]));
    assert_eq!(presence.sweep(10).await, Ok(vec![user(1)]));
}

#[tokio::test]
async fn nodes_die_by_themselves() {
    let domain = Domain::at(shared_url());
    let node_timeout = Duration::from_millis(300);
    let options = RedisOptions {
        node_timeout,
        ..options(&domain.name)
    };
    let (living, dying) = (
        domain.open_with(options.clone()).await,
        domain.open_with(options).await,
    );
    living.join(node_record(1)).await.expect("joined");
    let since = Instant::now();
    dying.join(node_record(2)).await.expect("joined");
    dying.register(vec![session(1, 2, 1)]).await.expect("registered");
    until("one is left", async || {
        let cluster = living.beat(node_record(1)).await.expect("beaten");
        cluster.nodes.len() == 1
    })
    .await;
    assert!(
        since.elapsed() >= node_timeout - Duration::from_millis(50),
        "not before"
    );
    assert_eq!(living.lookup(vec![user(1)]).await, Ok(vec![vec![]]));
    assert_eq!(living.sweep(100).await, Ok(vec![user(1)]));
    assert!(dying.beat(node_record(2)).await.expect("beaten").rejoined);
}

#[tokio::test]
async fn changes_are_told_by_user_until_the_connection_is_lost() {
    let redis = PrivateRedis::start(&[]).await;
    let domain = Domain::at(redis.url());
    let (watching, other) = (domain.open().await, domain.open().await);
    other.join(node_record(2)).await.expect("joined");
    let counter = Arc::new(Counter::default());
    watching.watch(Arc::clone(&counter) as _);
    let all = || counter.all.load(Ordering::SeqCst);
    let of_user_1 = || counter.of_user_1.load(Ordering::SeqCst);
    until("it is told at all", async || all() == 1).await;

    for number in 0..3 {
        let before = of_user_1();
        other
            .register(vec![session(1, 2, number)])
            .await
            .expect("registered");
        until("a session came", async || of_user_1() > before).await;
    }
    other.register(vec![session(1, 2, 0)]).await.expect("registered");
    other.beat(node_record(2)).await.expect("beaten");
    let before = of_user_1();
    let last = other.farewell(vec![session(1, 2, 0)]).await.expect("gone");
    assert_eq!(last, [false]);
    until("a session went", async || of_user_1() > before).await;
    assert_eq!(of_user_1(), before + 1, "what changes nothing is not told");
    assert_eq!(all(), 1, "it was told by user");

    let mut kill = cmd("CLIENT");
    kill.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let killed: u64 = kill
        .query_async(&mut raw(&redis.url()).await)
        .await
        .expect("killed");
    assert!(killed >= 2, "{killed}");
    until("lost, and open again", async || all() >= 3).await;
    let before = of_user_1();
    until("told by user again", async || {
        let number = before + 10;
        let changed = other.register(vec![session(1, 2, number)]).await;
        let gone = other.farewell(vec![session(1, 2, number)]).await;
        changed.is_ok() && gone.is_ok() && of_user_1() > before
    })
    .await;

    let before = all();
    let flush = cmd("FLUSHALL")
        .query_async::<()>(&mut raw(&redis.url()).await)
        .await;
    flush.expect("flushed");
    until("all was lost", async || all() > before).await;
}

/// All nodes of a domain do this at once when Redis is back: each script more of a session is one more reason for a heartbeat to come too late.
#[tokio::test]
async fn what_is_registered_already_is_looked_at_and_not_registered_again() {
    let redis = PrivateRedis::start(&[]).await;
    let domain = new_domain();
    let presence = RedisPresence::open(&redis.url(), options(&domain))
        .await
        .expect("opened");
    presence.join(node_record(1)).await.expect("joined");
    let all: Vec<SessionRef> = (0..1200).map(|n| session(n, 1, n)).collect();
    presence.register(all.clone()).await.expect("registered");
    let mut connection = raw(&redis.url()).await;
    cmd("CONFIG")
        .arg("RESETSTAT")
        .query_async::<()>(&mut connection)
        .await
        .expect("reset");
    let reconciled = presence.reconcile(node(1), all.clone()).await;
    assert_eq!(reconciled, Ok(Reconciled::default()));
    let told: String = cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .expect("told");
    assert!(told.contains("cmdstat_zscore:calls=1200,"), "{told}");
    assert!(!told.contains("cmdstat_evalsha"), "{told}");
    // Half of what is known of a session is nothing.
    let of_user = format!("linker:{{{domain}:u:{}}}", user(5));
    let entries = format!(
        "linker:{{{domain}:n:{}}}:entries:{:016x}",
        node(1).name,
        node(1).incarnation
    );
    let mut forget = cmd("SREM");
    forget.arg(&entries).arg(format!("{}/7/0", user(7)));
    for command in [forget, cmd("DEL").arg(of_user).clone()] {
        let removed: u64 = command.query_async(&mut connection).await.expect("removed");
        assert_eq!(removed, 1);
    }
    let reconciled = presence.reconcile(node(1), all).await.expect("reconciled");
    assert_eq!((reconciled.added, reconciled.removed), (1, 0));
    assert_eq!(presence.entries(&node(1)).await, Ok(1200));
    let found = presence.lookup(vec![user(5), user(7)]).await;
    assert_eq!(found, Ok(vec![vec![session(5, 1, 5)], vec![session(7, 1, 7)]]));
}
