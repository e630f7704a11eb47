use super::*;
use crate::cli::{Feature, TargetKind};
use crate::protocol::testing::{CONTENT, Listener, STAMP, every_cut_is_incomplete, payloads, shape, tag};

const INFO: &[u8] = b"INFO {\"server_id\":\"N\",\"version\":\"2.9.10\",\"headers\":true} \r\n";

fn listener() -> Listener {
    Listener::new(TargetKind::Nats)
}

fn message() -> Vec<u8> {
    format!("MSG u.ANZ-5 1 {}\r\n{CONTENT}\r\n", CONTENT.len()).into_bytes()
}

#[test]
fn a_login_is_an_answer_to_the_greeting_and_ends_with_the_pong() {
    let mut listener = listener();
    assert_eq!(listener.meaning(INFO), None);
    let answer = format!("{CONNECT}\r\nSUB u.ANZ-5 1\r\nPING\r\n");
    assert_eq!(listener.answered(), [answer.as_bytes()]);
    assert_eq!(
        listener.meaning(b"PONG\r\n"),
        Some(Incoming::LoginReply { accepted: true })
    );
    // Later ones mean nothing.
    assert_eq!(listener.meaning(INFO), None);
    assert_eq!(listener.meaning(b"PONG\r\n"), None);
    assert!(listener.answered().is_empty());
    let settings: serde_json::Value =
        serde_json::from_str(CONNECT.strip_prefix("CONNECT ").unwrap()).unwrap();
    assert_eq!(settings["verbose"], false);
}

#[test]
fn a_member_subscribes_to_its_group_too() {
    let mut listener = listener();
    listener.options.group = Some(12);
    assert_eq!(listener.meaning(INFO), None);
    let answer = String::from_utf8(listener.answered().remove(0)).unwrap();
    assert!(
        answer.ends_with("SUB u.ANZ-5 1\r\nSUB g.12 2\r\nPING\r\n"),
        "{answer}"
    );
}

#[test]
fn an_error_before_the_login_refuses_it() {
    let mut listener = listener();
    listener.meaning(INFO);
    assert_eq!(
        listener.meaning(b"-ERR 'Authorization Violation'\r\n"),
        Some(Incoming::Error {
            code: "'Authorization Violation'",
            of: None
        })
    );
}

#[test]
fn a_message_is_one_pub_with_its_length() {
    let mut out = Vec::new();
    Writer::new(tag(), shape(Feature::Fast, false)).append(&mut out, b"ANZ-5", STAMP);
    let expected = format!("PUB u.ANZ-5 {}\r\n{CONTENT}\r\n", CONTENT.len());
    assert_eq!(payloads(&out), [expected.as_bytes()]);
    out.clear();
    Writer::new(tag(), shape(Feature::Fast, true)).append(&mut out, b"12", STAMP);
    assert!(payloads(&out)[0].starts_with(b"PUB g.12 45\r\n~"));
}

#[test]
fn messages_are_read_with_and_without_a_reply_subject() {
    let mut listener = listener();
    let stamped = Some(Incoming::Message(Some(STAMP)));
    assert_eq!(listener.meaning(&message()), stamped);
    let replied = format!("MSG u.ANZ-5 1 _INBOX.1 {}\r\n{CONTENT}\r\n", CONTENT.len());
    assert_eq!(listener.meaning(replied.as_bytes()), stamped);
    // The protocol's own example.
    let foreign = b"MSG FOO.BAR 9 11\r\nHello World\r\n";
    assert_eq!(listener.meaning(foreign), Some(Incoming::Message(None)));
}

#[test]
fn pings_are_answered() {
    let mut listener = listener();
    assert_eq!(listener.meaning(b"PING\r\n"), None);
    assert_eq!(listener.answered(), [b"PONG\r\n"]);
}

#[test]
fn a_line_cut_anywhere_is_incomplete() {
    every_cut_is_incomplete(TargetKind::Nats, &[&message(), INFO, b"PING\r\n", b"+OK\r\n"]);
}

#[test]
fn the_bytes_after_a_message_are_left_for_the_next() {
    let first = message();
    let both = [&first[..], b"PING\r"].concat();
    assert_eq!(listener().read(&both).unwrap().unwrap().len, first.len());
}

#[test]
fn what_no_server_may_send_is_an_error() {
    for wrong in [
        &b"MSG u 1 x\r\n"[..],
        b"MSG\r\n",
        b"MSG u 1 99999999999\r\n",
        b"HELLO\r\n",
        &[b'I'; LINE_LEN_MAX + 1],
    ] {
        assert!(listener().read(wrong).is_err());
    }
}
