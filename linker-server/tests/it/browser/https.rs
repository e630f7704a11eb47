//! The page from a node that speaks TLS.

use serde_json::json;

use super::{Browser, Page};
use crate::harness::{NodeConfig, Pair};

#[tokio::test]
async fn a_page_by_https_connects_by_wss() {
    let node = NodeConfig::new().with_tls(&Pair::new()).start().await;
    let browser = Browser::start().await;
    let anna = Page::logged_in(&browser, &node, "ANZ-1").await;
    let ben = Page::logged_in(&browser, &node, "ANZ-2").await;
    anna.send("ANZ-2", "by wss");
    ben.wait_for_messages(&["by wss"]).await;
    let url = ben
        .front()
        .run("return document.querySelector('#url').value", &[]);
    assert_eq!(url, json!(format!("wss://{}/ws", node.ws)));
}
