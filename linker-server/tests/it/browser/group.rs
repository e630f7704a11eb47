//! One message to many.

use super::{Browser, Page};
use crate::harness::Node;

#[tokio::test]
async fn a_group_message_reaches_each_tab_once() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;

    anna.fill("#group-to", "ANZ-2, ANZ-1 ANZ-2");
    anna.fill("#group-content", "to all");
    anna.press_enter("#group-content");
    anna.wait_for_messages(&["to all"]).await;
    ben.wait_for_messages(&["to all"]).await;
    let sent = &anna.frames_of("out", "GROUP_MESSAGE")[0];
    assert_eq!(sent["data"]["to"], serde_json::json!(["ANZ-2", "ANZ-1", "ANZ-2"]));
}
