//! Messages to somebody who is away.

use super::{Browser, Page};
use crate::harness::{Node, WAIT, eventually};

#[tokio::test]
async fn missed_messages_are_fetched_and_then_confirmed() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    for content in ["first", "second", "third"] {
        anna.send("ANZ-2", content);
        eventually("the message is safe", WAIT, async || {
            anna.last_state().starts_with("accepted").then_some(())
        })
        .await;
    }

    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;
    ben.wait_for_text("#missed", "3").await;
    assert_eq!(ben.messages("in").len(), 0, "nothing comes without asking");
    ben.fetch(2).await;
    ben.wait_for_messages(&["first", "second"]).await;
    ben.wait_for_text("#missed", "1").await;
    ben.fetch(100).await;
    ben.wait_for_messages(&["first", "second", "third"]).await;
    ben.wait_for_text("#missed", "0").await;
    eventually("the confirmations", WAIT, async || {
        (anna.count("#messages .out [data-state=confirmed]") == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_replay_missed_messages_come_at_login() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    anna.send("ANZ-2", "while you were away");
    eventually("the message is safe", WAIT, async || {
        anna.last_state().starts_with("accepted").then_some(())
    })
    .await;

    let ben = Page::open(&browser, &node, "ANZ-2");
    ben.click("summary");
    ben.click("#replay");
    ben.log_in("ANZ-2").await;
    ben.wait_for_messages(&["while you were away"]).await;
    ben.wait_for_text("#missed", "0").await;
    assert_eq!(ben.frames_of("out", "FETCH_MISSING_MESSAGES_REQUEST").len(), 0);
}

#[tokio::test]
async fn in_client_mode_the_page_acknowledges_what_it_has_shown() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::open(&browser, &node, "ANZ-2");
    ben.click("summary");
    ben.front().type_into("#ack", "this page");
    ben.log_in("ANZ-2").await;

    anna.send("ANZ-2", "acknowledge me");
    ben.wait_for_messages(&["acknowledge me"]).await;
    eventually("the confirmation", WAIT, async || {
        anna.last_state().starts_with("delivered").then_some(())
    })
    .await;
    let id = &ben.frames_of("in", "MESSAGE")[0]["id"];
    assert_eq!(&ben.frames_of("out", "MESSAGE_ACK")[0]["data"]["ids"][0], id);
}
