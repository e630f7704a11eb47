//! Messages of one sender to one recipient with the same feature arrive in the order sent.

use serde_json::json;

use crate::harness::{Checker, Client, Node, fast, message, referenced};

#[tokio::test]
async fn reliable_messages_arrive_in_the_order_sent() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..1000 {
        sender.send(message("ANZ-2", n));
    }
    for n in 0..1000 {
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
}

#[tokio::test]
async fn large_and_small_messages_keep_their_order() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    let large = "x".repeat(60_000);
    for n in 0..60 {
        let padding = if n % 3 == 0 { large.as_str() } else { "" };
        sender.send(referenced("ANZ-2", json!([n, padding]), &format!("r{n}")));
    }
    for n in 0..60 {
        assert_eq!(receiver.next().await["data"]["content"][0], n);
    }
}

#[tokio::test]
async fn many_senders_to_many_recipients_each_keep_their_order() {
    let node = Node::start().await;
    let users: Vec<String> = (1..=6).map(|n| format!("ANZ-{n}")).collect();
    let mut checker = Checker::default();
    let mut clients = Vec::new();
    for user in &users {
        clients.push(Client::login(&node, user).await);
    }
    for n in 0..50 {
        for (from, client) in users.iter().zip(&clients) {
            for to in &users {
                let reference = format!("{from}-{to}-{n}");
                client.send(referenced(to, n, &reference));
                checker.sent(from, to, &reference);
            }
        }
    }
    for (user, client) in users.iter().zip(&mut clients) {
        for _ in 0..50 * users.len() {
            let frame = client.expect("MESSAGE").await;
            checker.received(user, &frame);
        }
        for to in &users {
            for n in 0..50 {
                let reference = format!("{user}-{to}-{n}");
                client.expect_for("MESSAGE_CONFIRMATION", &reference).await;
                checker.promised(user, to, &reference);
            }
        }
    }
    checker.verify();
    checker.verify_no_repetitions();
}

#[tokio::test]
async fn fast_and_reliable_messages_each_keep_their_own_order() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..200 {
        sender.send(message("ANZ-2", n));
        sender.send(fast("ANZ-2", n));
    }
    let mut next = [0, 0];
    for _ in 0..400 {
        let frame = receiver.next().await;
        let which = usize::from(frame["feature"] == "FAST");
        assert_eq!(frame["data"]["content"], next[which], "{}", frame.text);
        next[which] += 1;
    }
}

#[tokio::test]
async fn the_order_holds_while_sessions_of_the_recipient_come_and_go() {
    let node = Node::start().await;
    let mut stays = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..300 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        if n % 30 == 0 {
            drop(Client::login(&node, "ANZ-2").await);
        }
    }
    for n in 0..300 {
        assert_eq!(stays.expect("MESSAGE").await["data"]["content"], n);
    }
}
