//! What the tests of all protocols need: a client that reads, and the bytes of frames.

use super::{LoginOptions, Packet, Protocol, Reader, Session};
use crate::cli::{Feature, TargetKind};
use crate::error::LoadError;
use crate::frame::{Opcode, decode};
use crate::wire::{Incoming, MessageShape, RunTag, Stamp};

pub(super) const TAG: u32 = 0x00AB_CDEF;
pub(super) const STAMP: Stamp = Stamp {
    sender: 7,
    sequence: 0xDEAD_BEEF,
    time_ns: 0x0123_4567_89AB_CDEF,
};
/// The content of [`STAMP`] with four characters of filling.
pub(super) const CONTENT: &str = "~00abcdef00000007deadbeef0123456789abcdefxxxx";

pub(super) fn tag() -> RunTag {
    RunTag::of_test(TAG)
}

pub(super) fn shape(feature: Feature, to_group: bool) -> MessageShape {
    MessageShape {
        feature,
        size: CONTENT.len(),
        with_reference: false,
        with_confirmation: false,
        to_group,
    }
}

/// A client that reads.
pub(super) struct Listener {
    protocol: Protocol,
    pub(super) options: LoginOptions,
    session: Session,
    answers: Vec<u8>,
}

impl Listener {
    pub(super) fn new(kind: TargetKind) -> Self {
        Self {
            protocol: Protocol::new(kind, tag(), "app"),
            options: LoginOptions::default(),
            session: Session::default(),
            answers: Vec::new(),
        }
    }

    pub(super) fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Packet<'a>>, LoadError> {
        let reader = Reader {
            id: STAMP.sender,
            user_id: "ANZ-5",
            options: self.options,
            session: &mut self.session,
            answers: &mut self.answers,
        };
        self.protocol.read(bytes, reader)
    }

    /// What one whole packet means.
    pub(super) fn meaning<'a>(&mut self, bytes: &'a [u8]) -> Option<Incoming<'a>> {
        let packet = self.read(bytes).unwrap().unwrap();
        assert_eq!(packet.len, bytes.len());
        packet.meaning
    }

    /// The payloads of what was answered since the last time.
    pub(super) fn answered(&mut self) -> Vec<Vec<u8>> {
        payloads(&std::mem::take(&mut self.answers))
    }
}

/// The payloads of masked frames.
pub(super) fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let frame = decode(bytes).unwrap().unwrap();
        assert!(frame.masked && frame.last);
        assert!(matches!(frame.opcode, Opcode::Text | Opcode::Binary));
        found.push(frame.payload.to_vec());
        bytes = &bytes[frame.len..];
    }
    found
}

/// Checks that a stream means the same wherever it is cut: every beginning of a packet is incomplete and never an error.
pub(super) fn every_cut_is_incomplete(kind: TargetKind, packets: &[&[u8]]) {
    for packet in packets {
        for end in 0..packet.len() {
            let cut = Listener::new(kind)
                .read(&packet[..end])
                .unwrap()
                .map(|packet| packet.len);
            assert_eq!(cut, None, "{} cut at {end}", packet.escape_ascii());
        }
    }
}
