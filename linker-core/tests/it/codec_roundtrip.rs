//! Frames there and back.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linker_core::code::{ErrorCode, FrameError};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::frame::{AuthReply, AuthRequest, ClientFrame, ServerFrame};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::strategy::{message_id, user_id};

/// White space that JSON allows.
fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,3}"
}

/// Any JSON, with numbers of any size and keys in any order.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        Just(r#""\u00e9\ud83d\ude00\/""#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let pair = (any::<String>(), inner.clone(), space());
        prop_oneof![
            (vec(inner, 0..4), space())
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!(",{space}")))),
            vec(pair, 0..4).prop_map(|pairs| {
                let fields = pairs
                    .into_iter()
                    .map(|(key, value, space)| format!("{space}{}:{space}{value}", Value::from(key)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// The text as a JSON string with some characters escaped that need not be.
fn escaped(text: &str, every: usize) -> String {
    let mut out = String::from("\"");
    for (index, unit) in text.chars().enumerate() {
        if every > 0 && index % every == 0 {
            let mut units = [0; 2];
            for unit in unit.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            let quoted = Value::from(unit.to_string()).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    out + "\""
}

fn reference() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("1 to 256 bytes", |text| (1..=256).contains(&text.len()))
}

fn encoded(frame: &ServerFrame) -> (String, Value) {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (text, value)
}

proptest! {
    /// Order of keys, white space, unknown and repeated fields and escapes mean nothing; the content comes through byte for byte.
    #[test]
    fn a_message_is_read_however_it_is_written(
        to in any::<String>(),
        content in json(),
        reference in reference(),
        fast in any::<bool>(),
        confirm in any::<bool>(),
        unknown in json(),
        space in space(),
        every in 0..4usize,
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let data = format!(
            "{{{space}\"more\":{unknown},{}:{space}{content}{space},{}:{}}}",
            escaped("content", every), escaped("to", every), escaped(&to, every),
        );
        let feature = if fast { "FAST" } else { "RELIABLE" };
        let fields = [
            format!("{}:{space}{}", escaped("type", every), escaped("MESSAGE", every)),
            format!("{}:{space}{data}", escaped("data", every)),
            format!("\"feature\":\"{feature}\""),
            format!("{space}\"reference\":{}", escaped(&reference, every)),
            format!("\"confirmationEnabled\":{confirm}{space}"),
            format!("\"unknown\":{unknown}"),
        ];
        let written: Vec<&str> = order.iter().map(|&field| fields[field].as_str()).collect();
        let text = format!("{space}{{\"type\":\"OTHER\",\"reference\":null,{}}}{space}", written.join(","));
        let frame = ClientFrame::parse(&text).unwrap();
        prop_assert_eq!(frame.kind(), Some("MESSAGE"));
        prop_assert_eq!(frame.feature().unwrap(), if fast { Feature::Fast } else { Feature::Reliable });
        let read = frame.reference().unwrap();
        prop_assert_eq!(read.as_deref(), Some(reference.as_str()));
        prop_assert_eq!(frame.confirmation_enabled().unwrap(), confirm);
        let data = frame.data(&["to", "content"]).unwrap();
        prop_assert_eq!(linker_core::frame::read_string(data.raw(0).unwrap(), "to").unwrap(), to);
        prop_assert_eq!(data.raw(1).unwrap().get(), content);
    }

    /// Text that is not one JSON object is `INVALID_JSON`, and nothing makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), json(), "[{}\\[\\]\",:a-z0-9\\\\ ]{0,40}"]) {
        let object = matches!(serde_json::from_str(&text), Ok(Value::Object(_)));
        match ClientFrame::parse(&text) {
            Ok(frame) => {
                let _ = (frame.kind(), frame.feature(), frame.reference(), frame.confirmation_enabled());
                let _ = AuthRequest::read(&frame);
            }
            Err(error) => {
                prop_assert_eq!(error.code, ErrorCode::InvalidJson);
                prop_assert!(!object, "{} was refused: {}", text, error);
            }
        }
    }

    /// What the server sends says what was meant, whatever stands in references and contents.
    #[test]
    fn server_frames_are_json_and_mean_what_they_should(
        id in message_id(),
        from in user_id(),
        to in user_id(),
        reference in proptest::option::of(reference()),
        content in json(),
        timestamp_ms in any::<u64>(),
        fast in any::<bool>(),
    ) {
        let envelope = |kind| Envelope {
            id, kind,
            feature: if fast { Feature::Fast } else { Feature::Reliable },
            from, to,
            reference: reference.as_deref().map(Into::into),
            confirm: false,
            timestamp_ms,
            content: Bytes::from(content.clone()),
            trail: None,
        };
        let (text, frame) = encoded(&ServerFrame::Envelope(Arc::new(envelope(Kind::Message))));
        prop_assert_eq!(&frame["type"], "MESSAGE");
        prop_assert_eq!(&frame["id"], &id.to_string());
        prop_assert_eq!(&frame["data"]["from"], &from.to_string());
        prop_assert_eq!(frame["reference"].as_str(), reference.as_deref());
        prop_assert_eq!(frame["timestamp"].as_u64(), Some(timestamp_ms));
        let whole = format!(r#""content":{content}}}"#);
        prop_assert!(text.contains(&whole), "the content is not as written: {}", text);
        for (kind, name) in [
            (Kind::Confirmation, "MESSAGE_CONFIRMATION"),
            (Kind::Read, "MESSAGE_READ"),
            (Kind::UserConnected, "USER_CONNECTED"),
            (Kind::UserDisconnected, "USER_DISCONNECTED"),
        ] {
            let (_, frame) = encoded(&ServerFrame::Envelope(Arc::new(envelope(kind))));
            prop_assert_eq!(&frame["type"], name);
            prop_assert_eq!(&frame["id"], &id.to_string());
            if kind.is_event() {
                prop_assert_eq!(&frame["data"]["userId"], &from.to_string());
            } else {
                prop_assert_eq!(&frame["data"]["reference"], reference.as_deref().unwrap_or_default());
            }
        }
    }

    /// Replies, errors and receipts carry any text.
    #[test]
    fn replies_and_errors_carry_any_text(a in any::<String>(), b in any::<String>(), id in message_id(), left in any::<u64>()) {
        let error = FrameError::new(ErrorCode::WrongDomain, a.clone());
        let reply = AuthReply {
            app_id: a.clone(),
            user_id: b.clone(),
            error: Some(error.clone()),
            urls: vec![b.clone()],
            missing: None,
        };
        let (_, frame) = encoded(&ServerFrame::AuthReply(Box::new(reply)));
        prop_assert_eq!(&frame["data"]["appId"], &a);
        prop_assert_eq!(&frame["data"]["userId"], &b);
        prop_assert_eq!(&frame["data"]["isAuthenticated"], false);
        prop_assert_eq!(&frame["data"]["error"]["message"], &a);
        prop_assert_eq!(&frame["data"]["urls"][0], &b);
        let (_, frame) = encoded(&ServerFrame::Error { error, reference: Some(b.as_str().into()) });
        prop_assert_eq!(&frame["data"]["code"], "WRONG_DOMAIN");
        prop_assert_eq!(&frame["reference"], &b);
        let (_, frame) = encoded(&ServerFrame::Accepted { reference: a.as_str().into(), id });
        prop_assert_eq!(&frame["data"]["reference"], &a);
        prop_assert_eq!(&frame["data"]["id"], &id.to_string());
        let (_, frame) = encoded(&ServerFrame::FetchComplete { left });
        prop_assert_eq!(frame["data"]["leftMissingCount"].as_u64(), Some(left));
    }
}

#[test]
fn the_first_frames_ever_written_are_understood() {
    let login = r#"{
"type": "AUTH_CLIENT",
"data": {
"appId": "app-id-343",
"userId": "ANZ-123223",
"token": "token-12345"
}
}"#;
    let request = AuthRequest::read(&ClientFrame::parse(login).unwrap()).unwrap();
    assert_eq!(
        (&*request.app_id, &*request.user_id),
        ("app-id-343", "ANZ-123223")
    );
    assert_eq!(request.token.as_deref(), Some("token-12345"));
    let message = r#"{
"type": "MESSAGE",
"data": {
"to": "ANZ-1232121",
"content": "some thing here to send"
},
"feature":"RELIABLE",
"reference":"abc123"
}"#;
    let frame = ClientFrame::parse(message).unwrap();
    assert_eq!(frame.kind(), Some("MESSAGE"));
    assert_eq!(frame.reference().unwrap().as_deref(), Some("abc123"));
    let data = frame.data(&["to", "content"]).unwrap();
    assert_eq!(data.raw(1).unwrap().get(), r#""some thing here to send""#);
}

#[test]
fn null_is_as_good_as_absent_and_an_empty_reference_is_not() {
    let frame =
        ClientFrame::parse(r#"{"type":null,"reference":null,"feature":null,"confirmationEnabled":null}"#)
            .unwrap();
    assert_eq!(frame.kind(), None);
    assert_eq!(frame.reference().unwrap(), None);
    assert_eq!(frame.feature().unwrap(), Feature::Reliable);
    assert!(frame.confirmation_enabled().unwrap());
    for wrong in [r#""""#, "1", "{}", &format!("\"{}\"", "x".repeat(257))] {
        let text = format!(r#"{{"reference":{wrong}}}"#);
        let error = ClientFrame::parse(&text).unwrap().reference().unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidField);
    }
}
