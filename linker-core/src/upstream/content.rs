//! What the application is sent, as JSON.
//!
//! An envelope's content is the part that only its sender knows: `{"type":"order.created","content":…}` of a message, `{"event":"connected",…}` of an event. The body of what is handed over is
//! that with what Linker knows before it.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::envelope::{Envelope, Kind};
use crate::id::{DomainName, MessageId, NodeName, UserId};

/// The first word of the topics of events; no client may use it.
pub const EVENT_WORD: &str = "event";
/// Bytes of a type: with an app name before it, it fits into a routing key of AMQP.
const TYPE_LEN_MAX: usize = 128;

const TYPE: &str = r#"{"type":""#;
const CONTENT: &str = r#"","content":"#;
const EVENT: &str = r#"{"event":""#;

/// Checks the type that a client gives its message: words of `A-Z a-z 0-9 _ -` with a dot between two of them.
///
/// # Errors
/// What is wrong with it, to be said of the field.
pub fn check_type(text: &str) -> Result<(), &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if text.is_empty() || text.len() > TYPE_LEN_MAX {
        return Err("must have 1 to 128 bytes");
    }
    if !text
        .split('.')
        .all(|word| !word.is_empty() && word.bytes().all(allowed))
    {
        return Err("must be words of A-Z a-z 0-9 _ - with a dot between two of them");
    }
    if text.split('.').next() == Some(EVENT_WORD) {
        return Err("must not begin with the word \"event\", which is for what Linker itself tells");
    }
    Ok(())
}

/// The content of a message of this type, which was checked; `content` is JSON as the sender wrote it.
pub fn message_content(kind: &str, content: &str) -> Bytes {
    [TYPE, kind, CONTENT, content, "}"].concat().into()
}

/// What the application may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamEvent {
    /// A user's first session of the domain began.
    Connected,
    /// A user's last session of the domain ended.
    Disconnected,
    /// Delivery of a message was proven.
    Delivered,
    /// A message was stored, since nobody had proven it in time.
    Stored,
}

impl UpstreamEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connected, Self::Disconnected, Self::Delivered, Self::Stored];

    /// As in the configuration and in what the application is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Delivered => "delivered",
            Self::Stored => "stored",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventContent<'a> {
    event: &'static str,
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(flatten)]
    message: Option<MessageContent<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageContent<'a> {
    message_id: &'a MessageId,
    from: &'a UserId,
    to: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

/// The content of an event that happened on `node`, to `user` or to `message`.
pub fn event_content(event: UpstreamEvent, node: &NodeName, of: Result<&UserId, &Envelope>) -> Bytes {
    let content = EventContent {
        event: event.as_str(),
        node: node.as_str(),
        user_id: of.ok(),
        message: of.err().map(|message| MessageContent {
            message_id: &message.id,
            from: &message.from,
            to: &message.to,
            reference: message.reference.as_deref(),
        }),
    };
    // Texts only: nothing that could fail to be JSON.
    serde_json::to_vec(&content).unwrap_or_default().into()
}

