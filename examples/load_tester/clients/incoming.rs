//! What comes over a connection: bytes, then the response to the upgrade request, then frames.

use std::io;

use super::{Clients, End, State};
use crate::clock::now_ns;
use crate::error::LoadError;
use crate::frame::{Frame, Opcode, append_masked, decode};
use crate::protocol::{Packet, Reader, take_packets};
use crate::scenario::Scenario;
use crate::sockets::{ClientId, Readiness};
use crate::wire::Incoming;

/// A response to the upgrade request is smaller than this.
const RESPONSE_LEN_MAX: usize = 16 * 1024;
/// What a correct server answers to the key that every client sends.
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Clients {
    pub(super) fn on_readiness<S: Scenario>(&mut self, readiness: Readiness, scenario: &mut S) {
        let id = readiness.id;
        match self.sockets.take_up(readiness) {
            Ok(progress) => {
                if progress.connected {
                    if let Some(out) = self.sockets.outgoing(id) {
                        out.extend_from_slice(&self.request);
                    }
                    self.enter(id, State::Upgrading);
                }
                let deaf = self.clients.get(id as usize).is_some_and(|client| client.deaf);
                // That the server has ended it is seen all the same.
                if progress.readable && (!deaf || readiness.last) {
                    self.receive(id, readiness.last, scenario);
                }
            }
            Err(error) => self.break_off(id, &error, scenario),
        }
    }

    /// Reads until nothing is left. A short read says so, unless the peer's end is behind it.
    fn receive<S: Scenario>(&mut self, id: ClientId, last: bool, scenario: &mut S) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            match self.sockets.read(id, &mut buffer) {
                Ok(0) => {
                    match self.state(id) {
                        State::Closing => self.end(id, &End::Asked, scenario),
                        _ => self.break_off(id, &io::ErrorKind::UnexpectedEof.into(), scenario),
                    }
                    break;
                }
                Ok(count) => {
                    self.consume(id, &buffer[..count], scenario);
                    if count < buffer.len() && !last {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.break_off(id, &error, scenario);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn consume<S: Scenario>(&mut self, id: ClientId, bytes: &[u8], scenario: &mut S) {
        let mut partial = self
            .clients
            .get_mut(id as usize)
            .map(|client| std::mem::take(&mut client.partial))
            .unwrap_or_default();
        let left = if partial.is_empty() {
            let used = self.parse(id, bytes, scenario);
            partial.extend_from_slice(bytes.get(used..).unwrap_or_default());
            partial
        } else {
            partial.extend_from_slice(bytes);
            let used = self.parse(id, &partial, scenario);
            partial.drain(..used.min(partial.len()));
            // An empty buffer is given back: thousands of idle clients would keep thousands of them.
            if partial.is_empty() { Vec::new() } else { partial }
        };
        if !matches!(self.state(id), State::Ended | State::Waiting)
            && let Some(client) = self.clients.get_mut(id as usize)
        {
            client.partial = left;
        }
    }

    /// Handles all that is complete in `bytes` and returns how many of them that were.
    fn parse<S: Scenario>(&mut self, id: ClientId, bytes: &[u8], scenario: &mut S) -> usize {
        let now = now_ns();
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let step = match self.state(id) {
                State::Upgrading => self.upgrade(id, rest, scenario, now),
                State::LoggingIn | State::Ready | State::Closing => decode(rest).map(|frame| {
                    let len = frame.as_ref().map(|frame| frame.len);
                    if let Some(frame) = frame {
                        self.on_frame(id, &frame, scenario, now);
                    }
                    len
                }),
                // It has ended meanwhile: what else came over it is nobody's.
                State::Ended | State::Waiting | State::Connecting => return bytes.len(),
            };
            match step {
                Ok(Some(len)) => used += len,
                Ok(None) => break,
                Err(error) => {
                    self.end(id, &End::Broken(error.to_string()), scenario);
                    return bytes.len();
                }
            }
        }
        used
    }

    /// Reads the response to the upgrade request; `None` while it is incomplete.
    fn upgrade<S: Scenario>(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        scenario: &mut S,
        now: u64,
    ) -> Result<Option<usize>, LoadError> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            if bytes.len() > RESPONSE_LEN_MAX {
                return Err(LoadError::Protocol("a response head without end"));
            }
            return Ok(None);
        };
        let head = bytes.get(..end).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 101") || memchr::memmem::find(head, ACCEPT).is_none() {
            let status = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let reason = format!(
                "the upgrade was answered with \"{}\"",
                String::from_utf8_lossy(status)
            );
            self.end(id, &End::NotLoggedIn(reason), scenario);
            return Ok(Some(end + 4));
        }
        let must_log_in = match (self.clients.get(id as usize), self.sockets.outgoing(id)) {
            (Some(client), Some(out)) => self.protocol.greet(out, &client.user_id, client.options),
            _ => false,
        };
        if must_log_in {
            self.enter(id, State::LoggingIn);
        } else {
            self.become_ready(id, scenario, now);
        }
        Ok(Some(end + 4))
    }

    fn on_frame<S: Scenario>(&mut self, id: ClientId, frame: &Frame<'_>, scenario: &mut S, now: u64) {
        match frame.opcode {
            Opcode::Ping => {
                self.pings += 1;
                if let Some(client) = self.clients.get_mut(id as usize) {
                    client.pinged = true;
                }
                // Never left out: a pong is the proof by which RELIABLE messages count as delivered.
                if let Some(out) = self.sockets.outgoing(id) {
                    append_masked(out, Opcode::Pong, frame.payload);
                }
            }
            Opcode::Pong => {}
            Opcode::Close => self.on_close_frame(id, frame.payload, scenario),
            Opcode::Text | Opcode::Binary | Opcode::Continuation if self.protocol.is_stream() => {
                self.on_stream(id, frame.payload, scenario, now);
            }
            Opcode::Binary => {}
            Opcode::Text if frame.last => {
                self.on_packet(id, frame.payload, scenario, now);
            }
            Opcode::Text | Opcode::Continuation => {
                let Some(client) = self.clients.get_mut(id as usize) else {
                    return;
                };
                client.fragments.extend_from_slice(frame.payload);
                if frame.last {
                    let whole = std::mem::take(&mut client.fragments);
                    self.on_packet(id, &whole, scenario, now);
                }
            }
        }
    }

    /// Takes the next bytes of a stream.
    fn on_stream<S: Scenario>(&mut self, id: ClientId, bytes: &[u8], scenario: &mut S, now: u64) {
        let begun = match self.clients.get_mut(id as usize) {
            Some(client) => std::mem::take(&mut client.fragments),
            None => return,
        };
        let rest = take_packets(begun, bytes, |bytes| self.on_packet(id, bytes, scenario, now));
        if let Some(client) = self.clients.get_mut(id as usize)
            && !matches!(client.state, State::Ended | State::Waiting)
        {
            client.fragments = rest;
        }
    }

    /// Takes what `bytes` begin with and returns how many of them that were; `None` while it is incomplete, or makes no sense.
    fn on_packet<S: Scenario>(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        scenario: &mut S,
        now: u64,
    ) -> Option<usize> {
        let client = self.clients.get_mut(id as usize)?;
        let reader = Reader {
            id,
            user_id: &client.user_id,
            options: client.options,
            session: &mut client.session,
            answers: &mut self.answers,
        };
        let read = self.protocol.read(bytes, reader);
        if !self.answers.is_empty() {
            if let Some(out) = self.sockets.outgoing(id) {
                out.extend_from_slice(&self.answers);
            }
            self.answers.clear();
        }
        match read {
            Ok(packet) => {
                let Packet { len, meaning } = packet?;
                if let Some(meaning) = meaning {
                    self.understood(id, meaning, bytes.get(..len).unwrap_or_default(), scenario, now);
                }
                Some(len)
            }
            Err(error) => {
                let end = match self.state(id) {
                    State::LoggingIn => End::NotLoggedIn(error.to_string()),
                    _ => End::Broken(error.to_string()),
                };
                self.end(id, &end, scenario);
                None
            }
        }
    }

    fn understood<S: Scenario>(
        &mut self,
        id: ClientId,
        incoming: Incoming<'_>,
        bytes: &[u8],
        scenario: &mut S,
        now: u64,
    ) {
        match (self.state(id), incoming) {
            (State::LoggingIn, Incoming::LoginReply { accepted: true }) => {
                self.become_ready(id, scenario, now)
            }
            (State::LoggingIn, _) => {
                let reason = match std::str::from_utf8(bytes) {
                    Ok(text) if !text.contains('\0') => format!("the server answered {}", text.trim_end()),
                    _ => format!("the server answered with the bytes {bytes:02x?}"),
                };
                self.end(id, &End::NotLoggedIn(reason), scenario);
            }
            (_, incoming) => scenario.on_frame(self, id, incoming, now),
        }
    }

    fn on_close_frame<S: Scenario>(&mut self, id: ClientId, payload: &[u8], scenario: &mut S) {
        if self.state(id) == State::Closing {
            // Some servers leave closing the connection to the client.
            self.end(id, &End::Asked, scenario);
            return;
        }
        let code = match payload {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 1005,
        };
        if let Some(out) = self.sockets.outgoing(id) {
            append_masked(out, Opcode::Close, payload.get(..2).unwrap_or_default());
        }
        self.sockets.flush();
        let end = match self.state(id) {
            State::Ready => End::Closed(code),
            _ => End::NotLoggedIn(format!("the server closed with {code}")),
        };
        self.end(id, &end, scenario);
    }
}
