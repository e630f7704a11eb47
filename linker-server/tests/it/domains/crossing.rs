//! A user cannot tell in which domain the other one lives.

use serde_json::json;

use crate::harness::{
    Client, Frame, MASTER, Network, await_missing, close_connection, fast, group, message, message_read,
    reaches, referenced, references, references_of, user_of, with,
};

#[tokio::test]
async fn messages_receipts_and_confirmations_cross_a_link() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let (one, two) = (user_of(0, 1), user_of(1, 2));
    let mut here = Client::login(&nodes[0], &one).await;
    let mut there = Client::login(&nodes[1], &two).await;
    here.send_text(format!(
        r#"{{"type":"MESSAGE","data":{{"to":"{two}","content":{{"n":[1.50,"é"]}}}},"reference":"r1"}}"#
    ));
    let got = there.next().await;
    assert_eq!((got.kind(), &got["data"]["from"]), ("MESSAGE", &json!(one)));
    assert!(got.text.contains("1.50"), "{}", got.text);
    assert_eq!(
        (&got["reference"], &got["feature"]),
        (&json!("r1"), &json!("RELIABLE"))
    );
    here.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    there.send(message_read(&one, "r1"));
    let read = here.expect("MESSAGE_READ").await;
    assert_eq!(read["data"], json!({"from": two, "reference": "r1"}));
    here.send(with(fast(&two, "quick"), "reference", "f1"));
    let got = there.next().await;
    assert_eq!(
        (&got["feature"], &got["data"]["content"]),
        (&json!("FAST"), &json!("quick"))
    );
    here.expect_for("MESSAGE_CONFIRMATION", "f1").await;
    here.expect_quiet().await;
    there.expect_quiet().await;
}

#[tokio::test]
async fn a_message_is_accepted_when_the_next_domain_has_it() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let absent = user_of(1, 2);
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    let references = references(50);
    sender.store_for(&absent, &references).await;
    // At home it waits as any missed message does.
    await_missing(&nodes[1], &absent, 50).await;
    let mut recipient = Client::login(&nodes[1], &absent).await;
    let (page, left) = recipient.fetch(100).await;
    assert_eq!(
        (references_of(&page), left),
        (references.iter().map(String::as_str).collect(), 0)
    );
    sender.expect_for_all("MESSAGE_CONFIRMATION", &references).await;
}

#[tokio::test]
async fn a_confirmation_waits_at_home_for_its_absent_sender() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let (one, two) = (user_of(0, 1), user_of(1, 2));
    let mut sender = Client::login_with(&nodes[0], &one, json!({"accepted": true})).await;
    sender.store_for(&two, &["r1".to_owned()]).await;
    sender.close().await;
    await_missing(&nodes[1], &two, 1).await;
    let mut recipient = Client::login(&nodes[1], &two).await;
    recipient.fetch(10).await;
    await_missing(&nodes[0], &one, 1).await;
    let mut back = Client::login(&nodes[0], &one).await;
    let (page, _) = back.fetch(10).await;
    assert_eq!(
        (page[0].kind(), &page[0]["data"]["reference"]),
        ("MESSAGE_CONFIRMATION", &json!("r1"))
    );
}

#[tokio::test]
async fn the_same_reference_sent_again_is_one_message() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let (one, two) = (user_of(0, 1), user_of(1, 2));
    let mut recipient = Client::login(&nodes[1], &two).await;
    for _ in 0..3 {
        let mut sender = Client::login(&nodes[0], &one).await;
        sender.delivery_fence(&two, "r1").await;
        sender.close().await;
    }
    assert_eq!(recipient.next().await["reference"], "r1");
    recipient.expect_quiet().await;
}

