use serde_json::Value;

use super::*;
use crate::cli::Feature;
use crate::frame::decode;

const STAMP: Stamp = Stamp {
    sender: 7,
    sequence: 0xDEAD_BEEF,
    time_ns: 0x0123_4567_89AB_CDEF,
};

fn shape(size: usize) -> MessageShape {
    MessageShape {
        feature: Feature::Reliable,
        size,
        with_reference: true,
        with_confirmation: true,
        to_group: false,
    }
}

fn written(tag: RunTag, shape: MessageShape, recipient: &str) -> Value {
    let mut bytes = Vec::new();
    MessageWriter::new(tag, shape).append(&mut bytes, recipient.as_bytes(), STAMP);
    let frame = decode(&bytes).unwrap().unwrap();
    assert_eq!(frame.len, bytes.len());
    serde_json::from_slice(frame.payload).unwrap()
}

#[test]
fn a_message_is_the_frame_of_the_protocol_with_the_size_asked_for() {
    for size in [STAMP_LEN, 100, 1000, 60_000] {
        let frame = written(RunTag::of_test(1), shape(size), "ANZ-5");
        assert_eq!(frame["type"], "MESSAGE");
        assert_eq!(frame["data"]["to"], "ANZ-5");
        assert_eq!(frame["data"]["content"].as_str().unwrap().len(), size);
        assert_eq!(frame["feature"], "RELIABLE");
        assert_eq!(frame["reference"], "R0000000100000007deadbeef");
    }
}

#[test]
fn references_and_confirmations_are_asked_for_only_when_wanted() {
    let silent = written(
        RunTag::of_test(1),
        MessageShape {
            with_confirmation: false,
            ..shape(64)
        },
        "ANZ-5",
    );
    assert_eq!(silent["confirmationEnabled"], false);
    let plain = written(
        RunTag::of_test(1),
        MessageShape {
            with_reference: false,
            feature: Feature::Fast,
            ..shape(64)
        },
        "ANZ-5",
    );
    assert_eq!(plain.get("reference"), None);
    assert_eq!(plain["feature"], "FAST");
}

#[test]
fn a_group_message_names_all_its_recipients() {
    let frame = written(
        RunTag::of_test(1),
        MessageShape {
            to_group: true,
            ..shape(64)
        },
        "\"ANZ-5\",\"ANZ-6\"",
    );
    assert_eq!(frame["type"], "GROUP_MESSAGE");
    assert_eq!(frame["data"]["to"], serde_json::json!(["ANZ-5", "ANZ-6"]));
}

#[test]
fn what_the_server_makes_of_a_message_gives_its_stamp_back() {
    let tag = RunTag::of_test(0x00AB_CDEF);
    let sent = written(tag, shape(100), "ANZ-5");
    let (content, reference) = (&sent["data"]["content"], &sent["reference"]);
    let reader = FrameReader::new(tag);
    let text = format!(r#"{{"type":"MESSAGE","data":{{"from":"ANZ-1","content":{content}}},"id":"0"}}"#);
    assert_eq!(reader.read(text.as_bytes()), Incoming::Message(Some(STAMP)));
    assert_eq!(reader.read_echo(text.as_bytes()), Incoming::Message(Some(STAMP)));
    let answered = Some(Stamp { time_ns: 0, ..STAMP });
    let text =
        format!(r#"{{"data": {{"reference": {reference}}}, "id": "0", "type": "MESSAGE_CONFIRMATION"}}"#);
    assert_eq!(reader.read(text.as_bytes()), Incoming::Confirmation(answered));
    let text = format!(r#"{{"type":"MESSAGE_ACCEPTED","data":{{"reference":{reference},"id":"0"}}}}"#);
    assert_eq!(reader.read(text.as_bytes()), Incoming::Accepted(answered));
}

#[test]
fn a_message_of_another_run_has_no_stamp() {
    let sent = written(RunTag::of_test(1), shape(100), "ANZ-5");
    let reader = FrameReader::new(RunTag::of_test(2));
    assert_eq!(reader.read(sent.to_string().as_bytes()), Incoming::Message(None));
}

#[test]
fn every_type_a_server_sends_is_told_apart() {
    let reader = FrameReader::new(RunTag::of_test(1));
    let reply = br#"{"type":"AUTH_CLIENT_REPLY","data":{"appId":"a","isAuthenticated":true}}"#;
    assert_eq!(reader.read(reply), Incoming::LoginReply { accepted: true });
    let reply = br#"{ "type" : "AUTH_CLIENT_REPLY", "data":{"isAuthenticated" : false}}"#;
    assert_eq!(reader.read(reply), Incoming::LoginReply { accepted: false });
    let complete = br#"{"type":"FETCH_MISSING_MESSAGES_COMPLETE","data":{"leftMissingCount":25}}"#;
    assert_eq!(reader.read(complete), Incoming::FetchComplete { left: 25 });
    let error = br#"{"type":"ERROR","data":{"code":"INBOX_FULL","message":"full"}}"#;
    assert_eq!(
        reader.read(error),
        Incoming::Error {
            code: "INBOX_FULL",
            of: None
        }
    );
    assert_eq!(reader.read(br#"{"type":"PONG"}"#), Incoming::Other("PONG"));
    assert_eq!(reader.read(b"nonsense"), Incoming::Other(""));
}

#[test]
fn login_and_fetch_are_json_of_the_protocol() {
    let mut bytes = Vec::new();
    append_login(&mut bytes, "app-id-343", "ANZ-1", "{\"accepted\":true}");
    let frame: Value = serde_json::from_slice(decode(&bytes).unwrap().unwrap().payload).unwrap();
    let data = serde_json::json!({"appId": "app-id-343", "userId": "ANZ-1", "options": {"accepted": true}});
    assert_eq!(frame, serde_json::json!({"type": "AUTH_CLIENT", "data": data}));
    bytes.clear();
    append_fetch(&mut bytes, 2000);
    let frame: Value = serde_json::from_slice(decode(&bytes).unwrap().unwrap().payload).unwrap();
    assert_eq!(frame["data"]["count"], 2000);
}
