//! Pushes: made, followed, sent again.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::harness::{Api, Client, Node, WAIT, eventually};

#[tokio::test]
async fn a_push_is_made_followed_and_sent_again_to_who_was_not_there() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let mut here = Client::login(&node, "ANZ-1").await;
    let console = Console::shown(&browser, &node).await;
    console.click("#new-push summary");
    console.page.fill("#push-users", "ANZ-1, ANZ-2\nANZ-3");
    console.page.fill("#push-content", "news");
    console.ask("document.querySelector('#push-feature').value = 'FAST'", &[]);
    console.click("#push button");
    console
        .page
        .wait_for_text("#confirm-title", "Push to 3 users?")
        .await;
    console.click("#confirm-yes");
    console.page.wait_for_text("#pushed", "Taken as push").await;
    assert_eq!(here.expect("MESSAGE").await["data"]["content"], "news");
    console.page.wait_for_text("#push-rows .chip", "done").await;
    console
        .page
        .wait_for_text("#push-rows", "1 delivered, 2 dropped")
        .await;

    let mut came = Client::login(&node, "ANZ-2").await;
    console.click("#push-rows [aria-label^='Send push']");
    assert_eq!(came.expect("MESSAGE").await["data"]["content"], "news");
    console
        .page
        .wait_for_text("#push-rows", "2 delivered, 1 dropped")
        .await;
    here.expect_quiet().await;
    assert_eq!(browser.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn pushes_of_others_are_listed_newest_first_and_their_progress_is_shown() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let api = Api::of(&node);
    let mut ids = Vec::new();
    for n in 0..7 {
        let users: Vec<String> = (0..=n).map(|user| format!("ANZ-{user}")).collect();
        let answer = api
            .post("/api/v1/pushes", &json!({"to": users, "content": n}))
            .await;
        ids.insert(0, answer.json()["pushId"].clone());
    }
    let console = Console::shown(&browser, &node).await;
    let shown = || {
        console.ask(
            "return [...document.querySelectorAll('#push-rows li')].map((row) => row.dataset.push)",
            &[],
        )
    };
    eventually("the newest are listed", WAIT, async || {
        (shown() == json!(ids[..5])).then_some(())
    })
    .await;
    console
        .page
        .wait_for_text("#push-rows li .counts", "7 stored")
        .await;
    console.click("#pushes-more");
    assert_eq!(shown(), json!(ids));
    let progress = console.ask("return document.querySelector('#push-rows progress').value", &[]);
    assert_eq!(progress, 1);
}

#[tokio::test]
async fn what_cannot_be_pushed_is_told_where_it_was_asked_for() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let console = Console::shown(&browser, &node).await;
    console.click("#new-push summary");
    console.page.fill("#push-content", "1");
    console.click("#push button");
    console
        .page
        .wait_for_text("#push-error", "Name at least one user.")
        .await;
    console.page.fill("#push-users", "ANZ-1 NOAPP-2");
    console.click("#push button");
    console.click("#confirm-yes");
    console.page.wait_for_text("#push-error", "NOAPP-2").await;
    assert!(Api::of(&node).get("/api/v1/pushes").await.json() == json!([]));
}
