//! Tokens, and what they may.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::harness::{Client, Node, NodeConfig, WAIT, eventually};

async fn guarded() -> Node {
    NodeConfig::new()
        .set("server.adminToken", "adm1n")
        .set(
            "server.tokens",
            json!([{"token": "r3ad", "scopes": ["read"]}, {"token": "s3nd", "scopes": ["send"]}]),
        )
        .start()
        .await
}

async fn asked_for_a_token<'a>(browser: &'a Browser, node: &Node) -> Console<'a> {
    let console = Console::open(browser, node);
    eventually("a token is asked for", WAIT, async || {
        console.is_shown("#sign-in").then_some(())
    })
    .await;
    console
}

#[tokio::test]
async fn a_wrong_token_is_told_and_the_right_one_is_kept_until_one_signs_out() {
    let (node, browser) = (guarded().await, Browser::start().await);
    let console = asked_for_a_token(&browser, &node).await;
    console.says("This node is well. Sign in to see more.").await;
    assert!(!console.is_shown("#nodes") && !console.is_shown("#send"));
    for wrong in ["adm1", "tökén ✕"] {
        console.sign_in(wrong);
        console
            .page
            .wait_for_text("#sign-in-error", "The node does not know this token.")
            .await;
        assert!(!console.is_shown("#nodes"));
        console.page.clear("#token");
    }
    console.sign_in("adm1n");
    console.says("Everything is well.").await;
    assert!(console.is_shown("#nodes") && !console.is_shown("#sign-in"));
    assert_eq!(
        console.ask("return localStorage.length + document.cookie.length", &[]),
        0
    );
    // As long as the tab is there.
    console.ask("location.reload()", &[]);
    console.says("Everything is well.").await;
    console.click("#sign-out");
    eventually("a token is asked for again", WAIT, async || {
        console.is_shown("#sign-in").then_some(())
    })
    .await;
    assert_eq!(console.ask("return sessionStorage.length", &[]), 0);
}

#[tokio::test]
async fn who_may_only_read_is_told_what_it_may_not() {
    let (node, browser) = (guarded().await, Browser::start().await);
    let _client = Client::login(&node, "ANZ-2").await;
    let console = asked_for_a_token(&browser, &node).await;
    console.sign_in("r3ad");
    console.says("Everything is well.").await;
    console.find("ANZ-2").await;
    console
        .page
        .wait_for_text("#send-reason", "does not have the scope send")
        .await;
    assert_eq!(
        console.ask(
            "return document.querySelector('#send button').matches(':disabled')",
            &[]
        ),
        true
    );
    assert_eq!(
        console.ask("return document.querySelector('#close').disabled", &[]),
        true
    );
    console
        .page
        .wait_for_text("#close-reason", "does not have the scope admin")
        .await;
}

#[tokio::test]
async fn who_may_only_send_sends_and_sees_nothing() {
    let (node, browser) = (guarded().await, Browser::start().await);
    let mut client = Client::login(&node, "ANZ-2").await;
    let console = asked_for_a_token(&browser, &node).await;
    console.sign_in("s3nd");
    console
        .page
        .wait_for_text("#read-reason", "does not have the scope read")
        .await;
    console.says("This node is well.").await;
    assert!(!console.is_shown("#nodes") && !console.is_shown("#find"));
    console.page.fill("#to", "ANZ-2");
    console.page.fill("#content-text", "hello");
    console.click("#send button");
    assert_eq!(client.expect("MESSAGE").await["data"]["content"], "hello");
    console.page.wait_for_text("#sent", ". Message ").await;
}
