//! Missed messages and `FETCH_MISSING_MESSAGES_REQUEST`.

use serde_json::{Value, json};

use crate::harness::{Client, Dial, Frame, Node, Raw, WAIT, eventually, fetch, references, references_of};

async fn stored(node: &Node, recipient: &str, count: usize) -> Vec<String> {
    let references = references(count);
    let mut sender = Client::login_with(node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for(recipient, &references).await;
    references
}

#[tokio::test]
async fn the_reply_to_the_login_says_how_many_wait() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 25).await;
    let client = Client::login(&node, "ANZ-2").await;
    let reply = client.reply.as_ref().unwrap();
    assert_eq!(reply["data"]["missing"], 25, "{}", reply.text);
}

#[tokio::test]
async fn pages_come_oldest_first_and_say_what_is_left() {
    let node = Node::start().await;
    let sent = stored(&node, "ANZ-2", 25).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    let mut fetched = Vec::new();
    for (count, expected_left) in [(10, 15), (1, 14), (13, 1), (10, 0), (10, 0)] {
        let (page, left) = client.fetch(count).await;
        assert_eq!(left, expected_left);
        fetched.extend(references_of(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(fetched, sent);
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_asked_for() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 3).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_fetch_with_nothing_to_fetch_completes_at_once() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-2").await;
    let (page, left) = client.fetch(100).await;
    assert!(page.is_empty(), "{page:#?}");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_missed_message_is_the_frame_it_would_have_been_live() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let millis = || {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        u64::try_from(since.as_millis()).unwrap()
    };
    let before = millis();
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    let after = millis();
    let mut client = Client::login(&node, "ANZ-2").await;
    let (page, _) = client.fetch(1).await;
    let frame = &page[0];
    assert_eq!(frame.kind(), "MESSAGE");
    assert_eq!(frame["data"], json!({"from": "ANZ-1", "content": "r1"}));
    assert_eq!(frame["feature"], "RELIABLE");
    assert_eq!(frame["reference"], "r1");
    let timestamp = frame["timestamp"].as_u64().unwrap();
    assert!(
        (before..=after).contains(&timestamp),
        "the time of acceptance, not of the fetch: {}",
        frame.text
    );
}

#[tokio::test]
async fn a_count_above_2000_is_cut_to_2000() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 2100).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    assert_eq!(client.missing(), 2100);
    let (page, left) = client.fetch(1_000_000_000).await;
    assert_eq!((page.len(), left), (2000, 100));
    let (page, left) = client.fetch(2000).await;
    assert_eq!((page.len(), left), (100, 0));
}

#[tokio::test]
async fn what_was_fetched_and_proven_is_gone() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 5).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    client.fetch(3).await;
    client.close().await;
    eventually("the proven ones have left the store", WAIT, async || {
        (Client::login(&node, "ANZ-2").await.missing() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_dies_in_the_middle_of_a_fetch_loses_nothing() {
    let node = Node::start().await;
    let sent = stored(&node, "ANZ-2", 25).await;
    for _ in 0..3 {
        let mut dying = Raw::login(&node, "ANZ-2").await;
        dying.text(&fetch(25)).await;
        for _ in 0..5 {
            dying.expect("MESSAGE").await;
        }
    }
    let mut client = Client::login(&node, "ANZ-2").await;
    let mut fetched = Vec::new();
    eventually("all have been fetched", WAIT, async || {
        let (page, left) = client.fetch(100).await;
        fetched.extend(references_of(&page).into_iter().map(str::to_owned));
        (left == 0 && fetched.len() >= sent.len()).then_some(())
    })
    .await;
    let mut firsts: Vec<String> = Vec::new();
    for reference in fetched {
        if !firsts.contains(&reference) {
            firsts.push(reference);
        }
    }
    assert_eq!(firsts, sent);
}

#[tokio::test]
async fn a_fetch_that_was_read_but_not_proven_is_fetched_again_under_the_same_ids() {
    let mut node = Node::start().await;
    stored(&node, "ANZ-2", 5).await;
    let mut deaf = Raw::login(&node, "ANZ-2").await;
    deaf.text(&fetch(5)).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(deaf.expect("MESSAGE").await.id().to_owned());
    }
    drop(deaf);
    node.restart().await;
    let mut client = Client::login(&node, "ANZ-2").await;
    assert_eq!(client.missing(), 5);
    let (page, _) = client.fetch(5).await;
    let again: Vec<_> = page.iter().map(Frame::id).collect();
    assert_eq!(again, ids);
}

#[tokio::test]
async fn two_fetches_at_once_are_served_one_after_the_other() {
    let node = Node::start().await;
    let sent = stored(&node, "ANZ-2", 25).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    client.send(fetch(10));
    client.send(fetch(10));
    let mut first = client.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    let mut second = client.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    assert_eq!(first.pop().unwrap()["data"]["leftMissingCount"], 15);
    assert_eq!(second.pop().unwrap()["data"]["leftMissingCount"], 5);
    assert_eq!(references_of(&first), sent[..10]);
    assert_eq!(references_of(&second), sent[10..20]);
}

#[tokio::test]
async fn two_sessions_that_fetch_at_once_share_the_messages_out() {
    let node = Node::start().await;
    let sent = stored(&node, "ANZ-2", 40).await;
    let mut phone = Client::login(&node, "ANZ-2").await;
    let mut laptop = Client::login(&node, "ANZ-2").await;
    let ((on_phone, _), (on_laptop, _)) = tokio::join!(phone.fetch(20), laptop.fetch(20));
    let mut all = references_of(&on_phone);
    all.extend(references_of(&on_laptop));
    all.sort_unstable();
    let mut expected: Vec<&str> = sent.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn page_and_completion_go_to_the_asking_session_alone() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 5).await;
    let mut asking = Client::login(&node, "ANZ-2").await;
    let mut silent = Client::login(&node, "ANZ-2").await;
    let (page, left) = asking.fetch(5).await;
    assert_eq!((page.len(), left), (5, 0));
    silent.expect_quiet().await;
}

#[tokio::test]
async fn a_fetch_with_client_acks_leaves_the_store_when_acked() {
    let mut node = Node::start().await;
    stored(&node, "ANZ-2", 3).await;
    let dial = Dial::default();
    let mut client = Raw::login_with(&node, "ANZ-2", json!({"ack": "client"}), &dial).await;
    client.answers_pings = true;
    client.text(&fetch(3)).await;
    let mut ids: Vec<Value> = Vec::new();
    for _ in 0..3 {
        ids.push(client.expect("MESSAGE").await["id"].clone());
    }
    client
        .text(&json!({"type": "MESSAGE_ACK", "data": {"ids": ids[..2]}}))
        .await;
    client.fence().await;
    drop(client);
    node.restart().await;
    let mut back = Client::login(&node, "ANZ-2").await;
    assert_eq!(back.missing(), 1);
    assert_eq!(back.fetch(3).await.0[0]["id"], ids[2]);
}

#[tokio::test]
async fn live_messages_arrive_while_missed_ones_wait() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 3).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-3").await;
    sender.delivery_fence("ANZ-2", "live").await;
    assert_eq!(client.next().await["reference"], "live");
    let (page, left) = client.fetch(10).await;
    assert_eq!((page.len(), left), (3, 0));
}

