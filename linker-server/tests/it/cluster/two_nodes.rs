//! A user cannot tell on which node the other one is.

use serde_json::json;

use crate::harness::{
    Client, Domain, Frame, MASTER, Raw, WAIT, close_connection, eventually, fast, group, message,
    message_read, referenced, references,
};

#[tokio::test]
async fn both_nodes_are_ready_and_the_registry_equals_their_sessions() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut clients = Vec::new();
    for n in 0..5 {
        clients.push(Client::login(&a, &format!("ANZ-{n}")).await);
    }
    clients.push(Client::login(&b, "ANZ-1").await);
    for (node, sessions) in [(&a, 5.0), (&b, 1.0)] {
        let (ready, checks) = node.health().await.unwrap();
        assert!(ready);
        for part in ["bus", "cluster", "drain", "meta", "presence", "store"] {
            assert_eq!(checks[part], "ok", "{part} in {checks}");
        }
        node.await_registry(WAIT).await;
        assert_eq!(node.metrics().await.value("linker_sessions", &[]), sessions);
    }
    drop(clients);
    eventually("all sessions are gone", WAIT, async || {
        let metrics = a.metrics().await;
        let left = metrics.value("linker_sessions", &[]) + metrics.value("linker_presence_entries", &[]);
        (left == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn messages_receipts_and_confirmations_cross() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut one = Client::login(&a, "ANZ-1").await;
    let mut two = Client::login(&b, "XYZ-2").await;
    one.send(referenced("XYZ-2", json!({"n": [1, "é"]}), "r1"));
    let got = two.next().await;
    assert_eq!((got.kind(), &got["data"]["from"]), ("MESSAGE", &json!("ANZ-1")));
    assert_eq!(got["data"]["content"], json!({"n": [1, "é"]}));
    assert_eq!(got["reference"], "r1");
    one.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    two.send(message_read("ANZ-1", "r1"));
    let read = one.expect("MESSAGE_READ").await;
    assert_eq!(read["data"], json!({"from": "XYZ-2", "reference": "r1"}));
    one.send(fast("XYZ-2", "quick"));
    let got = two.next().await;
    assert_eq!(
        (&got["feature"], &got["data"]["content"]),
        (&json!("FAST"), &json!("quick"))
    );
    one.expect_quiet().await;
    two.expect_quiet().await;
}

#[tokio::test]
async fn what_was_confirmed_across_nodes_is_not_delivered_again() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut one = Client::login(&a, "ANZ-1").await;
    let mut two = Client::login(&b, "ANZ-2").await;
    for _ in 0..2 {
        one.delivery_fence("ANZ-2", "r1").await;
    }
    assert_eq!(two.next().await["reference"], "r1");
    two.expect_quiet().await;
    let mut again = Client::login(&b, "ANZ-1").await;
    again.send(referenced("ANZ-2", "fence", "r1"));
    again.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    two.expect_quiet().await;
}

#[tokio::test]
async fn order_holds_across_nodes() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let one = Client::login(&a, "ANZ-1").await;
    let mut two = Client::login(&b, "ANZ-2").await;
    for n in 0..2000 {
        one.send(message("ANZ-2", n));
    }
    for n in 0..2000 {
        assert_eq!(two.expect("MESSAGE").await["data"]["content"], n);
    }
}

#[tokio::test]
async fn a_group_message_reaches_its_members_on_both_nodes_and_waits_for_the_others() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let one = Client::login(&a, "ANZ-1").await;
    let mut here = Client::login(&a, "ANZ-2").await;
    let mut there = Client::login(&b, "ANZ-3").await;
    one.send(group(&["ANZ-2", "ANZ-3", "ANZ-4"], "all"));
    assert_eq!(here.next().await["data"]["content"], "all");
    assert_eq!(there.next().await["data"]["content"], "all");
    let mut late = eventually("the third's message waits", WAIT, async || {
        let late = Client::login(&b, "ANZ-4").await;
        (late.missing() == 1).then_some(late)
    })
    .await;
    assert_eq!(late.fetch(10).await.0[0]["data"]["content"], "all");
    here.expect_quiet().await;
    there.expect_quiet().await;
}

#[tokio::test]
async fn batches_between_nodes_are_measured_in_frames() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    receiver.expect_in_order(0..50).await;
    for reference in references(50) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    let page = a.admin_get("/metrics").await.body;
    assert!(page.contains("# HELP linker_bus_batch_size "), "{page}");
    assert!(page.contains("# TYPE linker_bus_batch_size histogram"), "{page}");
    let metrics = a.metrics().await;
    let frames = metrics.value("linker_bus_batch_size_sum", &[]);
    let batches = metrics.value("linker_bus_batch_size_count", &[]);
    assert!(
        frames >= 50.0 && batches <= frames,
        "{frames} frames in {batches} batches"
    );
    assert!(frames < 500.0, "{frames} are no frames");
}

