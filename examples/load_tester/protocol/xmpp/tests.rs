use super::*;
use crate::cli::TargetKind;
use crate::protocol::testing::{CONTENT, Listener, STAMP, payloads, shape, tag};

const REFERENCE: &str = "R00abcdef00000007deadbeef";

fn listener() -> Listener {
    Listener::new(TargetKind::Xmpp)
}

fn answers(listener: &mut Listener) -> Vec<String> {
    let texts = listener.answered().into_iter();
    texts.map(|text| String::from_utf8(text).unwrap()).collect()
}

#[test]
fn a_login_goes_from_stream_to_presence() {
    let mut out = Vec::new();
    append_open(&mut out);
    let open = r#"<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>"#;
    assert_eq!(payloads(&out), [open.as_bytes()]);

    let mut listener = listener();
    let opened = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1' from='localhost' version='1.0'/>";
    assert_eq!(listener.meaning(opened), None);
    let features =
        b"<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms/></stream:features>";
    assert_eq!(listener.meaning(features), None);
    // "\0ANZ-5\0x"
    let auth = r#"<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AEFOWi01AHg=</auth>"#;
    assert_eq!(answers(&mut listener), [auth]);
    let success = b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
    assert_eq!(listener.meaning(success), None);
    assert_eq!(answers(&mut listener), [open]);
    assert_eq!(listener.meaning(features), None);
    assert!(answers(&mut listener)[0].contains(r#"id="bind""#));
    let bound = b"<iq xmlns='jabber:client' type='result' id='bind'><bind/></iq>";
    assert_eq!(listener.meaning(bound), None);
    let said = answers(&mut listener);
    assert!(
        said[0].starts_with("<presence") && said[1].contains(r#"id="ready""#),
        "{said:?}"
    );
    assert_eq!(listener.meaning(b"<presence from='anz-5@localhost/r'/>"), None);
    assert_eq!(
        listener.meaning(b"<iq type='error' id='ready'><error/></iq>"),
        Some(Incoming::LoginReply { accepted: true })
    );
}

#[test]
fn who_is_refused_is_not_logged_in() {
    let refused = Some(Incoming::LoginReply { accepted: false });
    let failure = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    assert_eq!(listener().meaning(failure), refused);
}

#[test]
fn fast_is_a_plain_chat_message_and_reliable_asks_for_a_receipt() {
    let mut out = Vec::new();
    Writer::new(tag(), shape(Feature::Fast, false)).append(&mut out, b"ANZ-5", STAMP);
    let fast = format!(
        r#"<message xmlns="jabber:client" to="ANZ-5@localhost" type="chat"><body>{CONTENT}</body></message>"#
    );
    assert_eq!(payloads(&out), [fast.as_bytes()]);
    out.clear();
    Writer::new(tag(), shape(Feature::Reliable, false)).append(&mut out, b"ANZ-5", STAMP);
    let reliable = format!(
        r#"<message xmlns="jabber:client" to="ANZ-5@localhost" type="chat" id="{REFERENCE}"><body>{CONTENT}</body><request xmlns="urn:xmpp:receipts"/></message>"#
    );
    assert_eq!(payloads(&out), [reliable.as_bytes()]);
}

#[test]
fn only_who_asks_for_a_receipt_gets_one() {
    let mut listener = listener();
    let message = Some(Incoming::Message(Some(STAMP)));
    let plain = format!(
        "<message xml:lang='en' to='anz-5@localhost' from='anz-1@localhost/r' type='chat' xmlns='jabber:client'><body>{CONTENT}</body></message>"
    );
    assert_eq!(listener.meaning(plain.as_bytes()), message);
    assert!(listener.answered().is_empty());
    let asking = format!(
        "<message to='anz-5@localhost' from='anz-1@localhost/r' type='chat' id='{REFERENCE}'><request xmlns='urn:xmpp:receipts'/><body>{CONTENT}</body></message>"
    );
    assert_eq!(listener.meaning(asking.as_bytes()), message);
    let receipt = format!(
        r#"<message xmlns="jabber:client" type="chat" to="anz-1@localhost/r"><received xmlns="urn:xmpp:receipts" id="{REFERENCE}"/></message>"#
    );
    assert_eq!(answers(&mut listener), [receipt]);
}

#[test]
fn a_receipt_names_the_senders_message() {
    let receipt = format!(
        "<message from='anz-5@localhost/r' type='chat'><received xmlns='urn:xmpp:receipts' id='{REFERENCE}'/></message>"
    );
    let of = Some(Stamp { time_ns: 0, ..STAMP });
    assert_eq!(
        listener().meaning(receipt.as_bytes()),
        Some(Incoming::Confirmation(of))
    );
}

#[test]
fn a_message_that_comes_back_is_an_error() {
    let mut listener = listener();
    let returned = format!(
        "<message from='anz-9@localhost' type='error' id='{REFERENCE}'><body>{CONTENT}</body><request/><error/></message>"
    );
    let of = Some(Stamp { time_ns: 0, ..STAMP });
    let code = "message not delivered";
    assert_eq!(
        listener.meaning(returned.as_bytes()),
        Some(Incoming::Error { code, of })
    );
    assert!(listener.answered().is_empty());
}

#[test]
fn a_message_of_another_run_has_no_stamp() {
    let foreign = b"<message from='a@localhost/r'><body>~0123</body></message>";
    assert_eq!(listener().meaning(foreign), Some(Incoming::Message(None)));
}

#[test]
fn what_no_server_may_send_is_an_error() {
    for wrong in [&b"hello"[..], b"<html>", b""] {
        assert!(listener().read(wrong).is_err(), "{}", wrong.escape_ascii());
    }
}
