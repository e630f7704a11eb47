//! `content` is carried, not interpreted.

use serde_json::Value;

use crate::harness::{Client, Frame, Node};

/// The bytes of `content` in a frame.
fn content_text(frame: &Frame) -> String {
    #[derive(serde::Deserialize)]
    struct Data {
        content: Box<serde_json::value::RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Message {
        data: Data,
    }
    let message: Message = serde_json::from_str(&frame.text).unwrap();
    message.data.content.get().to_owned()
}

/// Sends the text as content to oneself and returns what arrives.
async fn through(client: &mut Client, content: &str) -> Frame {
    client.send_text(format!(
        r#"{{"type":"MESSAGE","data":{{"to":"ANZ-1","content":{content}}}}}"#
    ));
    client.next().await
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for number in [
        "0",
        "-0",
        "-0.0",
        "1.0",
        "1.10",
        "9007199254740993",
        "123456789012345678901234567890",
        "-123456789012345678901234567890.000100",
        "0.1000000000000000055511151231257827",
        "1e400",
        "1E+05",
        "2.5e-999",
    ] {
        assert_eq!(content_text(&through(&mut client, number).await), number);
    }
}

#[tokio::test]
async fn keys_keep_their_order_and_repeated_keys_stay() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for object in [
        r#"{"z":1,"a":2,"m":{"b":1,"a":2},"10":1,"9":2}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":0}"#,
    ] {
        assert_eq!(content_text(&through(&mut client, object).await), object);
    }
}

#[tokio::test]
async fn any_json_value_is_content() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for value in [
        "null",
        "true",
        "false",
        r#""""#,
        "[]",
        "{}",
        "[[],{},null]",
        r#""}]""#,
    ] {
        assert_eq!(content_text(&through(&mut client, value).await), value);
    }
}

#[tokio::test]
async fn escapes_and_every_kind_of_character_mean_the_same() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for string in [
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000\u001f\u007f""#,
        r#""\u00e9\uD83D\uDE00""#,
        r#""é 😀 漢字 \u2028\u2029""#,
        "\"\u{2028}\u{feff}\u{10ffff}\"",
        r#""<script>&amp;</script>""#,
    ] {
        let frame = through(&mut client, string).await;
        let sent: Value = serde_json::from_str(string).unwrap();
        assert_eq!(frame["data"]["content"], sent, "{string}");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_arrives_as_it_was_sent() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let frame = through(&mut client, r#""a\ud800b""#).await;
    assert!(frame.text.to_lowercase().contains(r"a\ud800b"), "{}", frame.text);
}

#[tokio::test]
async fn deep_nesting_is_carried() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let deep = format!("{}7{}", "[".repeat(10_000), "]".repeat(10_000));
    let frame = through(&mut client, &deep).await;
    assert!(
        frame.text.contains(&deep),
        "{}…",
        &frame.text[..frame.text.len().min(200)]
    );
}

#[tokio::test]
async fn content_of_nearly_64_kib_arrives_whole() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let text: String = ('a'..='z').cycle().take(65_000).collect();
    let frame = through(&mut client, &format!("\"{text}\"")).await;
    assert_eq!(frame["data"]["content"], Value::String(text));
}

#[tokio::test]
async fn what_was_stored_is_as_faithful_as_what_was_live() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-2", serde_json::json!({"accepted": true})).await;
    let contents = [
        r#"{"z":1.10,"a":[123456789012345678901234567890,1E400]}"#,
        r#""\ud83d\ude00\u0000""#,
        "null",
    ];
    for (n, content) in contents.iter().enumerate() {
        sender.send_text(format!(
            r#"{{"type":"MESSAGE","data":{{"to":"ANZ-1","content":{content}}},"reference":"r{n}"}}"#
        ));
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
    }
    let mut receiver = Client::login(&node, "ANZ-1").await;
    let (page, _) = receiver.fetch(10).await;
    assert_eq!(content_text(&page[0]), contents[0]);
    assert_eq!(page[1]["data"]["content"], "😀\u{0}");
    assert_eq!(content_text(&page[2]), "null");
}
