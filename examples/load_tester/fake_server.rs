//! A small server that speaks as much of Linker's protocol as the tester uses, and makes mistakes when told to.
//!
//! It is what `--check` and the tests run every scenario against: a tester that does not notice a lost message is
//! worse than none.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::frame::{Opcode, append_unmasked, decode};

/// What the server does wrong: something to every so-manieth message, 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) lose_every: u64,
    pub(crate) repeat_every: u64,
    /// Send a message after the next one to the same user.
    pub(crate) swap_every: u64,
    /// Refuse with `UNAVAILABLE`.
    pub(crate) refuse_every: u64,
}

/// A server on a free port of the loopback address; it ends when dropped.
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    faults: Faults,
    messages: AtomicU64,
    users: Mutex<HashMap<String, Arc<Session>>>,
    missed: Mutex<HashMap<String, Vec<Routed>>>,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Routed {
    text: String,
    reliable: bool,
    /// Author and reference, where a confirmation is due.
    confirm: Option<(String, String)>,
}

#[derive(Default)]
struct Unproven {
    pings: u64,
    /// With the number of the ping that proves it.
    confirmations: Vec<(u64, String, String)>,
    /// A message kept back, to come after the next.
    held: Option<Routed>,
}

struct Session {
    user_id: String,
    accepted: bool,
    stream: Mutex<TcpStream>,
    unproven: Mutex<Unproven>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeServer {
    /// # Errors
    /// If no port can be had.
    pub(crate) fn start(faults: Faults) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            faults,
            ..Shared::default()
        });
        let seen = Arc::clone(&stopped);
        let acceptor = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if seen.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&shared);
                // Ends with its connection, which the tester closes.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(Self {
            address,
            stopped,
            acceptor: Some(acceptor),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the acceptor up.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Session {
    fn send(&self, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        append_unmasked(&mut bytes, opcode, payload);
        let _ = lock(&self.stream).write_all(&bytes);
    }

    fn send_json(&self, frame: &Value) {
        self.send(Opcode::Text, frame.to_string().as_bytes());
    }

    fn deliver(&self, message: Routed) {
        self.send(Opcode::Text, message.text.as_bytes());
        if message.reliable {
            let mut unproven = lock(&self.unproven);
            unproven.pings += 1;
            let ping = unproven.pings;
            unproven.confirmations.extend(
                message
                    .confirm
                    .map(|(author, reference)| (ping, author, reference)),
            );
            drop(unproven);
            self.send(Opcode::Ping, &ping.to_be_bytes());
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut session: Option<Arc<Session>> = None;
        let mut upgraded = false;
        while let Ok(count) = stream.read(&mut chunk) {
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..count]);
            if !upgraded {
                if !bytes.ends_with(b"\r\n\r\n") {
                    continue;
                }
                // The answer to the key that the tester always sends.
                let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                let _ = stream.write_all(response.as_bytes());
                bytes.clear();
                upgraded = true;
            }
            if !self.take_frames(&mut bytes, &stream, &mut session) {
                break;
            }
        }
        if let Some(session) = session {
            lock(&self.users).retain(|_, other| !Arc::ptr_eq(other, &session));
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Handles the complete frames in `bytes`; false when the connection is over.
    fn take_frames(
        &self,
        bytes: &mut Vec<u8>,
        stream: &TcpStream,
        session: &mut Option<Arc<Session>>,
    ) -> bool {
        let mut used = 0;
        while let Ok(Some(frame)) = decode(&bytes[used..]) {
            used += frame.len;
            match (frame.opcode, session.as_ref()) {
                (Opcode::Text, None) => *session = self.log_in(frame.payload, stream),
                (Opcode::Text, Some(session)) => self.on_text(session, frame.payload),
                (Opcode::Pong, Some(session)) => self.on_pong(session, frame.payload),
                (Opcode::Close, Some(session)) => {
                    session.send(Opcode::Close, frame.payload);
                    return false;
                }
                _ => return false,
            }
        }
        bytes.drain(..used);
        true
    }

    fn log_in(&self, text: &[u8], stream: &TcpStream) -> Option<Arc<Session>> {
        let frame: Value = serde_json::from_slice(text).ok()?;
        let data = frame.get("data")?;
        let user_id = data.get("userId")?.as_str()?.to_owned();
        let option = |name: &str| {
            data.pointer(&format!("/options/{name}"))
                .and_then(Value::as_bool)
                .unwrap_or(false)
        };
        let session = Arc::new(Session {
            accepted: option("accepted"),
            stream: Mutex::new(stream.try_clone().ok()?),
            unproven: Mutex::default(),
            user_id: user_id.clone(),
        });
        let reply = json!({"appId": data.get("appId"), "userId": user_id, "isAuthenticated": true});
        session.send_json(&json!({"type": "AUTH_CLIENT_REPLY", "data": reply}));
        lock(&self.users).insert(user_id, Arc::clone(&session));
        if option("replay") {
            self.send_missed(&session, usize::MAX);
        }
        Some(session)
    }

    fn on_text(&self, session: &Session, text: &[u8]) {
        let Ok(frame) = serde_json::from_slice::<Value>(text) else {
            return;
        };
        let data = &frame["data"];
        match frame["type"].as_str() {
            Some("MESSAGE") => self.route(session, &frame, data["to"].as_str().unwrap_or("")),
            Some("GROUP_MESSAGE") => {
                for to in data["to"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    self.route(session, &frame, to);
                }
            }
            Some("FETCH_MISSING_MESSAGES_REQUEST") => {
                self.send_missed(session, data["count"].as_u64().unwrap_or(1) as usize);
            }
            _ => {}
        }
    }

    fn on_pong(&self, session: &Session, payload: &[u8]) {
        let Ok(number) = payload.try_into().map(u64::from_be_bytes) else {
            return;
        };
        let mut unproven = lock(&session.unproven);
        let (proven, rest) = std::mem::take(&mut unproven.confirmations)
            .into_iter()
            .partition(|(ping, _, _)| *ping <= number);
        unproven.confirmations = rest;
        drop(unproven);
        for (_, author, reference) in Vec::from_iter::<Vec<(u64, String, String)>>(proven) {
            let author = lock(&self.users).get(&author).cloned();
            if let Some(author) = author {
                let data = json!({"reference": reference});
                author.send_json(&json!({"type": "MESSAGE_CONFIRMATION", "data": data, "id": "0"}));
            }
        }
    }

    fn route(&self, from: &Session, frame: &Value, to: &str) {
        let number = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
        let due = |every: u64| every != 0 && number.is_multiple_of(every);
        let reference = frame["reference"].as_str();
        if due(self.faults.refuse_every) {
            let data = json!({"code": "UNAVAILABLE", "message": "told to"});
            from.send_json(&json!({"type": "ERROR", "data": data, "reference": reference}));
            return;
        }
        if due(self.faults.lose_every) {
            return;
        }
        let data = json!({"from": from.user_id, "content": frame["data"]["content"]});
        let text =
            json!({"type": "MESSAGE", "data": data, "reference": reference, "feature": frame["feature"]});
        let confirmed = frame["confirmationEnabled"] != false;
        let message = Routed {
            text: text.to_string(),
            reliable: frame["feature"] != "FAST",
            confirm: reference
                .filter(|_| confirmed)
                .map(|reference| (from.user_id.clone(), reference.to_owned())),
        };
        let receiver = lock(&self.users).get(to).cloned();
        let Some(receiver) = receiver else {
            lock(&self.missed).entry(to.to_owned()).or_default().push(message);
            if from.accepted {
                let data = json!({"reference": reference, "id": "0"});
                from.send_json(&json!({"type": "MESSAGE_ACCEPTED", "data": data}));
            }
            return;
        };
        let held = lock(&receiver.unproven).held.take();
        if due(self.faults.swap_every) && held.is_none() {
            lock(&receiver.unproven).held = Some(message);
            return;
        }
        if due(self.faults.repeat_every) {
            receiver.deliver(message.clone());
        }
        receiver.deliver(message);
        if let Some(held) = held {
            receiver.deliver(held);
        }
    }

    fn send_missed(&self, session: &Session, count: usize) {
        let mut missed = lock(&self.missed);
        let waiting = missed.entry(session.user_id.clone()).or_default();
        let page: Vec<Routed> = waiting.drain(..count.min(waiting.len())).collect();
        let left = waiting.len();
        drop(missed);
        for message in page {
            session.deliver(message);
        }
        let data = json!({"leftMissingCount": left});
        session.send_json(&json!({"type": "FETCH_MISSING_MESSAGES_COMPLETE", "data": data}));
    }
}
