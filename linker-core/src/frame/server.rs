//! What clients are told.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use crate::code::FrameError;
use crate::envelope::{Envelope, Kind};
use crate::id::MessageId;

/// The types of frames that the server says of itself; a host's own types come besides.
pub const SERVER_TYPES: [&str; 10] = [
    "AUTH_CLIENT_REPLY",
    "MESSAGE",
    "MESSAGE_CONFIRMATION",
    "MESSAGE_ACCEPTED",
    "MESSAGE_READ",
    "FETCH_MISSING_MESSAGES_COMPLETE",
    "USER_CONNECTED",
    "USER_DISCONNECTED",
    "PONG",
    "ERROR",
];

/// The data of `AUTH_CLIENT_REPLY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthReply {
    /// As the client gave it.
    pub app_id: String,
    /// As the client gave it.
    pub user_id: String,
    /// Why it was refused; `None` when it was not.
    pub error: Option<FrameError>,
    /// Where to go instead (`WRONG_DOMAIN`).
    pub urls: Vec<String>,
    /// How many messages wait.
    pub missing: Option<u64>,
}

/// A frame for a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerFrame {
    /// `AUTH_CLIENT_REPLY`
    AuthReply(Box<AuthReply>),
    /// Whatever has custody: `MESSAGE`, `MESSAGE_CONFIRMATION`, `MESSAGE_READ`, `USER_*`, a RELIABLE `ERROR`.
    Envelope(Arc<Envelope>),
    /// `MESSAGE_ACCEPTED`
    Accepted {
        /// The sender's.
        reference: Box<str>,
        /// Under which it is safe.
        id: MessageId,
    },
    /// `FETCH_MISSING_MESSAGES_COMPLETE`
    FetchComplete {
        /// How many still wait.
        left: u64,
    },
    /// `PONG`
    Pong,
    /// `ERROR`
    Error {
        /// What was wrong.
        error: FrameError,
        /// Of the frame at fault.
        reference: Option<Box<str>>,
    },
    /// A frame of a host's own type.
    Custom {
        /// The `type`.
        kind: Cow<'static, str>,
        /// The `data`, JSON.
        data: Box<str>,
        /// Echoed, where the request had one.
        reference: Option<Box<str>>,
    },
}

#[derive(Serialize)]
struct ErrorData<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthReplyData<'a> {
    app_id: &'a str,
    user_id: &'a str,
    is_authenticated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorData<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<u64>,
}

