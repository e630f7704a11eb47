use super::*;
use crate::cli::TargetKind;
use crate::protocol::testing::{CONTENT, Listener, STAMP, payloads, shape, tag};

fn listener() -> Listener {
    Listener::new(TargetKind::SocketIo)
}

#[test]
fn a_login_answers_the_greeting_and_ends_with_the_namespaces_answer() {
    let mut listener = listener();
    let greeting = br#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    assert_eq!(listener.meaning(greeting), None);
    assert_eq!(listener.answered(), [br#"40{"user":"ANZ-5"}"#]);
    assert_eq!(
        listener.meaning(br#"40{"sid":"wZX3oN0bSVIhsaknAAAI"}"#),
        Some(Incoming::LoginReply { accepted: true })
    );
    assert_eq!(
        listener.meaning(br#"44{"message":"Not authorized"}"#),
        Some(Incoming::LoginReply { accepted: false })
    );
}

#[test]
fn a_member_names_its_group_too() {
    let mut listener = listener();
    listener.options.group = Some(12);
    assert_eq!(listener.meaning(b"0{}"), None);
    assert_eq!(listener.answered(), [br#"40{"user":"ANZ-5","group":"g-12"}"#]);
}

#[test]
fn fast_is_an_event_and_reliable_one_with_a_number() {
    let mut out = Vec::new();
    Writer::new(tag(), shape(Feature::Fast, false)).append(&mut out, b"ANZ-5", STAMP);
    let fast = format!(r#"42["message","ANZ-5","{CONTENT}"]"#);
    assert_eq!(payloads(&out), [fast.as_bytes()]);
    out.clear();
    Writer::new(tag(), shape(Feature::Reliable, false)).append(&mut out, b"ANZ-5", STAMP);
    let reliable = format!(r#"42{}["message","ANZ-5","{CONTENT}"]"#, 0xDEAD_BEEF_u32);
    assert_eq!(payloads(&out), [reliable.as_bytes()]);
    out.clear();
    Writer::new(tag(), shape(Feature::Fast, true)).append(&mut out, b"12", STAMP);
    let to_group = format!(r#"42["message","g-12","{CONTENT}"]"#);
    assert_eq!(payloads(&out), [to_group.as_bytes()]);
}

#[test]
fn only_an_event_with_a_number_is_acknowledged() {
    let mut listener = listener();
    let message = Some(Incoming::Message(Some(STAMP)));
    let plain = format!(r#"42["message","{CONTENT}"]"#);
    assert_eq!(listener.meaning(plain.as_bytes()), message);
    assert!(listener.answered().is_empty());
    let asking = format!(r#"42130["message","{CONTENT}"]"#);
    assert_eq!(listener.meaning(asking.as_bytes()), message);
    assert_eq!(listener.answered(), [b"43130[]"]);
    assert_eq!(
        listener.meaning(br#"42["hey","Jude"]"#),
        Some(Incoming::Message(None))
    );
}

#[test]
fn an_acknowledgement_names_the_senders_message() {
    for (bytes, sequence) in [
        (&b"430[]"[..], 0),
        (b"4313[\"bar\"]", 13),
        (b"434294967295[]", u32::MAX),
    ] {
        let of = Stamp {
            sequence,
            time_ns: 0,
            ..STAMP
        };
        assert_eq!(listener().meaning(bytes), Some(Incoming::Confirmation(Some(of))));
    }
}

#[test]
fn numbers_are_written_as_they_are_read() {
    for number in [0, 7, 10, 999, 1_000_000, u32::MAX] {
        let mut room = [0; NUMBER_LEN_MAX];
        assert_eq!(write_number(number, &mut room), number.to_string().as_bytes());
    }
}

#[test]
fn pings_are_answered() {
    let mut listener = listener();
    assert_eq!(listener.meaning(b"2"), None);
    assert_eq!(listener.answered(), [b"3"]);
}

#[test]
fn what_the_relay_never_sends_is_an_error() {
    for wrong in [&b""[..], b"hello", b"43[]", b"4399999999999[]", b"9"] {
        assert!(listener().read(wrong).is_err(), "{}", wrong.escape_ascii());
    }
}
