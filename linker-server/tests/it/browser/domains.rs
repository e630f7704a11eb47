//! Two domains: wherever the page logs in, it ends up in the user's own.

use serde_json::{Value, json};

use super::{Browser, Page};
use crate::harness::{Client, MASTER, MetaServer, Node, NodeConfig, WAIT, auth, eventually};

/// The first number whose home is the second domain.
const SPLIT: u64 = 1_000_000;

/// Where nobody listens: the nodes' own urls are known only once they run.
const NOWHERE: [&str; 2] = ["ws://127.0.0.1:9", "ws://127.0.0.1:9"];

/// Domains `one` and `two` with these urls; users from `split` on live in the second.
fn document(urls: &[impl ToString], split: u64) -> Value {
    json!({
        "domains": [
            {"name": "one", "urls": [urls[0].to_string()]},
            {"name": "two", "urls": [urls[1].to_string()]},
        ],
        "domainLinks": [],
        "clientApps": [{"appName": "ANZ", "appId": "app-id-343", "masterUserId": MASTER, "authEnabled": false}],
        "userDistributions": [
            {"domainName": "one", "from": 0, "to": split - 1},
            {"domainName": "two", "from": split},
        ],
    })
}

/// A node of each of two domains, and the meta server that both follow.
struct Domains {
    meta: MetaServer,
    one: Node,
    two: Node,
}

impl Domains {
    /// Starts them, and waits until each sends the other's users there.
    async fn start() -> Self {
        let meta = MetaServer::start(document(&NOWHERE, SPLIT)).await;
        let node = async |domain: &str| {
            let config = NodeConfig::new().without("clientApps");
            let config = config
                .set("node.domain", domain)
                .set("meta.url", meta.url())
                .set("meta.refresh", "200ms");
            config.start().await
        };
        let (one, two) = tokio::join!(node("one"), node("two"));
        let domains = Self { meta, one, two };
        domains.split_at(SPLIT).await;
        until_sent_to(&domains.one, &format!("ANZ-{SPLIT}"), &url_of(&domains.two)).await;
        until_sent_to(&domains.two, &format!("ANZ-{}", SPLIT - 1), &url_of(&domains.one)).await;
        domains
    }

    /// Serves a document in which users from this number on live in the second domain.
    async fn split_at(&self, number: u64) {
        let urls = [&self.one, &self.two].map(|node| format!("ws://{}", node.ws));
        self.meta.serve(document(&urls, number)).await;
    }
}

/// What clients of this node connect to.
fn url_of(node: &Node) -> String {
    format!("ws://{}/ws", node.ws)
}

/// Waits until a login of this user is answered with this url.
async fn until_sent_to(node: &Node, user: &str, url: &str) {
    eventually(&format!("{user} is sent to {url}"), WAIT, async || {
        let mut client = Client::try_connect(node.ws).await?;
        client.send(auth(user));
        let reply = client.next_or_closed().await?;
        (reply["data"]["urls"] == json!([url])).then_some(())
    })
    .await;
}

/// Waits until the page says that it is logged in at this node, and has its url in the field.
async fn until_at(page: &Page<'_>, user: &str, node: &Node) {
    page.wait_for_text("#status", &format!("Logged in as {user} at {}", node.ws))
        .await;
    assert_eq!(page.value("#url"), url_of(node));
}

#[tokio::test]
async fn a_user_of_the_other_domain_ends_up_logged_in_there() {
    let (domains, browser) = (Domains::start().await, Browser::start().await);
    let user = "ANZ-1000007";
    let page = Page::open(&browser, &domains.one, user);
    page.click("#login-button");
    until_at(&page, user, &domains.two).await;

    let replies = page.frames_of("in", "AUTH_CLIENT_REPLY");
    let codes: Vec<&Value> = replies
        .iter()
        .map(|reply| &reply["data"]["error"]["code"])
        .collect();
    assert_eq!(codes, [&json!("WRONG_DOMAIN"), &Value::Null]);
    let mut neighbour = Client::login(&domains.two, "ANZ-1000008").await;
    page.send("ANZ-1000008", "from the page of the other domain");
    let received = neighbour.expect("MESSAGE").await;
    assert_eq!(received["data"]["from"], user);
    page.wait_for_text("#messages .out .state", "delivered in").await;
}

#[tokio::test]
async fn it_comes_back_to_the_domain_that_it_was_sent_to() {
    let (mut domains, browser) = (Domains::start().await, Browser::start().await);
    domains
        .two
        .config
        .put("server.bind", domains.two.ws.to_string().into());
    let user = "ANZ-1000007";
    let page = Page::open(&browser, &domains.one, user);
    page.click("#login-button");
    until_at(&page, user, &domains.two).await;
    domains.two.kill9();
    page.wait_for_text("#status", "next try in").await;
    page.send(user, "written while it was down");
    domains.two.start_again().await;
    until_at(&page, user, &domains.two).await;
    page.wait_for_messages(&["written while it was down"]).await;
}

#[tokio::test]
async fn a_user_who_is_moved_while_logged_in_moves_and_comes_home_again() {
    let (domains, browser) = (Domains::start().await, Browser::start().await);
    let user = "ANZ-500000";
    let page = Page::logged_in(&browser, &domains.one, user).await;
    assert_eq!(page.text("#status"), format!("Logged in as {user}"));
    domains.split_at(500_000).await;
    until_at(&page, user, &domains.two).await;
    page.send(user, "to myself, over there");
    page.wait_for_messages(&["to myself, over there"]).await;

    domains.split_at(SPLIT).await;
    eventually("the page is home again", WAIT, async || {
        (page.text("#status") == format!("Logged in as {user}")).then_some(())
    })
    .await;
    assert_eq!(page.value("#url"), url_of(&domains.one));
    page.send(user, "to myself, at home");
    page.wait_for_messages(&["to myself, over there", "to myself, at home"])
        .await;
}
