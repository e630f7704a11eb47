//! Ids and envelopes to test with: the same number gives the same one.

use bytes::Bytes;

use crate::envelope::{Envelope, Feature, Kind};
use crate::id::{AppName, MessageId, NodeInstance, SessionId, UserId};
use crate::port::{NodeRecord, NodeState, SessionRef};

/// The time at which samples were made, ms since the epoch.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// Every kind there is.
pub const KINDS: [Kind; 9] = [
    Kind::Message,
    Kind::GroupMessage,
    Kind::Confirmation,
    Kind::Read,
    Kind::UserConnected,
    Kind::UserDisconnected,
    Kind::Refusal,
    Kind::Upstream,
    Kind::UpstreamEvent,
];

/// User number `n` of the app `ANZ`.
pub fn user(n: u64) -> UserId {
    let app: AppName = "ANZ".parse().expect("an app name");
    UserId::new(app, n).expect("a user number")
}

/// Message id number `n`, larger for a larger `n`.
pub fn message_id(n: u64) -> MessageId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    MessageId::new(EPOCH_MS + n, random)
}

/// RELIABLE message number `n`, without a reference.
pub fn message(n: u64, from: UserId, to: UserId) -> Envelope {
    Envelope {
        id: message_id(n),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from,
        to,
        reference: None,
        confirm: false,
        timestamp_ms: EPOCH_MS + n,
        content: Bytes::from(format!("{{\"n\": {n}}}")),
        trail: None,
    }
}

/// [`message`] that can be recognised when it is repeated.
pub fn message_with_reference(n: u64, from: UserId, to: UserId, reference: &str) -> Envelope {
    Envelope {
        reference: Some(reference.into()),
        confirm: true,
        ..message(n, from, to)
    }
}

/// Envelope number `n` of any kind, with what that kind carries.
pub fn of_kind(kind: Kind, n: u64, from: UserId, to: UserId) -> Envelope {
    let reference = matches!(kind, Kind::Confirmation | Kind::Read).then(|| format!("r-{n}").into());
    let content = match kind {
        Kind::Message | Kind::GroupMessage => Bytes::from(format!("[{n}]")),
        Kind::Refusal => Bytes::from_static(b"{\"code\":\"INBOX_FULL\",\"message\":\"full\"}"),
        Kind::Upstream => crate::upstream::message_content("order.created", &n.to_string()),
        Kind::UpstreamEvent => Bytes::from_static(b"{\"event\":\"connected\",\"node\":\"n\"}"),
        _ => Bytes::new(),
    };
    Envelope {
        kind,
        reference,
        content,
        ..message(n, from, to)
    }
}

/// Node `connector-<n>`, in its only incarnation here.
pub fn node(n: u64) -> NodeInstance {
    NodeInstance {
        name: format!("connector-{n:02}").parse().expect("a node name"),
        incarnation: n,
    }
}

/// What [`node`] number `n` tells of itself.
pub fn node_record(n: u64) -> NodeRecord {
    record_of(node(n))
}

/// What any node may tell of itself.
pub fn record_of(node: NodeInstance) -> NodeRecord {
    NodeRecord {
        since_ms: EPOCH_MS + node.incarnation,
        version: "1.2.3".into(),
        url: format!("ws://{}.example:8080/ws", node.name),
        state: NodeState::Up,
        weight: 1 + node.incarnation as u32 % 7,
        sessions: node.incarnation * 10,
        links_down: vec!["domain-09".parse().expect("a domain name")],
        settings: [("protocol".to_owned(), "1".to_owned())].into(),
        node,
    }
}

/// Session `session` of user `user` on node `connector-<node>`.
pub fn session(user_number: u64, node_number: u64, session: u64) -> SessionRef {
    SessionRef {
        user: user(user_number),
        node: node(node_number),
        session: SessionId(session),
    }
}