#[tokio::test]
async fn what_was_missed_is_fetched_and_replayed_at_the_other_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    let references = references(100);
    sender.store_for("ANZ-2", &references).await;
    sender.store_for("ANZ-3", &references).await;
    // Before that it is looked for the recipients once more, and who comes gets what is stored without asking.
    eventually("all is left to the store", WAIT, async || {
        (a.metrics().await.value("linker_pending_messages", &[]) == 0.0).then_some(())
    })
    .await;
    let mut fetching = Client::login(&b, "ANZ-2").await;
    assert_eq!(fetching.missing(), 100);
    let (page, left) = fetching.fetch(60).await;
    assert_eq!((page.len(), left), (60, 40));
    let (rest, left) = fetching.fetch(60).await;
    assert_eq!((rest.len(), left), (40, 0));
    for (frame, reference) in page.iter().chain(&rest).zip(&references) {
        assert_eq!(frame["reference"], *reference);
    }
    let mut replayed = Client::login_with(&b, "ANZ-3", json!({"replay": true})).await;
    for reference in &references {
        assert_eq!(replayed.next().await["reference"], *reference);
    }
    assert_eq!(replayed.next().await.kind(), "FETCH_MISSING_MESSAGES_COMPLETE");
    for reference in references.iter().chain(&references) {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}

#[tokio::test]
async fn sessions_of_a_user_on_both_nodes_all_get_it_and_it_is_confirmed_once() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut phone = Client::login(&a, "ANZ-1").await;
    let mut laptop = Client::login(&b, "ANZ-1").await;
    let mut sender = Client::login(&a, "ANZ-2").await;
    sender.send(fast("ANZ-1", "both"));
    assert_eq!(phone.expect("MESSAGE").await["data"]["content"], "both");
    assert_eq!(laptop.expect("MESSAGE").await["data"]["content"], "both");
    sender.delivery_fence("ANZ-1", "r1").await;
    let on_phone = phone.expect("MESSAGE").await;
    let on_laptop = laptop.expect("MESSAGE").await;
    assert_eq!(on_phone.id(), on_laptop.id());
    laptop.close().await;
    phone.close().await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_message_that_a_vanished_session_did_not_prove_goes_to_the_one_on_the_other_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut deaf = Raw::login(&b, "ANZ-1").await;
    let mut sender = Client::login(&a, "ANZ-2").await;
    sender.send(referenced("ANZ-1", "x", "r1"));
    let id = deaf.expect("MESSAGE").await.id().to_owned();
    let mut later = Client::login(&a, "ANZ-1").await;
    drop(deaf);
    // It may have been stored meanwhile: then it is given on all the same.
    assert_eq!(later.expect("MESSAGE").await.id(), id);
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn the_limit_of_sessions_counts_over_both_nodes() {
    let domain = Domain::new().await;
    let a = domain.config("a").set("limits.sessionsPerUser", 2).start().await;
    let b = domain.config("b").set("limits.sessionsPerUser", 2).start().await;
    a.await_health().await;
    b.await_health().await;
    let mut first = Client::login(&a, "ANZ-1").await;
    let mut second = Client::login(&b, "ANZ-1").await;
    let mut third = Client::login(&b, "ANZ-1").await;
    assert_eq!(first.closed().await, Some(4009));
    second.expect_quiet().await;
    third.expect_quiet().await;
}

fn event(frame: &Frame) -> (&str, &str) {
    (frame.kind(), frame["data"]["userId"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn the_master_is_told_of_users_on_both_nodes_once() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut master = Client::login(&a, MASTER).await;
    let phone = Client::login(&b, "ANZ-1").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
    let laptop = Client::login(&a, "ANZ-1").await;
    phone.close().await;
    b.await_registry(WAIT).await;
    laptop.close().await;
    assert_eq!(event(&master.next().await), ("USER_DISCONNECTED", "ANZ-1"));
    let _fence = Client::login(&b, "ANZ-2").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-2"));
    master.expect_quiet().await;
}

#[tokio::test]
async fn the_master_closes_a_user_on_all_nodes() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut master = Client::login(&a, MASTER).await;
    let mut here = Client::login(&a, "ANZ-1").await;
    let mut there = Client::login(&b, "ANZ-1").await;
    master.send(close_connection("ANZ-1"));
    assert_eq!(here.closed().await, Some(4010));
    assert_eq!(there.closed().await, Some(4010));
    // Once it is known that nobody is there any more.
    a.await_registry(WAIT).await;
    b.await_registry(WAIT).await;
    master.send(close_connection("ANZ-1"));
    master.expect_error("USER_NOT_CONNECTED").await;
}