#[tokio::test]
async fn a_group_is_spread_over_all_domains() {
    let network = Network::line(3).await;
    let nodes = network.start_all().await;
    let users: Vec<String> = (0..9).map(|n| user_of(n % 3, 10 + n as u64)).collect();
    let mut readers = Vec::new();
    for (n, user) in users.iter().enumerate() {
        readers.push(Client::login(&nodes[n % 3], user).await);
    }
    let sender = Client::login(&nodes[1], &user_of(1, 1)).await;
    let to: Vec<&str> = users.iter().map(String::as_str).collect();
    sender.send(group(&to, "all"));
    for reader in &mut readers {
        assert_eq!(reader.next().await["data"]["content"], "all");
    }
}

#[tokio::test]
async fn order_holds_along_a_line_of_domains_and_back() {
    let network = Network::line(4).await;
    let nodes = network.start_all().await;
    let (one, two) = (user_of(0, 1), user_of(3, 2));
    let mut first = Client::login(&nodes[0], &one).await;
    let mut last = Client::login(&nodes[3], &two).await;
    let count = 500;
    for n in 0..count {
        first.send(referenced(&two, n, &format!("there-{n}")));
        last.send(referenced(&one, n, &format!("back-{n}")));
    }
    for client in [&mut first, &mut last] {
        let mut next = 0;
        while next < count {
            let is_message = |frame: &Frame| frame.kind() == "MESSAGE";
            let frame = client.find("the next message", is_message).await;
            assert_eq!(frame["data"]["content"], next);
            next += 1;
        }
    }
    for n in 0..count {
        first
            .expect_for("MESSAGE_CONFIRMATION", &format!("there-{n}"))
            .await;
        last.expect_for("MESSAGE_CONFIRMATION", &format!("back-{n}"))
            .await;
    }
}

#[tokio::test]
async fn a_master_elsewhere_hears_of_its_users_and_can_close_them() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let user = user_of(1, 2);
    let mut master = Client::login(&nodes[0], MASTER).await;
    let mut there = Client::login(&nodes[1], &user).await;
    let event = master.expect("USER_CONNECTED").await;
    assert_eq!(event["data"]["userId"], user);
    master.send(close_connection(&user));
    assert_eq!(there.closed().await, Some(4010));
    let event = master.expect("USER_DISCONNECTED").await;
    assert_eq!(event["data"]["userId"], user);
    master.send(with(close_connection(&user), "reference", "again"));
    let error = master.expect_error("USER_NOT_CONNECTED").await;
    assert_eq!(error["reference"], "again");
    // Who is no master cannot.
    let mut other = Client::login(&nodes[0], &user_of(0, 5)).await;
    other.send(close_connection(&user));
    other.expect_error("FORBIDDEN").await;
}

#[tokio::test]
async fn an_isolated_app_is_isolated_in_every_domain() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let mut outside = Client::login(&nodes[0], &user_of(0, 1)).await;
    outside.send(message("ISO-1000001", "x"));
    outside.expect_error("FORBIDDEN").await;
    let mut inside = Client::login(&nodes[0], "ISO-1").await;
    let mut friend = Client::login(&nodes[1], "ISO-1000001").await;
    reaches(&mut inside, &mut friend, "ISO-1000001", "r1").await;
}

#[tokio::test]
async fn several_nodes_of_a_domain_send_and_receive_for_each_other() {
    let network = Network::line(2).await;
    let mut nodes = network.start_all().await;
    nodes.push(network.start(0, "b").await);
    nodes.push(network.start(1, "b").await);
    network.await_link(&nodes[2], 1, true).await;
    network.await_link(&nodes[3], 0, true).await;
    let mut senders = [
        Client::login(&nodes[0], &user_of(0, 1)).await,
        Client::login(&nodes[2], &user_of(0, 2)).await,
    ];
    let names = [user_of(1, 3), user_of(1, 4)];
    let mut readers = [
        Client::login(&nodes[1], &names[0]).await,
        Client::login(&nodes[3], &names[1]).await,
    ];
    for (from, sender) in senders.iter_mut().enumerate() {
        for (to, reader) in readers.iter_mut().enumerate() {
            reaches(sender, reader, &names[to], &format!("r-{from}-{to}")).await;
        }
    }
}
