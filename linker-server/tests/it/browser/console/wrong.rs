//! What is wrong, in one line.

use serde_json::json;

use super::Console;
use crate::browser::Browser;
use crate::harness::{
    Client, Domain, Network, Node, PrivatePostgres, SECRET, WAIT, eventually, referenced, user_of,
};

/// What is read out to who cannot see the line.
fn announced(console: &Console<'_>) -> String {
    console.page.text("#announced[aria-live=polite]")
}

#[tokio::test]
async fn a_store_that_is_away_is_told_and_that_it_is_back() {
    let mut postgres = PrivatePostgres::new();
    postgres.start();
    let domain = Domain::new().await.with_store(postgres.url(SECRET));
    let node = domain.start("a").await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &node).await;
    assert_eq!(announced(&console), "Everything is well.");
    postgres.kill();
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r"));
    console.says("The store is away since ").await;
    assert!(announced(&console).starts_with("The store is away"));
    let cause = console.page.text("#causes li");
    assert!(cause.starts_with("store: ") && cause.len() > 20, "{cause}");
    assert_eq!(console.page.text("#node-rows .chip"), "store");
    // The rest goes on: this page too.
    console.page.wait_for_text("#figures dd", "1").await;
    postgres.start();
    eventually("it is told that all is well again", WAIT, async || {
        if postgres.has_ended() {
            postgres.start();
        }
        (console.page.text("#wrong") == "Everything is well.").then_some(())
    })
    .await;
    assert_eq!(announced(&console), "Everything is well.");
}

#[tokio::test]
async fn a_link_that_is_down_is_told_and_drawn_with_what_waits() {
    let network = Network::line(3).await;
    let nodes = network.start_all().await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &nodes[0]).await;
    console
        .page
        .wait_for_text("#domains-summary", "3 domains, 2 links between them, all up.")
        .await;
    assert_eq!(console.page.count("#graph circle.domain"), 3);
    assert_eq!(console.page.count("#graph path.link"), 2);
    assert_eq!(console.page.count("#graph .down, #graph .cross"), 0);
    let own = console.ask(
        "return document.querySelector('#graph circle.own title').textContent",
        &[],
    );
    assert_eq!(own, network.name(0));

    network.cut(0, 1);
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    for n in 0..3 {
        sender.send(referenced(&user_of(1, 2), n, &format!("r{n}")));
    }
    sender.expect_for("MESSAGE_ACCEPTED", "r2").await;
    console
        .says(&format!("Link to {} is down since ", network.name(1)))
        .await;
    console.says(", 3 wait").await;
    // Not by colour alone.
    assert!(console.page.count("#graph path.cross") > 0);
    console.page.wait_for_text("#graph .backlog", "3 wait").await;
    console.click("#links summary");
    let row = console.ask(
        "return [...document.querySelector('#link-rows tr').children].map((cell) => cell.textContent)",
        &[],
    );
    assert_eq!(
        [&row[0], &row[1], &row[2], &row[3]],
        [
            &json!(network.name(0)),
            &json!(network.name(1)),
            &json!("✕ down"),
            &json!("3")
        ]
    );
    assert!(row[5].as_str().is_some_and(|why| !why.is_empty()), "{row}");
    network.heal(0, 1);
    console.says("Everything is well.").await;
    assert_eq!(console.page.count("#graph .cross"), 0);
}

#[tokio::test]
async fn a_node_that_stands_still_or_is_gone_is_told() {
    let domain = Domain::new().await;
    let [a, mut b] = domain.pair().await;
    let browser = Browser::start().await;
    let console = Console::shown(&browser, &a).await;
    b.signal("STOP");
    console.says("Node b does not answer").await;
    assert_eq!(
        console.page.text("#node-rows tr:first-child .chip"),
        "does not answer"
    );
    b.kill9();
    console.says("Node b is gone since ").await;
    assert_eq!(console.page.count("#node-rows tr"), 1);
    b.start_again().await;
    console.says("Everything is well.").await;
    // One that stops as it should is no trouble.
    assert_eq!(b.terminate().await, 0);
    eventually("it is not shown any more", WAIT, async || {
        (console.page.count("#node-rows tr") == 1).then_some(())
    })
    .await;
    console.says("Everything is well.").await;
}

#[tokio::test]
async fn a_node_that_dies_under_the_console_is_told_and_waited_for() {
    let (mut node, browser) = (Node::start().await, Browser::start().await);
    node.config.put("server.adminBind", node.admin.to_string().into());
    let console = Console::shown(&browser, &node).await;
    node.kill9();
    console.says("The node does not answer since ").await;
    assert!(console.is_shown("#nodes"), "what was known stays");
    node.start_again().await;
    console.says("Everything is well.").await;
}
