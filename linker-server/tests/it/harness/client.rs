//! A client that behaves: it reads all the time and so answers every ping, by tokio-tungstenite.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::{Node, Pair, Socket, WAIT, auth, fetch, ping, with};

/// A text frame from the server: as parsed (null where serde_json cannot hold it) and as written.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The frame's bytes.
    pub(crate) text: String,
    value: Value,
}

impl Frame {
    pub(super) fn new(text: String) -> Self {
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { text, value }
    }

    /// The frame's type, or nothing for a frame that serde_json cannot hold.
    pub(crate) fn kind(&self) -> &str {
        self["type"].as_str().unwrap_or_default()
    }

    /// The top-level `id`, which every RELIABLE frame has.
    pub(crate) fn id(&self) -> &str {
        self["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id: {}", self.text))
    }

    /// The code of an `ERROR`, or of a refused login.
    pub(crate) fn code(&self) -> &str {
        let code = if self.kind() == "ERROR" {
            &self["data"]["code"]
        } else {
            &self["data"]["error"]["code"]
        };
        code.as_str().unwrap_or_else(|| panic!("no code: {}", self.text))
    }

    /// What a person reads in an `ERROR`.
    pub(crate) fn error_text(&self) -> &str {
        let text = self["data"]["message"].as_str().unwrap_or_default();
        assert!(
            !text.is_empty(),
            "an ERROR has a message a person can read: {}",
            self.text
        );
        text
    }
}

impl Deref for Frame {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

enum Incoming {
    Frame(Frame),
    Closed(Option<u16>),
}

/// A connection of a user who reads and answers.
pub(crate) struct Client {
    outgoing: mpsc::UnboundedSender<Message>,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    /// Frames that came while another type was awaited, in order.
    kept: VecDeque<Frame>,
    closed: Option<Option<u16>>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    /// The answer to the login, once there was one.
    pub(crate) reply: Option<Frame>,
}

impl Client {
    /// A connection that has not said anything yet.
    pub(crate) async fn connect(node: &Node) -> Self {
        let opened = Self::open(node.ws, node.tls()).await;
        opened.unwrap_or_else(|why| panic!("the node accepts no connection: {why}"))
    }

    /// As [`Client::connect`], to a node that another task may be killing.
    pub(crate) async fn try_connect(ws: SocketAddr) -> Option<Self> {
        Self::open(ws, None).await.ok()
    }

    /// As [`Client::connect`], trusting this certificate alone; or why not.
    pub(crate) async fn connect_trusting(node: &Node, pair: &Pair) -> Result<Self, String> {
        Self::open(node.ws, Some(pair)).await
    }

