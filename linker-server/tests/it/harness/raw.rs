//! A client that speaks WebSocket by hand, to misbehave: it answers pings only when told, may stop
//! reading, and writes any bytes.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{Frame, Node, Pair, WAIT, auth, ping};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The accept value of RFC 6455, 1.3, for that key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Opcodes of RFC 6455.
const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;
const CLOSE: u8 = 8;

/// Whatever bytes go through.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// How a connection is opened.
#[derive(Clone, Default)]
pub(crate) struct Dial {
    /// `SO_RCVBUF`, for a client that is to stop reading soon.
    pub(crate) receive_buffer: Option<u32>,
    /// The `Origin` header.
    pub(crate) origin: Option<String>,
    /// The last byte of the client's address 127.0.0.x.
    pub(crate) host: Option<u8>,
    /// TLS, trusting this certificate alone.
    pub(crate) tls: Option<Pair>,
}

/// A frame to be written, right or wrong.
#[derive(Clone)]
pub(crate) struct Wire<'a> {
    pub(crate) fin: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) masked: bool,
    pub(crate) payload: &'a [u8],
}

impl<'a> Wire<'a> {
    /// A whole, masked frame.
    pub(crate) fn new(opcode: u8, payload: &'a [u8]) -> Self {
        Self {
            fin: true,
            reserved: 0,
            opcode,
            masked: true,
            payload,
        }
    }

    /// The frame as the first or a middle part of a message.
    pub(crate) fn unfinished(opcode: u8, payload: &'a [u8]) -> Self {
        Self {
            fin: false,
            ..Self::new(opcode, payload)
        }
    }

