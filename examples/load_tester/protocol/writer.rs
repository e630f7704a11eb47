//! Messages on their way out.

use super::{mqtt, nats, socketio, xmpp};
use crate::cli::TargetKind;
use crate::wire::{MessageShape, MessageWriter, RunTag, Stamp};

/// Writes the messages of a run.
pub(crate) enum Writer {
    Linker(MessageWriter),
    Mqtt(mqtt::Writer),
    Nats(nats::Writer),
    SocketIo(socketio::Writer),
    Xmpp(xmpp::Writer),
}

impl Writer {
    /// For servers of `kind`.
    pub(crate) fn new(kind: TargetKind, tag: RunTag, shape: MessageShape) -> Self {
        match kind {
            // An echo returns what it gets, so that it may be just what Linker gets.
            TargetKind::Linker | TargetKind::Echo => Self::Linker(MessageWriter::new(tag, shape)),
            TargetKind::Mqtt => Self::Mqtt(mqtt::Writer::new(tag, shape)),
            TargetKind::Nats => Self::Nats(nats::Writer::new(tag, shape)),
            TargetKind::SocketIo => Self::SocketIo(socketio::Writer::new(tag, shape)),
            TargetKind::Xmpp => Self::Xmpp(xmpp::Writer::new(tag, shape)),
        }
    }

    /// Appends a message in a WebSocket frame. `recipient` is a user id or, for a group, what [`group_recipient`] says.
    pub(crate) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        match self {
            Self::Linker(writer) => writer.append(out, recipient, stamp),
            Self::Mqtt(writer) => writer.append(out, recipient, stamp),
            Self::Nats(writer) => writer.append(out, recipient, stamp),
            Self::SocketIo(writer) => writer.append(out, recipient, stamp),
            Self::Xmpp(writer) => writer.append(out, recipient, stamp),
        }
    }
}

/// How a message names its group: on Linker by all its members, elsewhere by a number that they have given at login.
pub(crate) fn group_recipient(kind: TargetKind, group: u32, members: &[String]) -> Vec<u8> {
    match kind {
        TargetKind::Linker | TargetKind::Echo => {
            let quoted: Vec<String> = members.iter().map(|id| format!("\"{id}\"")).collect();
            quoted.join(",").into_bytes()
        }
        TargetKind::Mqtt | TargetKind::Nats | TargetKind::SocketIo | TargetKind::Xmpp => {
            group.to_string().into_bytes()
        }
    }
}