    async fn open(ws: SocketAddr, tls: Option<&Pair>) -> Result<Self, String> {
        let connecting = TcpStream::connect(ws).await;
        let stream = connecting.map_err(|error| format!("connecting: {error}"))?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Socket> = match tls {
            None => Box::new(stream),
            Some(pair) => {
                let secured = pair.secure(stream).await;
                Box::new(secured.map_err(|error| format!("TLS: {error}"))?)
            }
        };
        let upgrading = client_async(format!("ws://{ws}/ws"), stream).await;
        let (socket, _) = upgrading.map_err(|error| format!("the handshake: {error}"))?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut to_send) = mpsc::unbounded_channel();
        let (received, incoming) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            while let Some(message) = to_send.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let reader = tokio::spawn(async move {
            let mut code = None;
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => {
                        let frame = Incoming::Frame(Frame::new(text.as_str().to_owned()));
                        if received.send(frame).is_err() {
                            return;
                        }
                    }
                    Message::Close(Some(frame)) => code = Some(u16::from(frame.code)),
                    _ => {}
                }
            }
            // Nobody listens any more where the test is over.
            let _ = received.send(Incoming::Closed(code));
        });
        Ok(Self {
            outgoing,
            incoming,
            kept: VecDeque::new(),
            closed: None,
            reader,
            writer,
            reply: None,
        })
    }

    /// A logged-in user with default options.
    pub(crate) async fn login(node: &Node, user: &str) -> Self {
        Self::login_with(node, user, json!({})).await
    }

    /// A logged-in user with these `options`.
    pub(crate) async fn login_with(node: &Node, user: &str, options: Value) -> Self {
        let mut frame = auth(user);
        frame["data"]["options"] = options;
        Self::login_by(node, frame).await
    }

    /// A user logged in with this `AUTH_CLIENT`.
    pub(crate) async fn login_by(node: &Node, frame: Value) -> Self {
        let mut client = Self::connect(node).await;
        client.send(frame);
        let reply = client.expect("AUTH_CLIENT_REPLY").await;
        assert_eq!(
            reply["data"]["isAuthenticated"], true,
            "login refused: {}",
            reply.text
        );
        client.reply = Some(reply);
        client
    }

    /// A login that is refused: the reply, after the connection was closed with 4003.
    pub(crate) async fn refused(node: &Node, frame: Value) -> Frame {
        let mut client = Self::connect(node).await;
        client.send(frame);
        let reply = client.expect("AUTH_CLIENT_REPLY").await;
        assert_eq!(
            reply["data"]["isAuthenticated"], false,
            "not refused: {}",
            reply.text
        );
        assert_eq!(client.closed().await, Some(4003));
        reply
    }

    /// How many messages waited at the login.
    pub(crate) fn missing(&self) -> u64 {
        let reply = self.reply.as_ref().expect("logged in");
        reply["data"]["missing"].as_u64().unwrap_or(0)
    }

    /// Sends a frame; it is written by a task of its own.
    pub(crate) fn send(&self, frame: impl Into<Value>) {
        self.send_text(frame.into().to_string());
    }

    /// Sends a text as it is.
    pub(crate) fn send_text(&self, text: impl Into<String>) {
        // A connection that has ended is noticed by whoever reads from it.
        let _ = self.outgoing.send(Message::text(text.into()));
    }

    /// The next frame, whatever it is; nothing when the connection has ended.
    pub(crate) async fn next_or_closed(&mut self) -> Option<Frame> {
        if let Some(frame) = self.kept.pop_front() {
            return Some(frame);
        }
        self.receive("any frame").await
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next(&mut self) -> Frame {
        let frame = self.next_or_closed().await;
        frame.unwrap_or_else(|| panic!("closed with {:?} instead of a frame", self.closed))
    }

    /// The first frame of this type; those before it stay to be read.
    pub(crate) async fn expect(&mut self, kind: &str) -> Frame {
        self.find(kind, |frame| frame.kind() == kind).await
    }

    /// The `ERROR` with this code; other frames stay to be read.
    pub(crate) async fn expect_error(&mut self, code: &str) -> Frame {
        self.find(code, |frame| {
            frame.kind() == "ERROR" && frame["data"]["code"] == code
        })
        .await
    }

    /// The first frame that carries this reference inside `data`: a confirmation, an acceptance or a
    /// read receipt of this type.
    pub(crate) async fn expect_for(&mut self, kind: &str, reference: &str) -> Frame {
        let wanted = |frame: &Frame| frame.kind() == kind && frame["data"]["reference"] == reference;
        self.find(&format!("{kind} of {reference}"), wanted).await
    }

    /// The first frame that passes; those before it stay to be read.
    pub(crate) async fn find(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).expect("the position is from this queue");
        }
        loop {
            let Some(frame) = self.receive(what).await else {
                panic!(
                    "closed with {:?} instead of {what}; kept: {:#?}",
                    self.closed, self.kept
                );
            };
            if wanted(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
    }

    /// All frames up to the first of this type, which comes last.
    pub(crate) async fn all_until(&mut self, kind: &str) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let last = frame.kind() == kind;
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Sends `PING` and returns what came before its `PONG`: the session has handled all it was sent.
    pub(crate) async fn fence(&mut self) -> Vec<Frame> {
        self.send(ping());
        let mut frames = self.all_until("PONG").await;
        frames.pop();
        frames
    }

    /// The fence, and that nothing came before it.
    pub(crate) async fn expect_quiet(&mut self) {
        let frames = self.fence().await;
        assert!(frames.is_empty(), "nothing was to come, but: {frames:#?}");
    }

    /// Fetches missed messages: the page and how many are left.
    pub(crate) async fn fetch(&mut self, count: i64) -> (Vec<Frame>, u64) {
        self.send(fetch(count));
        let mut page = self.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
        let complete = page
            .pop()
            .expect("the last frame of the page is the complete one");
        let left = complete["data"]["leftMissingCount"].as_u64();
        (
            page,
            left.unwrap_or_else(|| panic!("no leftMissingCount: {}", complete.text)),
        )
    }

    /// Reads so many messages whose contents count up, each once.
    pub(crate) async fn expect_in_order(&mut self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            let frame = self.expect("MESSAGE").await;
            assert_eq!(frame["data"]["content"], n, "out of order: {}", frame.text);
        }
    }

    /// [`Client::expect_for`] each of these references.
    pub(crate) async fn expect_for_all(
        &mut self,
        kind: &str,
        references: impl IntoIterator<Item = impl AsRef<str>>,
    ) {
        for reference in references {
            self.expect_for(kind, reference.as_ref()).await;
        }
    }

    /// Sends RELIABLE messages with references to an absent user and waits until each is stored; the
    /// session must have been opened with `accepted`.
    pub(crate) async fn store_for(&mut self, absent: &str, references: &[String]) {
        for reference in references {
            self.send(super::referenced(absent, reference.as_str(), reference));
        }
        self.expect_for_all("MESSAGE_ACCEPTED", references).await;
    }

    /// Sends a message with a reference to a user who is there and waits for its confirmation: all
    /// that this sender sent that recipient before has been delivered by then.
    pub(crate) async fn delivery_fence(&mut self, to: &str, reference: &str) {
        self.send(with(super::message(to, "fence"), "reference", reference));
        self.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }

    /// The close code, once the connection has ended; frames before it stay to be read.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        while let Some(frame) = self.receive("the end of the connection").await {
            self.kept.push_back(frame);
        }
        self.closed.flatten()
    }

    /// Closes as a browser does; what follows is still to be read.
    pub(crate) fn say_goodbye(&self) {
        let _ = self.outgoing.send(Message::Close(None));
    }

    /// Closes as a browser does and waits for the server's answer.
    pub(crate) async fn close(mut self) {
        self.say_goodbye();
        while self.next_or_closed().await.is_some() {}
    }

    /// The connection ends without a word: all that had come by then and was not read yet. What the client has proven is
    /// among it.
    pub(crate) async fn vanish(mut self) -> Vec<Frame> {
        self.reader.abort();
        // Cancelled, or at its end already.
        let _ = (&mut self.reader).await;
        let mut frames: Vec<Frame> = self.kept.drain(..).collect();
        while let Ok(Incoming::Frame(frame)) = self.incoming.try_recv() {
            frames.push(frame);
        }
        frames
    }

    async fn receive(&mut self, what: &str) -> Option<Frame> {
        if self.closed.is_some() {
            return None;
        }
        let start = Instant::now();
        match tokio::time::timeout(WAIT, self.incoming.recv()).await {
            Ok(Some(Incoming::Frame(frame))) => Some(frame),
            Ok(Some(Incoming::Closed(code))) => {
                self.closed = Some(code);
                None
            }
            Ok(None) => {
                self.closed = Some(None);
                None
            }
            Err(_) => panic!(
                "{what} did not come within {:?}; kept: {:#?}",
                start.elapsed(),
                self.kept
            ),
        }
    }
}

impl Drop for Client {
    /// The connection ends without a word, as when a phone loses its network.
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}