/// What follows the app's name in the routing key: a message's type, or `event.` and the event's name. `None` of an envelope that is nothing of the kind.
pub fn topic_of(envelope: &Envelope) -> Option<String> {
    let content = std::str::from_utf8(&envelope.content).ok()?;
    let first = |before: &str| content.strip_prefix(before)?.split('"').next();
    match envelope.kind {
        Kind::Upstream => first(TYPE).map(str::to_owned),
        Kind::UpstreamEvent => first(EVENT).map(|event| format!("{EVENT_WORD}.{event}")),
        _ => None,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    id: &'a MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a UserId>,
    app_name: &'a str,
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

/// The JSON that the application is sent. `node`: the one that hands it over; an event names the one where it happened. `None` of an envelope that is nothing of the kind.
pub fn body(envelope: &Envelope, domain: &DomainName, node: &NodeName) -> Option<Bytes> {
    let own = envelope.content.strip_prefix(b"{").filter(|own| own.len() > 1)?;
    let is_message = match envelope.kind {
        Kind::Upstream => true,
        Kind::UpstreamEvent => false,
        _ => return None,
    };
    let head = Head {
        id: &envelope.id,
        from: is_message.then_some(&envelope.from),
        app_name: envelope.from.app().as_str(),
        domain: domain.as_str(),
        node: is_message.then(|| node.as_str()),
        timestamp: envelope.timestamp_ms,
        feature: is_message.then(|| envelope.feature.as_str()),
        reference: envelope.reference.as_deref(),
    };
    let mut out = BytesMut::with_capacity(384 + own.len()).writer();
    serde_json::to_writer(&mut out, &head).ok()?;
    let mut out = out.into_inner();
    // The brace behind the head makes room for the rest.
    out.truncate(out.len() - 1);
    out.put_u8(b',');
    out.put_slice(own);
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::envelope::Feature;

    fn envelope(kind: Kind, content: Bytes) -> Envelope {
        let from: UserId = "ANZ-5".parse().unwrap();
        Envelope {
            id: "0192d9a0-0000-7000-8000-000000000001".parse().unwrap(),
            kind,
            feature: Feature::Reliable,
            from,
            to: from.upstream(),
            reference: Some("r\"1".into()),
            confirm: true,
            timestamp_ms: 7,
            content,
            trail: None,
        }
    }

    fn body_of(envelope: &Envelope) -> Value {
        let domain = "berlin".parse().unwrap();
        let body = body(envelope, &domain, &"n1".parse().unwrap()).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn types_are_words_with_dots_between_them() {
        for good in [
            "a",
            "order.created",
            "A-1_b.2",
            "events",
            "x.event",
            &"w".repeat(128),
        ] {
            assert_eq!(check_type(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a.#",
            "*",
            "a b",
            "ä",
            "a\"",
            "event",
            "event.x",
            &"w".repeat(129),
        ] {
            assert!(check_type(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_what_its_sender_wrote_and_what_linker_knows() {
        let content = message_content("order.created", r#"{"n":1.10,"t":"}\""}"#);
        let envelope = envelope(Kind::Upstream, content);
        assert_eq!(topic_of(&envelope).as_deref(), Some("order.created"));
        let expected = json!({
            "id": "0192d9a0-0000-7000-8000-000000000001", "type": "order.created", "from": "ANZ-5", "appName": "ANZ", "domain": "berlin",
            "node": "n1", "timestamp": 7, "feature": "RELIABLE", "reference": "r\"1", "content": {"n": 1.10, "t": "}\""},
        });
        assert_eq!(body_of(&envelope), expected);
        let raw = body(&envelope, &"berlin".parse().unwrap(), &"n1".parse().unwrap()).unwrap();
        assert!(
            String::from_utf8_lossy(&raw).contains("1.10"),
            "numbers keep their digits"
        );
    }

    #[test]
    fn an_event_tells_of_a_user_or_of_a_message() {
        let (user, node) = ("ANZ-5".parse().unwrap(), "n2".parse().unwrap());
        let content = event_content(UpstreamEvent::Connected, &node, Ok(&user));
        let mut connected = envelope(Kind::UpstreamEvent, content);
        connected.reference = None;
        assert_eq!(topic_of(&connected).as_deref(), Some("event.connected"));
        let expected = json!({
            "id": "0192d9a0-0000-7000-8000-000000000001", "appName": "ANZ", "domain": "berlin", "node": "n2", "timestamp": 7,
            "event": "connected", "userId": "ANZ-5",
        });
        assert_eq!(body_of(&connected), expected);

        let message = envelope(Kind::Message, Bytes::from_static(b"1"));
        let content = event_content(UpstreamEvent::Delivered, &node, Err(&message));
        let mut delivered = envelope(Kind::UpstreamEvent, content);
        delivered.reference = None;
        let body = body_of(&delivered);
        assert_eq!(body["event"], "delivered");
        assert_eq!(body["messageId"], message.id.to_string());
        assert_eq!(body["reference"], "r\"1");
        assert_eq!(body.get("userId"), None);
    }

    #[test]
    fn what_is_for_users_has_no_topic_and_no_body() {
        let message = envelope(Kind::Message, Bytes::from_static(b"{\"type\":\"a\"}"));
        assert_eq!(topic_of(&message), None);
        assert_eq!(body(&message, &"d".parse().unwrap(), &"n".parse().unwrap()), None);
    }
}