#[tokio::test]
async fn missed_messages_of_several_senders_come_in_the_order_of_arrival() {
    let node = Node::start().await;
    let mut senders = Vec::new();
    for user in ["ANZ-11", "ANZ-12", "ANZ-13"] {
        senders.push(Client::login_with(&node, user, json!({"accepted": true})).await);
    }
    let mut expected = Vec::new();
    for round in 0..5 {
        for (n, sender) in senders.iter_mut().enumerate() {
            let reference = format!("{n}-{round}");
            sender.store_for("ANZ-2", std::slice::from_ref(&reference)).await;
            expected.push(reference);
        }
    }
    let mut client = Client::login(&node, "ANZ-2").await;
    let (page, _) = client.fetch(100).await;
    assert_eq!(references_of(&page), expected);
}

#[tokio::test]
async fn everything_that_waits_is_counted_and_fetched_confirmations_and_receipts_too() {
    let mut node = Node::start().await;
    let mut absent = Client::login_with(&node, "ANZ-2", json!({"accepted": true})).await;
    absent.store_for("ANZ-3", &["mine".to_owned()]).await;
    absent.close().await;
    let mut other = Client::login(&node, "ANZ-3").await;
    other.fetch(1).await;
    other.send(crate::harness::message_read("ANZ-2", "mine"));
    other.send(crate::harness::message("ANZ-2", "an answer"));
    other.fence().await;
    other.close().await;
    node.restart().await;
    let mut back = Client::login(&node, "ANZ-2").await;
    assert_eq!(back.missing(), 3);
    let (page, left) = back.fetch(1).await;
    assert_eq!((page.len(), left), (1, 2));
    let (rest, left) = back.fetch(10).await;
    assert_eq!((rest.len(), left), (2, 0));
    let mut kinds: Vec<&str> = page.iter().chain(&rest).map(Frame::kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["MESSAGE", "MESSAGE_CONFIRMATION", "MESSAGE_READ"]);
}

#[tokio::test]
async fn a_count_beyond_every_machine_number_is_cut_too() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 3).await;
    let mut client = Client::login(&node, "ANZ-2").await;
    for count in ["18446744073709551616", "99999999999999999999999999999999"] {
        client.send_text(format!(
            r#"{{"type":"FETCH_MISSING_MESSAGES_REQUEST","data":{{"count":{count}}}}}"#
        ));
        let complete = client.expect("FETCH_MISSING_MESSAGES_COMPLETE").await;
        assert_eq!(complete["data"]["leftMissingCount"], 0);
    }
}

#[tokio::test]
async fn what_one_session_has_unproven_is_not_sent_to_another_that_fetches() {
    let node = Node::start().await;
    stored(&node, "ANZ-2", 5).await;
    // It gets the page and proves nothing of it.
    let mut asleep = Raw::login(&node, "ANZ-2").await;
    asleep.text(&fetch(5)).await;
    for _ in 0..5 {
        asleep.expect("MESSAGE").await;
    }
    drop(asleep);
    // What it had is given back, and comes to whoever asks next, in order.
    let mut awake = Client::login(&node, "ANZ-2").await;
    let page = eventually("the page is given back", WAIT, async || {
        awake.send(fetch(5));
        let mut page = awake.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
        page.pop();
        (!page.is_empty()).then_some(page)
    })
    .await;
    let first: usize = references_of(&page)[0][1..].parse().unwrap();
    assert_eq!(first, 0, "{:?}", references_of(&page));
}
