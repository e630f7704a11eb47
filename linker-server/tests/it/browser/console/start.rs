//! The console as it is opened.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::harness::{Client, Domain, Node, NodeConfig, WAIT, eventually, fast};

#[tokio::test]
async fn a_node_alone_with_nothing_to_do_is_shown_without_a_fault() {
    let node = NodeConfig::new()
        .set("node.name", "lone")
        .set("node.domain", "island")
        .start()
        .await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &node).await;
    assert_eq!(console.page.text("#where"), "island · lone");
    assert!(!console.is_shown("#sign-in"));
    assert_eq!(console.page.text("#node-rows b"), "lone");
    console
        .page
        .wait_for_text("#domains-summary", "island is alone")
        .await;
    console
        .page
        .wait_for_text("#slow-summary", "Every session keeps up")
        .await;
    eventually("it says that there are no pushes", WAIT, async || {
        console.is_shown("#pushes-none").then_some(())
    })
    .await;
    assert_eq!(browser.faults(), Vec::<String>::new());
    let elsewhere = console.ask(
        "return performance.getEntries().map((entry) => entry.name).filter((name) => name.includes('://') && !name.startsWith(location.origin))",
        &[],
    );
    assert_eq!(elsewhere, json!([]), "nothing is asked of anybody else");
}

#[tokio::test]
async fn sessions_and_rates_of_all_nodes_are_shown_as_they_change() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &a).await;
    assert_eq!(console.page.text("#nodes-title"), "2 nodes");
    let mut client = Client::login(&b, "ANZ-1").await;
    console.page.wait_for_text("#figures dd", "1").await;
    for n in 0..500 {
        client.send(fast("ANZ-1", n));
    }
    client.fence().await;
    let rate = "return [...document.querySelectorAll('#node-rows tr')].map((row) => Number(row.children[2].textContent))";
    eventually("the rate of the other node", WAIT, async || {
        let rates = console.ask(rate, &[]);
        (rates[0] == 0 && rates[1].as_f64() > Some(0.0)).then_some(())
    })
    .await;
    let points = console.ask(
        "return document.querySelector('#figures polyline').getAttribute('points').split(' ').length",
        &[],
    );
    assert!(points.as_u64() > Some(1), "a line is drawn: {points}");
}

#[tokio::test]
async fn it_does_not_ask_while_nobody_looks() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let console = Console::shown(&browser, &node).await;
    // As where another tab is in front.
    console.ask(
        "Object.defineProperty(document, 'hidden', { get: () => window.away ?? true, configurable: true });
         document.dispatchEvent(new Event('visibilitychange'));",
        &[],
    );
    let asked = async || console.ask("return performance.getEntriesByType('resource').length", &[]);
    // What is under way may end; from two turns on nothing new may have begun.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let before = asked().await;
    tokio::time::sleep(std::time::Duration::from_millis(4500)).await;
    assert_eq!(asked().await, before);
    console.ask(
        "window.away = false; document.dispatchEvent(new Event('visibilitychange'));",
        &[],
    );
    eventually("it asks again", WAIT, async || {
        (asked().await.as_u64() > before.as_u64()).then_some(())
    })
    .await;
}
