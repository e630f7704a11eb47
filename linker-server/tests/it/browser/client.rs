//! linker-client.js by itself, with a socket that its tests play.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::Node;

const TESTS: &str = include_str!("linker-client-tests.js");
const FOLLOW_TESTS: &str = include_str!("follow-tests.js");
const FAKE_SOCKET: &str = include_str!("fake-socket.js");

/// Loads the tests as modules beside the one that the node serves, and runs them.
const RUN: &str = "
    const [tests, followTests, fakeSocket] = arguments;
    const module = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const socket = module(fakeSocket);
    const follow = module(followTests.replace('./fake-socket.js', socket));
    const whole = module(tests.replace('./fake-socket.js', socket).replace('./follow-tests.js', follow));
    return Promise.all([import(whole), import(location.href)]).then(([{ run }, client]) => run(client));
";

#[tokio::test]
async fn linker_client_js_keeps_its_promises() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    // Scripts from elsewhere are what the page's policy is there to refuse; the tests are such a script.
    browser.debug("Page.setBypassCSP", json!({"enabled": true}));
    browser.go_to(&format!("http://{}/linker-client.js", node.ws));
    let outcome = browser.run(RUN, &[json!(TESTS), json!(FOLLOW_TESTS), json!(FAKE_SOCKET)]);
    let failures: Vec<&str> = outcome["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(outcome["count"].as_u64() > Some(20), "the tests ran: {outcome}");
}

/// The example of docs/CLIENTS.md, as it stands there but for the node's address.
#[tokio::test]
async fn the_example_for_client_writers_works() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = include_str!("../../../../docs/CLIENTS.md");
    let (_, code) = page.split_once("```js\n").unwrap();
    let (code, _) = code.split_once("\n```").unwrap();
    let code = code.replace("127.0.0.1:8088", &node.ws.to_string());
    browser.debug("Page.setBypassCSP", json!({"enabled": true}));
    browser.go_to(&format!("http://{}/linker-client.js", node.ws));
    let run = "
        const said = [];
        console.log = (...words) => said.push(words);
        const module = URL.createObjectURL(new Blob([arguments[0]], { type: 'text/javascript' }));
        return import(module).then(() => said);
    ";
    let said = browser.run(run, &[json!(code)]);
    assert_eq!(said[0], json!(["ANZ-1", {"text": "Hello"}]), "{said}");
    assert_eq!(said[1][0], "confirmed", "{said}");
}
