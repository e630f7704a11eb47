//! What the document says is spoken: its examples are sent to a real node, and everything the node says is as described.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Document, Side};
use crate::harness::{Client, Frame, Node, NodeConfig, auth, referenced};

/// The two who speak in the examples.
const MASTER: &str = "ANZ-123223";
const FRIEND: &str = "ANZ-1231211";

/// Checks what is said, and remembers it.
struct Talk {
    document: Document,
    heard: BTreeSet<String>,
    said: BTreeSet<String>,
}

impl Talk {
    fn new() -> Self {
        Self {
            document: Document::read(),
            heard: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    /// The example of this name, which counts as said.
    fn example(&mut self, name: &str) -> Value {
        let examples = self.document.examples(Side::Client);
        let (name, payload) = examples.into_iter().find(|(key, _)| key == name).unwrap();
        self.said.insert(name);
        payload
    }

    fn hear(&mut self, frame: &Frame) {
        self.document.check(Side::Server, frame);
        self.heard.insert(frame.kind().to_owned());
    }

    /// The first frame of this type, as described; those before it are heard later.
    async fn expect(&mut self, client: &mut Client, kind: &str) -> Frame {
        let frame = client.expect(kind).await;
        self.hear(&frame);
        frame
    }

    /// All that has come until now.
    async fn listen(&mut self, client: &mut Client) -> Vec<Frame> {
        let frames = client.fence().await;
        frames.iter().for_each(|frame| self.hear(frame));
        frames
    }

    async fn login(&mut self, node: &Node, name: &str) -> Client {
        let mut client = Client::connect(node).await;
        client.send(self.example(name));
        let reply = self.expect(&mut client, "AUTH_CLIENT_REPLY").await;
        assert_eq!(reply["data"]["isAuthenticated"], true, "{}", reply.text);
        client
    }
}

#[tokio::test]
async fn every_example_of_a_client_is_understood_and_every_answer_is_as_described() {
    let mut talk = Talk::new();
    // An application that is never there: what is for it waits.
    let application = json!({"url": "http://127.0.0.1:9/nobody", "secret": "0123456789abcdef"});
    let node = NodeConfig::new().set("upstream", application).start().await;
    let mut master = talk.login(&node, "authClient/login").await;
    let mut friend = talk.login(&node, "authClient/options").await;
    talk.expect(&mut friend, "FETCH_MISSING_MESSAGES_COMPLETE").await;
    talk.expect(&mut master, "USER_CONNECTED").await;

    // The friend acknowledges, as it has said at login: what it gets, and what the example names.
    master.send(talk.example("sendMessage/reliable"));
    let message = talk.expect(&mut friend, "MESSAGE").await;
    assert_eq!(message["data"]["from"], MASTER);
    friend.send(json!({"type": "MESSAGE_ACK", "data": {"ids": [message.id()]}}));
    friend.send(talk.example("messageAck/ack"));
    talk.expect(&mut master, "MESSAGE_CONFIRMATION").await;
    friend.send(talk.example("sendMessageRead/read"));
    talk.expect(&mut master, "MESSAGE_READ").await;
    friend.send(talk.example("sendMessage/unconfirmed"));
    talk.expect(&mut friend, "MESSAGE_ACCEPTED").await;

    // Whatever else a client may say: nothing of it is malformed to the node.
    let last = "closeConnection/close";
    for (name, _) in talk.document.examples(Side::Client) {
        if !talk.said.contains(&name) && name != last {
            master.send(talk.example(&name));
        }
    }
    for frame in talk.listen(&mut master).await {
        let malformed = ["INVALID_JSON", "UNKNOWN_TYPE", "INVALID_FIELD", "INVALID_USER_ID"];
        assert!(
            frame.kind() != "ERROR" || !malformed.contains(&frame.code()),
            "{}",
            frame.text
        );
    }
    talk.listen(&mut friend).await;

    // Two messages are for who comes now: that to the group may be on its way into the store still.
    let mut late = Client::login(&node, "XYZ-2").await;
    let reply = late.reply.take().unwrap();
    talk.hear(&reply);
    assert!(reply["data"]["missing"].as_u64() > Some(0), "{}", reply.text);
    late.send(talk.example("fetchMissingMessages/fetch"));
    talk.expect(&mut late, "FETCH_MISSING_MESSAGES_COMPLETE").await;
    talk.expect(&mut late, "MESSAGE").await;
    talk.expect(&mut late, "MESSAGE").await;

    master.send(json!({"type": "MESSAGE", "data": {"content": 1}, "reference": "abc125"}));
    let error = talk.expect(&mut master, "ERROR").await;
    assert_eq!(
        (error.code(), &error["reference"]),
        ("INVALID_FIELD", &json!("abc125"))
    );
    master.send(talk.example("ping/ping"));
    talk.expect(&mut master, "PONG").await;

    master.send(talk.example(last));
    assert_eq!(friend.closed().await, Some(4010));
    let gone = talk.expect(&mut master, "USER_DISCONNECTED").await;
    assert_eq!(gone["data"]["userId"], FRIEND);

    let examples = talk.document.examples(Side::Client);
    let unsaid: Vec<&String> = examples
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !talk.said.contains(*name))
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
    let described: BTreeSet<String> = talk
        .document
        .types(Side::Server)
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(talk.heard, described);
}

#[tokio::test]
async fn refused_logins_are_answered_as_described() {
    let document = Document::read();
    let node = Node::start().await;
    let mut wrong_app = auth("ANZ-1");
    wrong_app["data"]["appId"] = json!("app-id-XYZ");
    let mut no_user = auth("ANZ-1");
    no_user["data"]["userId"] = json!("nobody at all");
    let mut no_app = auth("ANZ-1");
    no_app["data"]["appId"] = json!("no app");
    for (frame, code) in [
        (wrong_app, "WRONG_APP"),
        (no_user, "INVALID_USER_ID"),
        (no_app, "UNKNOWN_APP"),
    ] {
        let reply = Client::refused(&node, frame).await;
        document.check(Side::Server, &reply);
        assert_eq!(reply.code(), code);
    }
}

#[tokio::test]
async fn a_user_of_another_domain_is_told_where_to_go_as_described() {
    let config = NodeConfig::new();
    let meta = json!({
        "domains": [
            {"name": "domain-01", "urls": ["ws://127.0.0.1:1/ws"]},
            {"name": "domain-02", "urls": ["wss://domain-02.example/ws"]},
        ],
        "domainLinks": [{"n1": "domain-01", "n2": "domain-02"}],
        "userDistributions": [
            {"domainName": "domain-01", "from": 0, "to": 99},
            {"domainName": "domain-02", "from": 100},
        ],
    });
    let file = config.write("meta.yml", &meta.to_string());
    let node = config.set("meta", json!({"file": file})).start().await;
    let reply = Client::refused(&node, auth("ANZ-123223")).await;
    Document::read().check(Side::Server, &reply);
    assert_eq!(reply.code(), "WRONG_DOMAIN");
    assert_eq!(reply["data"]["urls"], json!(["wss://domain-02.example/ws"]));
}

#[tokio::test]
async fn an_error_that_waits_for_its_sender_is_as_described() {
    let node = NodeConfig::new()
        .set("reliable.retention.maxPerUser", 1)
        .start()
        .await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["first".to_owned()]).await;
    sender.send(referenced("ANZ-2", 2, "second"));
    let error = sender.expect_error("INBOX_FULL").await;
    Document::read().check(Side::Server, &error);
    assert!(error["id"].is_string(), "{}", error.text);
}
