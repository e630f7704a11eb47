//! A user: a WebSocket client that notes what it sees of messages.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Outcome;
use crate::journal::Journal;
use crate::names::APP_ID;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What one fetch asks for; who has missed more is told so.
const FETCH_COUNT: u64 = 1000;

/// Frames that were typed and are not sent yet.
const FRAMES_MAX: usize = 64;

/// A user who is logged in.
pub(crate) struct User {
    frames: mpsc::Sender<Value>,
    task: JoinHandle<()>,
}

impl User {
    /// Logs in, and fetches what was missed.
    pub(crate) async fn log_in(url: &str, id: &str, journal: Arc<Journal>) -> Outcome<Self> {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        let data = json!({"appId": APP_ID, "userId": id, "options": {"accepted": true}});
        send(&mut socket, &json!({"type": "AUTH_CLIENT", "data": data})).await?;
        let reply = loop {
            match socket.next().await.ok_or("the node closed the connection")?? {
                Message::Text(text) => break serde_json::from_str::<Value>(&text)?,
                Message::Close(_) => return Err("the node closed the connection".into()),
                _ => {}
            }
        };
        let data = &reply["data"];
        if data["isAuthenticated"] != true {
            return Err(format!("{id} is refused: {}", data["error"]["message"]).into());
        }
        match data["missing"].as_u64() {
            Some(0) | None => say!("*    {id} is here"),
            Some(missing) => {
                say!("*    {id} is here, has missed {missing} and fetches them");
                let data = json!({"count": FETCH_COUNT});
                send(
                    &mut socket,
                    &json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": data}),
                )
                .await?;
            }
        }
        let (frames, to_send) = mpsc::channel(FRAMES_MAX);
        let id = id.to_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = live(&mut socket, &id, to_send, &journal).await {
                say!("*    {id} is gone: {error}");
            }
        });
        Ok(Self { frames, task })
    }

    pub(crate) async fn message(&self, to: &str, text: &str, reference: &str) -> Outcome<()> {
        let data = json!({"to": to, "content": text});
        let frame = json!({"type": "MESSAGE", "data": data, "reference": reference});
        self.frames
            .send(frame)
            .await
            .map_err(|_| "the connection has ended".into())
    }

    /// Closes the connection, and waits for that.
    pub(crate) async fn leave(self) -> Outcome<()> {
        drop(self.frames);
        Ok(self.task.await?)
    }
}

async fn send(socket: &mut Socket, frame: &Value) -> Outcome<()> {
    Ok(socket.send(Message::text(frame.to_string())).await?)
}

/// Until nobody has anything to send any more.
async fn live(
    socket: &mut Socket,
    id: &str,
    mut to_send: mpsc::Receiver<Value>,
    journal: &Journal,
) -> Outcome<()> {
    loop {
        tokio::select! {
            frame = to_send.recv() => match frame {
                Some(frame) => send(socket, &frame).await?,
                None => break,
            },
            message = socket.next() => match message.ok_or("the connection has ended")?? {
                Message::Text(text) => note(&serde_json::from_str(&text)?, id, journal),
                Message::Close(Some(reason)) => return Err(reason.to_string().into()),
                _ => {}
            },
        }
    }
    socket.close(None).await?;
    // The node closes in turn; what comes before that was too late.
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}

fn note(frame: &Value, id: &str, journal: &Journal) {
    let data = &frame["data"];
    let reference = |value: &Value| value["reference"].as_str().unwrap_or_default().to_owned();
    match frame["type"].as_str() {
        Some("MESSAGE") => journal.delivered(&reference(frame), id, &data["content"].to_string()),
        Some("MESSAGE_ACCEPTED") => journal.accepted(&reference(data)),
        Some("MESSAGE_CONFIRMATION") => journal.confirmed(&reference(data)),
        Some("ERROR") => {
            let why = format!("{}: {}", data["code"], data["message"]);
            journal.refused(&reference(frame), &why);
        }
        Some("FETCH_MISSING_MESSAGES_COMPLETE") => {
            say!("*    {id} has fetched; {} more wait", data["leftMissingCount"]);
        }
        _ => {}
    }
}
