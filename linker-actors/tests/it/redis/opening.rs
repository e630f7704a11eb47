//! Urls, passwords, and a Redis that is not there.

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use linker_actors::adapter::redis::RedisPresence;
use linker_core::port::{Presence, PresenceError};
use linker_core::testkit::sample::user;

use super::harness::{PATIENCE, PrivateRedis, new_domain, options, raw};
use crate::wait::eventually;

async fn refusal(url: &str) -> String {
    match RedisPresence::open(url, options(&new_domain())).await {
        Err(PresenceError::Refused(sentence)) => sentence,
        Ok(opened) => panic!("not refused: {:?}", opened.probe().await),
        Err(other) => panic!("not refused: {other}"),
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_not_repeated() {
    let redis = PrivateRedis::start(&["--requirepass", "right-one"]).await;
    let address = format!("127.0.0.1:{}", redis.port());
    let since = Instant::now();
    for (url, why) in [
        (format!("redis://:wrong-one@{address}"), "password"),
        (format!("redis://someone:wrong-one@{address}"), "password"),
        (redis.url(), "wants a password"),
        (format!("redis://:right-one@{address}/99"), "database"),
    ] {
        let sentence = refusal(&url).await;
        assert!(sentence.contains(why), "{sentence}");
        assert!(sentence.contains(&address), "{sentence}");
        assert!(!sentence.contains("-one"), "{sentence}");
    }
    assert!(since.elapsed() < Duration::from_secs(30));
    let url = format!("redis://:right-one@{address}/3");
    let presence = RedisPresence::open(&url, options(&new_domain()))
        .await
        .expect("opened");
    assert_eq!(presence.probe().await, Ok(()));
    assert!(!format!("{presence:?}").contains("right-one"));
}

#[tokio::test]
async fn a_user_who_may_not_do_enough_is_refused_when_asking() {
    let redis = PrivateRedis::start(&[]).await;
    let mut acl = cmd("ACL");
    acl.arg(&[
        "SETUSER",
        "poor",
        "on",
        ">secret-one",
        "~linker:*",
        "+get",
        "+ping",
    ]);
    let (): () = acl
        .query_async(&mut raw(&redis.url()).await)
        .await
        .expect("a user");
    let url = format!("redis://poor:secret-one@127.0.0.1:{}", redis.port());
    let presence = RedisPresence::open(&url, options(&new_domain()))
        .await
        .expect("opened");
    let Err(PresenceError::Refused(sentence)) = presence.lookup(vec![user(1)]).await else {
        panic!("not refused");
    };
    assert!(
        sentence.contains("allow") && !sentence.contains("secret-one"),
        "{sentence}"
    );
}

#[tokio::test]
async fn what_is_no_redis_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let other = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut socket, _) = listener.accept().await.expect("somebody");
        let answered = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        answered.await.expect("written");
        // Held open: it is the answer that has to tell.
        socket
    });
    let sentence = refusal(&format!("redis://{address}")).await;
    assert!(sentence.contains("another service"), "{sentence}");
    other.await.expect("it had a visitor");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let tls_port = free.local_addr().expect("its number").port().to_string();
    drop(free);
    let certificate = format!("{folder}/tls_certificate.pem");
    let key = format!("{folder}/tls_private.pem");
    let tls = [
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &certificate,
    ];
    let _redis = PrivateRedis::start(&tls).await;
    let sentence = refusal(&format!("rediss://:secret-one@localhost:{tls_port}")).await;
    assert!(
        sentence.contains("certificate") && !sentence.contains("secret-one"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found() {
    let mut redis = PrivateRedis::start(&[]).await;
    redis.kill();
    let presence = RedisPresence::open(&redis.url(), options(&new_domain()))
        .await
        .expect("away is no error");
    let Err(PresenceError::Away(reason)) = presence.lookup(vec![user(1)]).await else {
        panic!("nobody is there");
    };
    assert!(reason.contains(&redis.port().to_string()), "{reason}");
    assert!(reason.contains("refused"), "{reason}");
    assert!(matches!(presence.probe().await, Err(PresenceError::Away(_))));
    redis.run();
    eventually("it is found", PATIENCE, async || presence.probe().await.ok()).await;
    assert_eq!(presence.lookup(vec![user(1)]).await, Ok(vec![vec![]]));
}
