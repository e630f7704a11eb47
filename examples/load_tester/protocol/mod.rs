//! What servers speak above WebSocket: Linker's frames, a bare echo, and the protocols of the peers that Linker is compared with.
//!
//! A protocol is three things: what a client says from the upgrade until it is logged in, what comes in from then on
//! ([`Protocol`]), and what a message looks like on its way out ([`Writer`]). The content is the same in all of them.

mod content;
mod mqtt;
mod nats;
mod socketio;
mod stream;
#[cfg(test)]
mod testing;
mod writer;
mod xmpp;

use crate::cli::TargetKind;
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked};
use crate::sockets::ClientId;
use crate::wire::{FrameReader, Incoming, RunTag, append_login};

use self::content::ContentReader;
pub(crate) use self::stream::take_packets;
pub(crate) use self::writer::{Writer, group_recipient};

/// What a client asks for when it logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoginOptions {
    /// It wants to be told what the server has taken over for absent users.
    pub(crate) accepted: bool,
    /// It wants what it missed, and what it will miss when it leaves to be kept.
    pub(crate) replay: bool,
    /// The group it belongs to, where members tell the server and not senders.
    pub(crate) group: Option<u32>,
}

impl LoginOptions {
    /// The JSON of `AUTH_CLIENT`'s options; empty for none.
    fn json(self) -> &'static str {
        match (self.accepted, self.replay) {
            (false, false) => "",
            (true, false) => "{\"accepted\":true}",
            (false, true) => "{\"replay\":true}",
            (true, true) => "{\"accepted\":true,\"replay\":true}",
        }
    }
}

/// How far a client is in its protocol. Small, because there is one for every client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Session {
    /// Of logging in.
    step: u8,
    /// Of its messages, one more than the last that was acknowledged, where acknowledgements carry only part of the number.
    acknowledged: u32,
}

/// Who reads.
pub(crate) struct Reader<'a> {
    pub(crate) id: ClientId,
    pub(crate) user_id: &'a str,
    pub(crate) options: LoginOptions,
    pub(crate) session: &'a mut Session,
    /// Takes the WebSocket frames that must be sent back, whatever the scenario does.
    pub(crate) answers: &'a mut Vec<u8>,
}

/// A piece of what came in, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// Bytes it took.
    pub(crate) len: usize,
    /// `None` for what is of no interest beyond its answer.
    pub(crate) meaning: Option<Incoming<'a>>,
}

impl<'a> Packet<'a> {
    const fn of(len: usize, meaning: Incoming<'a>) -> Self {
        Self {
            len,
            meaning: Some(meaning),
        }
    }

    const fn of_no_interest(len: usize) -> Self {
        Self { len, meaning: None }
    }
}

/// Everything that the clients of a run have to understand.
pub(crate) enum Protocol {
    Linker { reader: FrameReader, app_id: String },
    Echo(FrameReader),
    Mqtt(ContentReader),
    Nats(ContentReader),
    SocketIo(ContentReader),
    Xmpp(ContentReader),
}

impl Protocol {
    /// What servers of `kind` speak, as the run `tag` uses it.
    pub(crate) fn new(kind: TargetKind, tag: RunTag, app_id: &str) -> Self {
        match kind {
            TargetKind::Linker => Self::Linker {
                reader: FrameReader::new(tag),
                app_id: app_id.to_owned(),
            },
            TargetKind::Echo => Self::Echo(FrameReader::new(tag)),
            TargetKind::Mqtt => Self::Mqtt(ContentReader::new(tag)),
            TargetKind::Nats => Self::Nats(ContentReader::new(tag)),
            TargetKind::SocketIo => Self::SocketIo(ContentReader::new(tag)),
            TargetKind::Xmpp => Self::Xmpp(ContentReader::new(tag)),
        }
    }

    /// The WebSocket subprotocol that the upgrade has to ask for.
    pub(crate) const fn subprotocol(&self) -> Option<&'static str> {
        match self {
            Self::Mqtt(_) => Some("mqtt"),
            Self::Xmpp(_) => Some("xmpp"),
            Self::Linker { .. } | Self::Echo(_) | Self::Nats(_) | Self::SocketIo(_) => None,
        }
    }

    /// Whether WebSocket frames carry a stream of bytes, and end anywhere in it.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self, Self::Mqtt(_) | Self::Nats(_))
    }

    /// Appends what a client says right after the upgrade. False: there is nothing to say, the client is logged in.
    pub(crate) fn greet(&self, out: &mut Vec<u8>, user_id: &str, options: LoginOptions) -> bool {
        match self {
            Self::Linker { app_id, .. } => append_login(out, app_id, user_id, options.json()),
            Self::Mqtt(_) => mqtt::append_connect(out, user_id, options),
            Self::Xmpp(_) => xmpp::append_open(out),
            // The server speaks first.
            Self::Nats(_) | Self::SocketIo(_) => {}
            Self::Echo(_) => return false,
        }
        true
    }

    /// Appends what a client says before it closes the connection.
    pub(crate) fn take_leave(&self, out: &mut Vec<u8>) {
        match self {
            Self::Mqtt(_) => append_masked(out, Opcode::Binary, mqtt::DISCONNECT),
            Self::SocketIo(_) => append_masked(out, Opcode::Text, socketio::DISCONNECT),
            Self::Xmpp(_) => append_masked(out, Opcode::Text, xmpp::CLOSE),
            Self::Linker { .. } | Self::Echo(_) | Self::Nats(_) => {}
        }
    }

    /// Understands what `bytes` begin with: a whole message or, of a stream, one packet. `None` while that is incomplete.
    ///
    /// # Errors
    /// What no correct server sends.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8], to: Reader<'_>) -> Result<Option<Packet<'a>>, LoadError> {
        let whole = |meaning| Ok(Some(Packet::of(bytes.len(), meaning)));
        match self {
            Self::Linker { reader, .. } => whole(reader.read(bytes)),
            Self::Echo(reader) => whole(reader.read_echo(bytes)),
            Self::Mqtt(contents) => mqtt::read(contents, bytes, to),
            Self::Nats(contents) => nats::read(contents, bytes, to),
            Self::SocketIo(contents) => socketio::read(contents, bytes, to),
            Self::Xmpp(contents) => xmpp::read(contents, bytes, to),
        }
    }
}
