//! WebSocket framing between a session and whichever transport carries its bytes.

use actix_http::ws::{OpCode, Parser};
use bytes::{BufMut, Bytes, BytesMut};
use linker_core::code::CloseCode;

use super::assembler::{Assembler, Incoming};
use super::framing::{self, RawFrame};
use super::shell::{SessionShell, Socket};

/// Output beyond the proof window after which a client's frames wait until it has read some of the answers.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Frames on their way out.
pub(super) struct Output {
    pub(super) bytes: BytesMut,
    /// A close frame was written: nothing may follow it.
    closed: bool,
}

impl Socket for Output {
    fn text(&mut self, json: &[u8]) {
        if !self.closed {
            Parser::write_message(&mut self.bytes, json, OpCode::Text, true, false);
        }
    }

    fn ping(&mut self, number: u64) {
        if !self.closed {
            Parser::write_message(&mut self.bytes, number.to_string(), OpCode::Ping, true, false);
        }
    }

    fn close(&mut self, code: CloseCode) {
        if !std::mem::replace(&mut self.closed, true) {
            let mut payload = BytesMut::with_capacity(2 + code.reason().len());
            payload.put_u16(code.number());
            payload.put_slice(code.reason().as_bytes());
            Parser::write_message(&mut self.bytes, payload, OpCode::Close, true, false);
        }
    }
}

/// A session and its bytes on both ways.
pub(super) struct Connection {
    pub(super) shell: SessionShell,
    /// Bytes of frames not handled yet; empty while idle.
    input: BytesMut,
    /// They are the beginning of a frame that has not come whole.
    incomplete: bool,
    /// Frames handled since [`Connection::begin_turn`].
    frames_in_turn: usize,
    pub(super) output: Output,
    assembler: Assembler,
    /// Framing is lost, or the client has closed: what still comes is thrown away.
    deaf: bool,
    /// The client's close frame, or the end of its stream, has come.
    peer_done: bool,
}

impl Connection {
    /// `greeting` is written before anything else, `early` was read already.
    pub(super) fn new(shell: SessionShell, greeting: BytesMut, early: Bytes) -> Self {
        Self {
            shell,
            input: BytesMut::from(early),
            incomplete: false,
            frames_in_turn: 0,
            output: Output {
                bytes: greeting,
                closed: false,
            },
            assembler: Assembler::default(),
            deaf: false,
            peer_done: false,
        }
    }

    pub(super) fn begin_turn(&mut self) {
        self.frames_in_turn = 0;
    }

    pub(super) fn frames_in_turn(&self) -> usize {
        self.frames_in_turn
    }

    /// Whether bytes should be read from the client now.
    pub(super) fn wants_input(&self) -> bool {
        self.deaf || (!self.output_is_crowded() && self.shell.may_read())
    }

    /// Whether frames wait that could be handled now.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty() && !self.incomplete && !self.deaf && self.wants_input()
    }

    /// Whether all is over as soon as the output is written.
    pub(super) fn is_over(&self) -> bool {
        self.peer_done
    }

    /// A client that asks without reading the answers must not make them pile up.
    fn output_is_crowded(&self) -> bool {
        self.output.bytes.len() > self.shell.worker().config().session.max_unproven_bytes + ANSWER_BYTES_MAX
    }

    /// The client's stream has ended. False when there is nothing left to say to it either.
    pub(super) fn end_of_stream(&mut self) -> bool {
        let expected = self.deaf || self.peer_done || !self.shell.is_open();
        self.peer_done = true;
        self.deaf = true;
        !expected
    }

    /// Bytes came. Answers a buffer that may be used again.
    pub(super) fn receive(&mut self, mut buffer: BytesMut) -> BytesMut {
        self.shell.heard();
        self.incomplete = false;
        if self.deaf {
            return buffer;
        }
        if !self.input.is_empty() {
            self.input.extend_from_slice(&buffer);
            self.handle_input();
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            return buffer;
        }
        // Frames are handled where they were read; only an unfinished one is copied.
        std::mem::swap(&mut self.input, &mut buffer);
        self.handle_input();
        let rest = std::mem::take(&mut self.input);
        if !rest.is_empty() && !self.deaf {
            self.input = BytesMut::from(&rest[..]);
        }
        rest
    }

    /// Handles the frames that are there, as far as they may be.
    pub(super) fn handle_input(&mut self) {
        let max_bytes = self.shell.worker().config().max_frame_bytes;
        while !self.deaf && !self.input.is_empty() && self.wants_input() {
            match framing::next(&mut self.input, &self.assembler, max_bytes) {
                Ok(None) => {
                    self.incomplete = true;
                    return;
                }
                Ok(Some(frame)) => self.handle_frame(&frame, max_bytes),
                Err(code) => self.fault(code),
            }
        }
    }

    fn handle_frame(&mut self, frame: &RawFrame, max_bytes: usize) {
        self.frames_in_turn += 1;
        let payload = &frame.payload[..];
        match self
            .assembler
            .accept(frame.finished, frame.opcode, payload, max_bytes)
        {
            Incoming::Text(text) => self
                .shell
                .step(&mut self.output, |core, cx| core.on_text(text, cx)),
            Incoming::Ping if !self.output.closed => {
                Parser::write_message(&mut self.output.bytes, payload, OpCode::Pong, true, false);
            }
            Incoming::Pong => self
                .shell
                .step(&mut self.output, |core, cx| core.on_pong(payload, cx)),
            Incoming::Close => self.peer_closes(payload),
            Incoming::Ping | Incoming::Nothing => {}
            Incoming::Fault(code) => self.fault(code),
        }
        self.assembler.release();
    }

    /// Answers the client's close frame with its own code, unless that may not stand in one or the frame is malformed.
    fn peer_closes(&mut self, payload: &[u8]) {
        self.peer_done = true;
        self.deaf = true;
        if std::mem::replace(&mut self.output.closed, true) {
            return;
        }
        let sendable = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let code = match payload.split_first_chunk::<2>() {
            None if payload.is_empty() => None,
            Some((_, reason)) if std::str::from_utf8(reason).is_err() => {
                Some(CloseCode::InvalidText.number())
            }
            Some((code, _)) if sendable(u16::from_be_bytes(*code)) => Some(u16::from_be_bytes(*code)),
            _ => Some(CloseCode::Protocol.number()),
        };
        let echo = code.map_or_else(Bytes::new, |code| Bytes::copy_from_slice(&code.to_be_bytes()));
        Parser::write_message(&mut self.output.bytes, echo, OpCode::Close, true, false);
    }

    fn fault(&mut self, code: CloseCode) {
        self.deaf = true;
        self.input = BytesMut::new();
        self.shell.step(&mut self.output, |core, cx| core.close(code, cx));
    }
}
