//! A chat in the terminal: what you type goes to your peer, what the peer types is shown, and each line is marked when it has arrived, days later if
//! need be.
//!
//! ```text
//! cargo run -p linker-actors --example terminal_chat -- --serve CHAT-1 CHAT-2       # with a node inside, at 127.0.0.1:8088
//! cargo run -p linker-actors --example terminal_chat -- CHAT-2 CHAT-1               # in another terminal
//! ```
//!
//! With `--check` two chats talk to each other, and it ends with 0 when both saw what they should.

use std::error::Error;
use std::net::TcpListener;

use actix_web::{App, HttpServer};
use futures_util::{SinkExt, StreamExt};
use linker_actors::Linker;
use linker_actors::core::app::{AuthMethod, ClientApp};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const ADDRESS: &str = "127.0.0.1:8088";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// One side of a chat, until its lines end.
async fn chat(
    url: &str,
    user: &str,
    peer: &str,
    mut lines: mpsc::Receiver<String>,
    shown: mpsc::Sender<String>,
) -> Outcome<()> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let data = json!({"appId": "chat", "userId": user, "options": {"replay": true}});
    socket
        .send(Message::text(
            json!({"type": "AUTH_CLIENT", "data": data}).to_string(),
        ))
        .await?;
    let mut sent = 0;
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break };
                sent += 1;
                // Unique among this user's messages to this peer, so that sending it again would not show it twice.
                let reference = format!("{}-{sent}:{line}", std::process::id());
                let reference = reference.chars().take(60).collect::<String>();
                let message = json!({"type": "MESSAGE", "data": {"to": peer, "content": line}, "reference": reference});
                socket.send(Message::text(message.to_string())).await?;
            }
            message = socket.next() => match message.ok_or("the server closed the connection")?? {
                Message::Text(text) => {
                    if let Some(line) = line_for(&serde_json::from_str(&text)?) {
                        shown.send(line).await?;
                    }
                }
                Message::Close(Some(reason)) => return Err(format!("the server closed: {reason}").into()),
                _ => {}
            },
        }
    }
    socket.close(None).await?;
    Ok(())
}

/// What a frame looks like in a chat.
fn line_for(frame: &Value) -> Option<String> {
    let data = &frame["data"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match frame["type"].as_str()? {
        "AUTH_CLIENT_REPLY" if data["isAuthenticated"] == true => Some("* you are here".into()),
        "AUTH_CLIENT_REPLY" => Some(format!("* refused: {}", text(&data["error"]["message"]))),
        "MESSAGE" => Some(format!("{}: {}", text(&data["from"]), text(&data["content"]))),
        "MESSAGE_CONFIRMATION" => {
            let reference = text(&data["reference"]);
            let (_, line) = reference.split_once(':')?;
            Some(format!("* arrived: {line}"))
        }
        "ERROR" => Some(format!("* error: {}", text(&data["message"]))),
        _ => None,
    }
}

/// A node with the chat's endpoint, for as long as it is awaited.
async fn serve(listener: TcpListener) -> Outcome<()> {
    let app = ClientApp {
        app_name: "CHAT".parse()?,
        app_id: "chat".into(),
        master: None,
        isolated: false,
        auth: AuthMethod::None,
    };
    let linker = Linker::builder().client_app(app).start().await?;
    let handle = linker.handle();
    HttpServer::new(move || App::new().configure(|config| handle.configure(config)))
        .on_connect(linker.handle().on_connect())
        .workers(1)
        .listen(listener)?
        .run()
        .await?;
    linker.stop().await;
    Ok(())
}

/// Lines of the terminal; standard input has no asynchronous reader, so a thread reads it.
fn typed_lines() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

async fn talk(url: String, user: String, peer: String) -> Outcome<()> {
    let (shown, mut to_show) = mpsc::channel(16);
    let show = async {
        while let Some(line) = to_show.recv().await {
            println!("{line}");
        }
        Ok(())
    };
    tokio::try_join!(chat(&url, &user, &peer, typed_lines(), shown), show)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut names = Vec::new();
    let (mut is_check, mut is_server) = (false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => is_check = true,
            "--serve" => is_server = true,
            _ => names.push(argument),
        }
    }
    if is_check {
        return check().await;
    }
    let [user, peer] =
        <[String; 2]>::try_from(names).map_err(|_| "usage: terminal_chat [--serve] YOU PEER")?;
    let url = format!("ws://{ADDRESS}/ws");
    if is_server {
        let listener = TcpListener::bind(ADDRESS)?;
        tokio::select! {
            ended = serve(listener) => ended,
            ended = talk(url, user, peer) => ended,
        }
    } else {
        talk(url, user, peer).await
    }
}

async fn check() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/ws", listener.local_addr()?);
    tokio::select! {
        ended = serve(listener) => ended?,
        checked = two_chats(&url) => checked?,
    }
    println!("ok: two chats, one of which came later");
    Ok(())
}

async fn two_chats(url: &str) -> Outcome<()> {
    let (anna_types, anna_lines) = mpsc::channel(16);
    let (anna_sees, mut anna_screen) = mpsc::channel(16);
    let (bert_types, bert_lines) = mpsc::channel(16);
    let (bert_sees, mut bert_screen) = mpsc::channel(16);
    let script = async {
        expect(&mut anna_screen, "* you are here").await?;
        anna_types.send("are you there?".to_owned()).await?;
        // Only now does the second one come.
        let bert = chat(url, "CHAT-2", "CHAT-1", bert_lines, bert_sees);
        let rest = async {
            expect(&mut bert_screen, "* you are here").await?;
            expect(&mut bert_screen, "CHAT-1: are you there?").await?;
            expect(&mut anna_screen, "* arrived: are you there?").await?;
            bert_types.send("yes, \"now\"".to_owned()).await?;
            expect(&mut anna_screen, "CHAT-2: yes, \"now\"").await?;
            expect(&mut bert_screen, "* arrived: yes, \"now\"").await?;
            drop((bert_types, anna_types));
            Ok(())
        };
        tokio::try_join!(bert, rest)
    };
    tokio::try_join!(chat(url, "CHAT-1", "CHAT-2", anna_lines, anna_sees), script)?;
    Ok(())
}

async fn expect(screen: &mut mpsc::Receiver<String>, wanted: &str) -> Outcome<()> {
    match screen.recv().await {
        Some(line) if line == wanted => Ok(()),
        other => Err(format!("{wanted:?} was to be shown, not {other:?}").into()),
    }
}
