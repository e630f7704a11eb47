//! What only the master of an app sees and may do.

use super::{Browser, Page};
use crate::harness::{Node, WAIT, eventually};

const MASTER: &str = "ANZ-123223";

#[tokio::test]
async fn the_master_sees_a_user_come_and_closes_its_connection() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let master = Page::open(&browser, &node, "ANZ-9");
    master.click("#master");
    master.log_in(MASTER).await;
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;

    eventually("the user is seen", WAIT, async || {
        (master.text("#users") == "ANZ-1").then_some(())
    })
    .await;
    master.click("#users button");
    master.press_enter("#close-user");
    anna.wait_for_text("#notice", "CLOSED_BY_MASTER").await;
    anna.wait_for_text("#status", "Not connected").await;
    eventually("the user is gone", WAIT, async || {
        master.text("#users").is_empty().then_some(())
    })
    .await;
    assert_eq!(
        master.frames_of("in", "USER_DISCONNECTED")[0]["data"]["userId"],
        "ANZ-1"
    );
    assert_eq!(
        anna.frames_of("out", "AUTH_CLIENT").len(),
        1,
        "whom the master closed does not come back by itself"
    );

    anna.log_in("ANZ-1").await;
    eventually("the user is seen again", WAIT, async || {
        (master.text("#users") == "ANZ-1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_ordinary_user_is_not_allowed_to_close_others() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;
    anna.fill("#close-user", "ANZ-2");
    anna.click("#close button");
    anna.wait_for_text("#notice", "FORBIDDEN").await;
    assert_eq!(ben.text("#status"), "Logged in as ANZ-2");
}
