//! Finding users, sending to them, closing their sessions.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::harness::{Client, Domain, Network, Node, NodeConfig, Raw, WAIT, eventually, referenced, user_of};

#[tokio::test]
async fn a_user_is_found_wherever_it_is_and_gets_what_is_sent() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &a).await;
    let mut client = Client::login(&b, "ANZ-2").await;
    console.find("ANZ-2").await;
    console
        .page
        .wait_for_text("#found-summary", "Online with 1 session. Nothing waits")
        .await;
    let cells =
        "return [...document.querySelectorAll('#session-rows tr > *')].map((cell) => cell.textContent)";
    let cells = console.ask(cells, &[]);
    assert_eq!((&cells[0], &cells[2]), (&json!("b"), &json!("127.0.0.1")));

    console.page.fill("#content-text", "{\"n\": 1}");
    console
        .page
        .wait_for_text("#content-kind", "Is sent as JSON.")
        .await;
    console.click("#send button");
    let frame = client.expect("MESSAGE").await;
    assert_eq!(frame["data"]["content"], json!({"n": 1}));
    console
        .page
        .wait_for_text("#sent", &format!(". Message {}", frame.id()))
        .await;

    // What changes while it is shown is shown.
    client.close().await;
    console.page.wait_for_text("#found-summary", "Not online.").await;
    console.page.fill("#content-text", "{no JSON");
    console
        .page
        .wait_for_text("#content-kind", "Is sent as text.")
        .await;
    console.click("#send button");
    console.page.wait_for_text("#sent", "Stored").await;
    console
        .page
        .wait_for_text("#found-summary", "1 message waits for it.")
        .await;
    let (page, _) = Client::login(&a, "ANZ-2").await.fetch(10).await;
    assert_eq!(page[0]["data"]["content"], "{no JSON");
    console.page.fill("#to", "ANZ-3");
    console.page.fill("#content-text", "later");
    console.click("#send button");
    console.page.wait_for_text("#sent", "Stored").await;
    console.click("#track button");
    let where_it_is = format!("until its recipient fetches it. Its way: {}.", domain.name);
    console.page.wait_for_text("#tracked", &where_it_is).await;
    assert_eq!(browser.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn sessions_are_closed_once_that_is_confirmed() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let mut first = Client::login(&node, "ANZ-2").await;
    let mut second = Client::login(&node, "ANZ-2").await;
    let console = Console::shown(&browser, &node).await;
    console.find("ANZ-2").await;
    console.click("#close");
    console
        .page
        .wait_for_text("#confirm-title", "Close the sessions of ANZ-2?")
        .await;
    console.click("#confirm button[value=no]");
    first.fence().await;
    console
        .page
        .wait_for_text("#found-summary", "Online with 2 sessions.")
        .await;
    console.click("#close");
    console.click("#confirm-yes");
    assert_eq!(first.closed().await, Some(4010));
    assert_eq!(second.closed().await, Some(4010));
    console
        .page
        .wait_for_text("#closed", "2 sessions were told to close.")
        .await;
    console.page.wait_for_text("#found-summary", "Not online.").await;
}

#[tokio::test]
async fn what_is_typed_is_shown_as_text_and_nothing_else() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let mut client = Client::login(&node, "ANZ-2").await;
    let console = Console::shown(&browser, &node).await;
    let hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
    let before = console.page.count("img, script");
    console.page.fill("#user", hostile);
    console.page.press_enter("#user");
    console
        .page
        .wait_for_text("#find-error", "<img src=x onerror=")
        .await;
    console.page.fill("#to", "ANZ-2");
    console.page.fill("#content-text", hostile);
    console.click("#send button");
    assert_eq!(client.expect("MESSAGE").await["data"]["content"], hostile);
    console.page.fill("#to", hostile);
    console.click("#send button");
    console.page.wait_for_text("#send-error", "<script>").await;
    // Paths out of where users are.
    for path in ["../nodes", "ANZ-2/../../whoami", "%2e%2e", "ANZ-2?x=1#y"] {
        console.page.fill("#user", path);
        console.page.press_enter("#user");
        eventually("it is no user", WAIT, async || {
            let error = console.page.text("#find-error");
            (error.contains("is not a user id") && error.contains(path)).then_some(())
        })
        .await;
        assert!(!console.is_shown("#found"));
    }
    assert_eq!(console.page.count("img, script"), before);
    let title = console.ask("return document.title", &[]);
    assert_eq!(title, "Linker console");
}

#[tokio::test]
async fn a_user_of_another_domain_is_looked_for_there() {
    let network = Network::line(2).await;
    let node = network.start(0, "a").await;
    let browser = Browser::start().await;
    let console = Console::open(&browser, &node);
    console.page.wait_for_text("#node-rows", "a").await;
    console.page.fill("#user", &user_of(1, 5));
    console.page.press_enter("#user");
    let there = format!("{} has this user", network.name(1));
    console.page.wait_for_text("#find-error", &there).await;
    console.page.wait_for_text("#find-error", ".example:8088").await;
}

#[tokio::test]
async fn who_does_not_keep_up_is_listed_and_found_by_a_click() {
    let node = NodeConfig::new()
        .set("limits.maxUnprovenBytes", 16 * 1024)
        .start()
        .await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &node).await;
    let _slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..40 {
        sender.send(referenced("ANZ-2", "x".repeat(1000), &format!("r{n}")));
    }
    sender.expect_for("MESSAGE_ACCEPTED", "r39").await;
    console
        .page
        .wait_for_text("#slow-summary", "1 session does not keep up")
        .await;
    console.page.wait_for_text("#slow-rows", "KiB").await;
    console.click("#slow-rows button");
    console.page.wait_for_text("#found-user", "ANZ-2").await;
    console.page.wait_for_text("#found-summary", "wait for it.").await;
}

#[tokio::test]
async fn tokens_are_revoked_once_that_is_confirmed() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let mut client = Client::login(&node, "ANZ-2").await;
    let console = Console::shown(&browser, &node).await;
    console.find("ANZ-2").await;
    console.click("#revoke");
    console
        .page
        .wait_for_text("#confirm-title", "Revoke the tokens of ANZ-2?")
        .await;
    console.page.click("#confirm-yes");
    assert_eq!(client.closed().await, Some(4001));
    console
        .page
        .wait_for_text("#closed", "Its tokens are revoked")
        .await;
    console.page.fill("#message", "no id");
    console.click("#track button");
    console
        .page
        .wait_for_text("#track-error", "is not a message id")
        .await;
}