    /// The frame's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![(u8::from(self.fin) << 7) | (self.reserved << 4) | self.opcode];
        let mask_bit = u8::from(self.masked) << 7;
        match self.payload.len() {
            len @ 0..=125 => bytes.push(mask_bit | u8::try_from(len).expect("below 126")),
            len @ 126..=0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend(u16::try_from(len).expect("two bytes").to_be_bytes());
            }
            len => {
                bytes.push(mask_bit | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        if self.masked {
            bytes.extend(MASK);
            bytes.extend(
                self.payload
                    .iter()
                    .zip(MASK.iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
        } else {
            bytes.extend(self.payload);
        }
        bytes
    }
}

/// What came from the server.
#[derive(Debug)]
pub(crate) enum Received {
    Text(Frame),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The TCP connection is over.
    End,
}

/// A hand-driven connection.
pub(crate) struct Raw {
    stream: Box<dyn Socket>,
    buffer: Vec<u8>,
    /// Whether [`Raw::expect`] answers the pings it meets. Off at first.
    pub(crate) answers_pings: bool,
    /// Payloads of pings met and not answered yet.
    pub(crate) pings: VecDeque<Vec<u8>>,
}

impl Raw {
    /// An upgraded connection that has not logged in.
    pub(crate) async fn connect(node: &Node) -> Self {
        Self::dial(node.ws, &by(node, &Dial::default())).await
    }

    /// As [`Raw::connect`], with a say in how.
    pub(crate) async fn dial(ws: SocketAddr, dial: &Dial) -> Self {
        let shaken = Self::shake_hands(ws, dial).await;
        let mut raw = shaken.expect("the node accepts connections");
        let head = raw.read_head().await.expect("cut during the handshake");
        assert!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        assert!(head.contains(ACCEPT), "wrong Sec-WebSocket-Accept: {head}");
        raw
    }

    /// A logged-in connection that answers no ping.
    pub(crate) async fn login(node: &Node, user: &str) -> Self {
        Self::login_with(node, user, json!({}), &Dial::default()).await
    }

    /// As [`Raw::login`], with options and a say in how to connect.
    pub(crate) async fn login_with(node: &Node, user: &str, options: Value, dial: &Dial) -> Self {
        let mut raw = Self::dial(node.ws, &by(node, dial)).await;
        let mut frame = auth(user);
        frame["data"]["options"] = options;
        raw.text(&frame).await;
        let reply = raw.expect("AUTH_CLIENT_REPLY").await;
        assert_eq!(
            reply["data"]["isAuthenticated"], true,
            "login refused: {}",
            reply.text
        );
        raw
    }

    /// Sends a JSON frame; whether the connection still took it.
    pub(crate) async fn text(&mut self, frame: &Value) -> bool {
        self.bytes(&Wire::new(TEXT, frame.to_string().as_bytes()).bytes())
            .await
    }

    /// Sends one WebSocket frame.
    pub(crate) async fn wire(&mut self, wire: Wire<'_>) {
        self.bytes(&wire.bytes()).await;
    }

    /// Writes bytes; whether the connection still took them. Most tests notice when reading.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) -> bool {
        let written = tokio::time::timeout(WAIT, self.stream.write_all(bytes)).await;
        written
            .unwrap_or_else(|_| panic!("the server has not read for {WAIT:?}"))
            .is_ok()
    }

    /// Answers the ping met last, and with it all before it.
    pub(crate) async fn pong_newest(&mut self) {
        let payload = self.pings.pop_back().expect("a ping was met");
        self.pings.clear();
        self.wire(Wire::new(PONG, &payload)).await;
    }

    /// The next WebSocket frame; pings are noted and, where asked for, answered.
    pub(crate) async fn receive(&mut self) -> Received {
        let received = match tokio::time::timeout(WAIT, self.read_frame()).await {
            Ok(Some(received)) => received,
            Ok(None) => Received::End,
            Err(_) => panic!("nothing came within {WAIT:?}"),
        };
        if let Received::Ping(payload) = &received {
            if self.answers_pings {
                self.wire(Wire::new(PONG, payload)).await;
            } else {
                self.pings.push_back(payload.clone());
            }
        }
        received
    }

    /// Whatever has come within the time, for a server that may say nothing more.
    pub(crate) async fn receive_within(&mut self, time: std::time::Duration) -> Option<Received> {
        tokio::time::timeout(time, self.receive()).await.ok()
    }

    /// The next text frame, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Frame {
        let frame = self.next_text().await;
        assert_eq!(frame.kind(), kind, "{}", frame.text);
        frame
    }

    /// The next text frame.
    pub(crate) async fn next_text(&mut self) -> Frame {
        loop {
            match self.receive().await {
                Received::Text(frame) => return frame,
                Received::Ping(_) | Received::Pong(_) => {}
                over => panic!("{over:?} instead of a text frame"),
            }
        }
    }

    /// Reads until a ping has come that is not answered yet.
    pub(crate) async fn await_ping(&mut self) {
        while self.pings.is_empty() {
            let received = self.receive().await;
            assert!(
                matches!(received, Received::Ping(_)),
                "{received:?} instead of a ping"
            );
        }
    }

    /// Sends `PING` and returns the text frames that came before its `PONG`.
    pub(crate) async fn fence(&mut self) -> Vec<Frame> {
        self.text(&ping()).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next_text().await;
            if frame.kind() == "PONG" {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Reads to the end: the code of the close frame, or nothing where the connection was cut.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.receive().await {
                Received::Close(with) => {
                    code = code.or(with);
                    self.wire(Wire::new(CLOSE, &code.unwrap_or(1000).to_be_bytes()))
                        .await;
                }
                Received::End => return code,
                _ => {}
            }
        }
    }

    /// Whether the stream ends here, without an error.
    pub(crate) async fn ended_cleanly(&mut self) -> bool {
        let read = tokio::time::timeout(WAIT, self.stream.read_buf(&mut self.buffer)).await;
        matches!(
            read.unwrap_or_else(|_| panic!("nothing came within {WAIT:?}")),
            Ok(0)
        )
    }

    /// A TCP connection on which nothing was said yet.
    pub(crate) async fn open(ws: SocketAddr) -> Self {
        let opened = Self::open_with(ws, &Dial::default()).await;
        opened.expect("the node accepts connections")
    }

    async fn open_with(ws: SocketAddr, dial: &Dial) -> Option<Self> {
        let socket = TcpSocket::new_v4().expect("an IPv4 socket");
        if let Some(size) = dial.receive_buffer {
            socket.set_recv_buffer_size(size).expect("SO_RCVBUF can be set");
        }
        if let Some(host) = dial.host {
            let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0);
            socket.bind(local).expect("all of 127/8 is this machine");
        }
        let stream = socket.connect(ws).await.ok()?;
        stream.set_nodelay(true).expect("a TCP socket has TCP_NODELAY");
        let stream: Box<dyn Socket> = match &dial.tls {
            None => Box::new(stream),
            Some(pair) => Box::new(pair.secure(stream).await.ok()?),
        };
        Some(Self {
            stream,
            buffer: Vec::new(),
            answers_pings: false,
            pings: VecDeque::new(),
        })
    }

