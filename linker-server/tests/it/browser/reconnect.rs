//! The server dies and comes back.

use super::{Browser, Page};
use crate::harness::{Node, WAIT, eventually};

#[tokio::test]
async fn after_a_kill_both_tabs_come_back_and_the_unconfirmed_message_arrives_once() {
    let (mut node, browser) = (Node::start().await, Browser::start().await);
    node.config.put("server.bind", node.ws.to_string().into());
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::open(&browser, &node, "ANZ-2");
    ben.click("summary");
    ben.click("#replay");
    ben.log_in("ANZ-2").await;
    anna.send("ANZ-2", "before");
    eventually("the confirmation", WAIT, async || {
        anna.last_state().starts_with("delivered").then_some(())
    })
    .await;

    node.signal("STOP");
    anna.send("ANZ-2", "in between");
    eventually("the message is written", WAIT, async || {
        (anna.frames_of("out", "MESSAGE").len() == 2).then_some(())
    })
    .await;
    node.kill9();
    anna.wait_for_text("#status", "next try in").await;
    anna.send("ANZ-2", "while it is down");
    assert_eq!(anna.last_state(), "waits for the connection");
    node.start_again().await;

    anna.wait_for_text("#status", "Logged in as ANZ-1").await;
    ben.wait_for_text("#status", "Logged in as ANZ-2").await;
    eventually("the confirmations", WAIT, async || {
        (anna.count("#messages .out [data-state=confirmed]") == 3).then_some(())
    })
    .await;
    ben.wait_for_messages(&["before", "in between", "while it is down"])
        .await;
    assert!(
        anna.text("#messages .out:nth-child(2) .state")
            .ends_with("sent 2 times"),
        "which was sent again is shown"
    );

    let sent = anna.frames_of("out", "MESSAGE");
    let times = |content: &str| {
        sent.iter()
            .filter(|frame| frame["data"]["content"] == content)
            .count()
    };
    assert_eq!(
        [times("before"), times("in between"), times("while it is down")],
        [1, 2, 1]
    );
    let references: Vec<_> = sent
        .iter()
        .filter(|frame| frame["data"]["content"] == "in between")
        .map(|frame| &frame["reference"])
        .collect();
    assert_eq!(references[0], references[1]);
    let received = ben.frames_of("in", "MESSAGE");
    let again = received
        .iter()
        .filter(|frame| frame["data"]["content"] == "in between")
        .count();
    assert_eq!(again, 1, "what the dead server had not read was delivered once");
}

#[tokio::test]
async fn a_page_that_was_opened_too_early_connects_when_the_server_is_there() {
    let (mut node, browser) = (Node::start().await, Browser::start().await);
    node.config.put("server.bind", node.ws.to_string().into());
    let page = Page::open(&browser, &node, "ANZ-1");
    node.kill9();
    page.click("#login-button");
    page.wait_for_text("#status", "next try in").await;
    node.start_again().await;
    page.wait_for_text("#status", "Logged in as ANZ-1").await;
    page.click("#disconnect");
    page.wait_for_text("#status", "Not connected").await;
}
