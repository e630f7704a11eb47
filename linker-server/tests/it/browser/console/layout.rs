//! The console on a phone, on a wide screen, in the light and in the dark.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::browser::layout::{CONTRAST, WIDER};
use crate::harness::{Client, Network, user_of};

#[tokio::test]
async fn nothing_is_wider_than_the_window_and_all_of_it_can_be_read() {
    let network = Network::line(3).await;
    let nodes = network.start_all().await;
    let _client = Client::login(&nodes[0], &user_of(0, 2)).await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &nodes[0]).await;
    console.find(&user_of(0, 2)).await;
    console.click("#new-push summary");
    console.click("#links summary");
    network.cut(0, 1);
    console.says("is down since ").await;
    // As long as an error may be.
    console.page.fill("#user", &"unbroken".repeat(60));
    console.page.press_enter("#user");
    console
        .page
        .wait_for_text("#find-error", "is not a user id")
        .await;
    console.find(&user_of(0, 2)).await;
    console.page.fill("#to", &"unbroken".repeat(60));
    console.page.fill("#content-text", "1");
    console.click("#send button");
    console
        .page
        .wait_for_text("#send-error", "is not a user id")
        .await;
    let mut grounds = Vec::new();
    for width in [320, 360, 768, 1280, 1920] {
        let metrics = json!({"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600});
        console
            .page
            .front()
            .debug("Emulation.setDeviceMetricsOverride", metrics);
        let wider = console.ask(WIDER, &[json!(width)]);
        assert_eq!(wider, json!([]), "what is wider than a window of {width}");
        let scrolls = console.ask(
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth",
            &[],
        );
        assert_eq!(scrolls, false, "{width}");
        for scheme in ["light", "dark"] {
            console.page.front().debug(
                "Emulation.setEmulatedMedia",
                json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
            );
            let lowest = console.ask(CONTRAST, &[]);
            assert!(
                lowest.as_f64().is_some_and(|ratio| ratio >= 4.5),
                "the lowest contrast in {scheme} at {width} is {lowest}"
            );
            grounds.push(console.ask("return getComputedStyle(document.body).backgroundColor", &[]));
        }
    }
    assert_ne!(grounds[0], grounds[1]);
}

/// Another network than there is: what the node answers is put in its place before the page runs.
const MANY: &str = "
    const domain = (n) => `domain-${String(n).padStart(2, '0')}`;
    const near = (n) => [...new Set([n - 1, n + 1, n * 2, Math.floor(n / 2)])].filter((m) => m >= 0 && m < 50 && m !== n);
    const domains = [...Array(50).keys()].map((n) => ({ name: domain(n), links: near(n).filter((m) => near(m).includes(n)).map((m) => ({ to: domain(m), state: n === 7 ? 'down' : 'up' })) }));
    const nodes = [...Array(52).keys()].map((n) => ({
      name: `connector-of-a-rather-long-name-${n}`, state: n === 5 ? 'draining' : 'up', sessions: 19_230, weight: 1, since: 1e12, version: '0.1.0', url: '', answers: n !== 3,
      rates: { received: { reliable: 1234.5, fast: 99 }, delivered: { reliable: 2000, fast: 99 }, stored: 1, forwarded: 0, dropped: 0, refused: 0, logins: 3 },
      pendingMessages: 1, pendingBytes: 1, slowConsumers: 240, cpu: 0.5, memoryBytes: 4e8, wrong: n === 4 ? [{ part: 'store', what: 'x'.repeat(200), since: 1e12 }] : [], notes: {},
    }));
    const sessions = [...Array(100).keys()].map((n) => ({ userId: `APPLICATION-${'9'.repeat(15)}${n}`, node: nodes[n % 52].name, unprovenBytes: 1e6, since: 1e12 }));
    const answers = [['whoami', { node: nodes[0].name, domain: domain(0), version: '0.1.0', scopes: ['admin'] }], ['nodes', nodes], ['domains', domains], ['slow', { total: 9000, sessions, silent: [nodes[3].name] }], ['pushes', []]];
    window.fetch = async (path) => Response.json(answers.find(([part]) => String(path).includes(part))[1]);
";

#[tokio::test]
async fn fifty_domains_and_fifty_two_nodes_are_drawn_and_fit() {
    let node = crate::harness::Node::start().await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &node).await;
    console
        .page
        .front()
        .debug("Page.addScriptToEvaluateOnNewDocument", json!({"source": MANY}));
    console.ask("location.reload()", &[]);
    console.page.wait_for_text("#nodes-title", "52 nodes").await;
    console.page.wait_for_text("#domains-summary", "50 domains").await;
    console
        .page
        .wait_for_text("#slow-summary", "9,000 sessions do not keep up")
        .await;
    assert_eq!(console.page.text("#figures dd"), "999,960");
    // Those that need somebody come first.
    let chips = console.ask(
        "return [...document.querySelectorAll('#node-rows .chip')].map((chip) => chip.textContent).filter(Boolean)",
        &[],
    );
    assert_eq!(chips, json!(["does not answer", "store", "draining"]));
    for width in [360, 1280] {
        let metrics = json!({"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600});
        console
            .page
            .front()
            .debug("Emulation.setDeviceMetricsOverride", metrics);
        console.page.wait_for_text("#graph", "domain-07").await;
        let wider = console.ask(WIDER, &[json!(width)]);
        assert_eq!(wider, json!([]), "what is wider than a window of {width}");
    }
    // There is room for every name.
    assert_eq!(console.page.count("#graph text.name"), 50);
    let first = console.ask("return document.querySelector('#graph').outerHTML", &[]);
    console.ask("location.reload()", &[]);
    console.page.wait_for_text("#graph", "domain-07").await;
    let second = console.ask("return document.querySelector('#graph').outerHTML", &[]);
    assert_eq!(first, second, "the same network is drawn the same");
}
