//! Two people in two tabs.

use super::{Browser, Page};
use crate::harness::{Node, WAIT, eventually};

#[tokio::test]
async fn a_message_goes_from_one_tab_to_the_other_and_its_delivery_time_is_shown() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;

    anna.fill("#reference", "abc123");
    anna.send("ANZ-2", "some thing here to send");
    ben.wait_for_messages(&["some thing here to send"]).await;
    let state = eventually("the confirmation", WAIT, async || {
        Some(anna.last_state()).filter(|state| state.contains("delivered in"))
    })
    .await;
    assert!(
        Page::milliseconds(&state).is_some_and(|taken| taken > 0.0),
        "{state}"
    );
    assert!(
        Page::milliseconds(&anna.text("#delivery")).is_some_and(|taken| taken > 0.0),
        "the figure in the header"
    );

    let sent = &anna.frames_of("out", "MESSAGE")[0];
    assert_eq!(sent["reference"], "abc123");
    let received = &ben.frames_of("in", "MESSAGE")[0];
    assert_eq!(received["data"]["from"], "ANZ-1");
    assert_eq!(received["reference"], "abc123");
    assert_eq!(
        anna.frames_of("in", "MESSAGE_CONFIRMATION")[0]["data"]["reference"],
        "abc123"
    );
}

#[tokio::test]
async fn the_round_trip_is_shown_soon_after_the_login() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::logged_in(&browser, &node, "ANZ-1").await;
    let shown = eventually("the round trip", WAIT, async || {
        Page::milliseconds(&page.text("#rtt"))
    })
    .await;
    assert!(shown > 0.0);
    assert!(!page.frames_of("out", "PING").is_empty() && !page.frames_of("in", "PONG").is_empty());
}

#[tokio::test]
async fn a_message_is_answered_and_marked_read() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;

    anna.send("ANZ-2", "are you there?");
    ben.wait_for_messages(&["are you there?"]).await;
    ben.click("#messages .in .actions button:nth-child(2)");
    eventually("the receipt", WAIT, async || {
        (anna.last_state() == "read by ANZ-2").then_some(())
    })
    .await;
    ben.click("#messages .in .actions button:nth-child(1)");
    ben.front().type_into("#content", "yes\u{E007}");
    anna.wait_for_messages(&["yes"]).await;
}

#[tokio::test]
async fn a_fast_message_and_one_without_confirmation_arrive_too() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;

    anna.front().type_into("#feature", "FAST");
    anna.send("ANZ-2", "fast");
    ben.wait_for_messages(&["fast"]).await;
    eventually("the confirmation", WAIT, async || {
        anna.last_state().starts_with("delivered").then_some(())
    })
    .await;
    anna.front().type_into("#feature", "RELIABLE");
    anna.click("#confirm");
    anna.send("ANZ-2", "unconfirmed");
    ben.wait_for_messages(&["fast", "unconfirmed"]).await;
    eventually("safe without a confirmation", WAIT, async || {
        anna.last_state().starts_with("accepted").then_some(())
    })
    .await;

    let sent = anna.frames_of("out", "MESSAGE");
    assert_eq!(
        (&sent[0]["feature"], &sent[1]["feature"]),
        (&"FAST".into(), &"RELIABLE".into())
    );
    assert_eq!(sent[1]["confirmationEnabled"], false);
    assert_eq!(anna.frames_of("in", "MESSAGE_CONFIRMATION").len(), 1);
}

#[tokio::test]
async fn content_is_shown_as_it_is_and_never_becomes_part_of_the_page() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;

    let markup = "<img src=x onerror=\"document.title='broken in'\"><b>bold</b>";
    anna.send("ANZ-2", markup);
    ben.wait_for_messages(&[markup]).await;
    assert_eq!(ben.count("#messages .content *, #frames .text *"), 0);
    anna.click("#json");
    anna.send("ANZ-2", r#"{"gate": [4, null]}"#);
    ben.wait_for_messages(&[markup, r#"{"gate":[4,null]}"#]).await;
    assert_eq!(ben.frames_of("in", "MESSAGE")[1]["data"]["content"]["gate"][0], 4);
}

#[tokio::test]
async fn a_refused_message_says_why() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::logged_in(&browser, &node, "ANZ-1").await;
    page.send("NOBODY-7", "hello?");
    page.wait_for_text("#notice", "UNKNOWN_USER").await;
    assert_eq!(page.last_state(), "UNKNOWN_USER");
    page.click("#json");
    page.send("ANZ-1", "{not json");
    page.wait_for_text("#notice", "not JSON").await;
}

#[tokio::test]
async fn a_refused_login_says_why_and_another_user_can_try() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::open(&browser, &node, "XYZ-1");
    page.click("#login-button");
    page.wait_for_text("#notice", "WRONG_APP").await;
    page.wait_for_text("#status", "Not connected").await;
    assert_eq!(
        page.frames_of("out", "AUTH_CLIENT").len(),
        1,
        "a refusal that will not heal is not tried again"
    );
    page.fill("#user", "ANZ-5");
    page.log_in("ANZ-5").await;
}