impl ServerFrame {
    /// Appends the frame's JSON.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Envelope(envelope) => encode_envelope(envelope, out),
            Self::AuthReply(reply) => encode_auth_reply(reply, out),
            Self::Accepted { reference, id } => {
                out.put_slice(br#"{"type":"MESSAGE_ACCEPTED","data":{"reference":"#);
                put_json(out, reference);
                put_id(out, br#","id":""#, id);
                out.put_slice(b"}}");
            }
            Self::FetchComplete { left } => {
                out.put_slice(br#"{"type":"FETCH_MISSING_MESSAGES_COMPLETE","data":{"leftMissingCount":"#);
                put_json(out, left);
                out.put_slice(b"}}");
            }
            Self::Pong => out.put_slice(br#"{"type":"PONG","data":{}}"#),
            Self::Error { error, reference } => {
                out.put_slice(br#"{"type":"ERROR","data":"#);
                put_json(
                    out,
                    &ErrorData {
                        code: error.code.as_str(),
                        message: &error.message,
                    },
                );
                put_reference(out, reference.as_deref());
                out.put_u8(b'}');
            }
            Self::Custom {
                kind,
                data,
                reference,
            } => {
                out.put_slice(br#"{"type":"#);
                put_json(out, kind);
                out.put_slice(br#","data":"#);
                out.put_slice(data.as_bytes());
                put_reference(out, reference.as_deref());
                out.put_u8(b'}');
            }
        }
    }
}

/// The `data` of a RELIABLE `ERROR`, to be kept as an envelope's content.
pub fn error_content(error: &FrameError) -> bytes::Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_json(
        &mut out,
        &ErrorData {
            code: error.code.as_str(),
            message: &error.message,
        },
    );
    out.freeze()
}

fn encode_auth_reply(reply: &AuthReply, out: &mut BytesMut) {
    out.put_slice(br#"{"type":"AUTH_CLIENT_REPLY","data":"#);
    let error = reply.error.as_ref();
    put_json(
        out,
        &AuthReplyData {
            app_id: &reply.app_id,
            user_id: &reply.user_id,
            is_authenticated: error.is_none(),
            error: error.map(|error| ErrorData {
                code: error.code.as_str(),
                message: &error.message,
            }),
            urls: &reply.urls,
            missing: reply.missing,
        },
    );
    out.put_u8(b'}');
}

fn encode_envelope(envelope: &Envelope, out: &mut BytesMut) {
    out.reserve(256 + envelope.content.len());
    match envelope.kind {
        Kind::Message | Kind::GroupMessage => {
            out.put_slice(br#"{"type":"MESSAGE","data":{"from":""#);
            put_user(out, &envelope.from);
            out.put_slice(br#"","content":"#);
            out.put_slice(&envelope.content);
            out.put_u8(b'}');
            put_reference(out, envelope.reference.as_deref());
            out.put_slice(br#","timestamp":"#);
            put_json(out, &envelope.timestamp_ms);
            out.put_slice(br#","feature":""#);
            out.put_slice(envelope.feature.as_str().as_bytes());
            out.put_u8(b'"');
        }
        Kind::Confirmation => {
            out.put_slice(br#"{"type":"MESSAGE_CONFIRMATION","data":{"reference":"#);
            put_json(out, envelope.reference.as_deref().unwrap_or_default());
            out.put_u8(b'}');
        }
        Kind::Read => {
            out.put_slice(br#"{"type":"MESSAGE_READ","data":{"from":""#);
            put_user(out, &envelope.from);
            out.put_slice(br#"","reference":"#);
            put_json(out, envelope.reference.as_deref().unwrap_or_default());
            out.put_u8(b'}');
        }
        Kind::UserConnected | Kind::UserDisconnected => {
            let name: &[u8] = if envelope.kind == Kind::UserConnected {
                b"USER_CONNECTED"
            } else {
                b"USER_DISCONNECTED"
            };
            out.put_slice(br#"{"type":""#);
            out.put_slice(name);
            out.put_slice(br#"","data":{"userId":""#);
            put_user(out, &envelope.from);
            out.put_slice(br#""}"#);
        }
        Kind::Refusal => {
            out.put_slice(br#"{"type":"ERROR","data":"#);
            out.put_slice(&envelope.content);
            put_reference(out, envelope.reference.as_deref());
        }
        // For no session: nobody is ever sent one.
        Kind::Upstream | Kind::UpstreamEvent => {
            out.put_slice(br#"{"type":"UPSTREAM","data":"#);
            out.put_slice(&envelope.content);
            put_reference(out, envelope.reference.as_deref());
        }
    }
    put_id(out, br#","id":""#, &envelope.id);
    out.put_u8(b'}');
}

fn put_user(out: &mut BytesMut, user: &crate::id::UserId) {
    // App names and digits need no escaping.
    out.put_slice(user.app().as_str().as_bytes());
    out.put_u8(b'-');
    put_json(out, &user.number());
}

fn put_id(out: &mut BytesMut, before: &[u8], id: &MessageId) {
    out.put_slice(before);
    out.put_slice(id.encode(&mut [0; 36]).as_bytes());
    out.put_u8(b'"');
}

fn put_reference(out: &mut BytesMut, reference: Option<&str>) {
    if let Some(reference) = reference {
        out.put_slice(br#","reference":"#);
        put_json(out, reference);
    }
}

fn put_json<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    // Strings, numbers and flat structs of them: nothing that could fail to be JSON.
    let _ = serde_json::to_writer(out.writer(), value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;

    use super::*;
    use crate::code::ErrorCode;
    use crate::envelope::Feature;

    /// The variant after this one, so that a new one cannot be left out below.
    fn next(frame: &ServerFrame) -> Option<ServerFrame> {
        let error = || FrameError::new(ErrorCode::Forbidden, "no");
        let next = match frame {
            ServerFrame::AuthReply(_) => envelope(Kind::Message),
            ServerFrame::Envelope(envelope) => match envelope.kind {
                Kind::Message => self::envelope(Kind::GroupMessage),
                Kind::GroupMessage => self::envelope(Kind::Confirmation),
                Kind::Confirmation => self::envelope(Kind::Read),
                Kind::Read => self::envelope(Kind::UserConnected),
                Kind::UserConnected => self::envelope(Kind::UserDisconnected),
                Kind::UserDisconnected => self::envelope(Kind::Refusal),
                // The last two are for no session.
                Kind::Refusal | Kind::Upstream | Kind::UpstreamEvent => ServerFrame::Accepted {
                    reference: "r".into(),
                    id: MessageId::from_bytes([0; 16]),
                },
            },
            ServerFrame::Accepted { .. } => ServerFrame::FetchComplete { left: 0 },
            ServerFrame::FetchComplete { .. } => ServerFrame::Pong,
            ServerFrame::Pong => ServerFrame::Error {
                error: error(),
                reference: None,
            },
            // What follows is a host's.
            ServerFrame::Error { .. } | ServerFrame::Custom { .. } => return None,
        };
        Some(next)
    }

    fn envelope(kind: Kind) -> ServerFrame {
        let content = match kind {
            Kind::Refusal => error_content(&FrameError::new(ErrorCode::InboxFull, "full")),
            _ => Bytes::from_static(b"1"),
        };
        ServerFrame::Envelope(Arc::new(Envelope {
            id: MessageId::from_bytes([0; 16]),
            kind,
            feature: Feature::Reliable,
            from: "ANZ-1".parse().unwrap(),
            to: "ANZ-2".parse().unwrap(),
            reference: Some("r".into()),
            confirm: false,
            timestamp_ms: 0,
            content,
            trail: None,
        }))
    }

    #[test]
    fn the_types_listed_are_those_written() {
        let first = ServerFrame::AuthReply(Box::new(AuthReply {
            app_id: "app".to_owned(),
            user_id: "ANZ-1".to_owned(),
            error: None,
            urls: Vec::new(),
            missing: None,
        }));
        let frames = std::iter::successors(Some(first), next);
        let written: BTreeSet<String> = frames
            .map(|frame| {
                let mut json = BytesMut::new();
                frame.encode(&mut json);
                let frame: serde_json::Value = serde_json::from_slice(&json).unwrap();
                frame["type"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(written, SERVER_TYPES.map(str::to_owned).into());
    }
}