    async fn shake_hands(ws: SocketAddr, dial: &Dial) -> Option<Self> {
        let mut raw = Self::open_with(ws, dial).await?;
        let origin = dial
            .origin
            .as_ref()
            .map(|origin| format!("Origin: {origin}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: {ws}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{origin}\r\n"
        );
        raw.bytes(head.as_bytes()).await;
        Some(raw)
    }

    /// The answer's head; nothing where the connection was cut before it was whole.
    pub(crate) async fn read_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8(head).expect("an HTTP head is ASCII"));
            }
            let more = tokio::time::timeout(WAIT, self.fill()).await;
            if !more.expect("the server answers the handshake") {
                return None;
            }
        }
    }

    async fn read_frame(&mut self) -> Option<Received> {
        loop {
            if let Some((received, length)) = parse_frame(&self.buffer) {
                self.buffer.drain(..length);
                return Some(received);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Whether there was more to read.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(count) if count > 0)
    }
}

/// The same, by TLS where the node has it.
fn by(node: &Node, dial: &Dial) -> Dial {
    Dial {
        tls: dial.tls.clone().or_else(|| node.tls().cloned()),
        ..dial.clone()
    }
}

/// An upgraded connection by a request with these headers alone, or the head of the answer that refused it.
pub(crate) async fn handshake(ws: SocketAddr, path: &str, headers: &str) -> Result<Raw, String> {
    let mut raw = Raw::open(ws).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {ws}\r\n{headers}\r\n\r\n");
    raw.bytes(head.as_bytes()).await;
    let answer = raw.read_head().await.ok_or("cut during the handshake")?;
    if answer.starts_with("HTTP/1.1 101 ") {
        assert!(
            !answer.to_lowercase().contains("sec-websocket-extensions"),
            "{answer}"
        );
        Ok(raw)
    } else {
        Err(answer)
    }
}

/// The HTTP status that answers a WebSocket handshake.
pub(crate) async fn upgrade_status(ws: SocketAddr, dial: &Dial) -> u16 {
    let status = upgrade_status_if_any(ws, dial).await;
    status.expect("cut during the handshake")
}

/// As [`upgrade_status`], of a node that may accept connections no more, or may cut them.
pub(crate) async fn upgrade_status_if_any(ws: SocketAddr, dial: &Dial) -> Option<u16> {
    let mut raw = Raw::shake_hands(ws, dial).await?;
    let head = raw.read_head().await?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Some(status.unwrap_or_else(|| panic!("not an HTTP answer: {head}")))
}

/// One whole server frame and its length in bytes.
fn parse_frame(bytes: &[u8]) -> Option<(Received, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first >> 7, 1, "the server does not fragment");
    assert_eq!(second >> 7, 0, "a server's frames are not masked");
    let (length, start) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
            10,
        ),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    let received = match first & 0x0f {
        TEXT => Received::Text(Frame::new(
            String::from_utf8(payload).expect("text frames are UTF-8"),
        )),
        CLOSE => Received::Close(
            payload
                .get(..2)
                .map(|code| u16::from_be_bytes([code[0], code[1]])),
        ),
        PING => Received::Ping(payload),
        PONG => Received::Pong(payload),
        opcode => panic!("the server sent opcode {opcode}"),
    };
    Some((received, start + length))
}
