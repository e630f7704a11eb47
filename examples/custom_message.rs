//! Message types of one's own: a typed request in, frames out. One answers at once or refuses, one is slow and tells of its progress by messages.
//!
//! ```text
//! cargo run -p linker-actors --example custom_message
//! > {"type": "AUTH_CLIENT", "data": {"appId": "office", "userId": "OFFICE-1"}}      at ws://localhost:8088/ws
//! > {"type": "PRICE", "data": {"item": "tea", "count": 3}}
//! > {"type": "REPORT", "data": {"pages": 2}}
//! ```
//!
//! With `--check` it runs on a free port, asks itself, and ends with 0 when the answers were right.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::{App, HttpServer};
use linker_actors::core::app::{AuthMethod, ClientApp};
use linker_actors::{Caller, Handler, HandlerError, Linker, Outgoing, Reply};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// `PRICE`: what so many of an item cost.
struct PriceList;

#[derive(Deserialize)]
struct PriceRequest {
    item: String,
    count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Price {
    price_in_cents: u32,
}

impl Handler for PriceList {
    const TYPE: &'static str = "PRICE";
    type Request = PriceRequest;

    async fn handle(&self, _: Caller, request: PriceRequest) -> Result<Vec<Reply>, HandlerError> {
        let each = match request.item.as_str() {
            "tea" => 250_u32,
            "coffee" => 310,
            other => return Err(HandlerError::invalid(format!("`item`: there is no {other}"))),
        };
        let price_in_cents = each
            .checked_mul(request.count)
            .ok_or_else(|| HandlerError::invalid("`count`: so much is not there"))?;
        Ok(vec![Reply::new("PRICE_REPLY", &Price { price_in_cents })?])
    }
}

/// `REPORT`: takes its time. The client's other frames are handled meanwhile.
struct Reports {
    time_per_page: Duration,
}

#[derive(Deserialize)]
struct ReportRequest {
    pages: u32,
}

impl Handler for Reports {
    const TYPE: &'static str = "REPORT";
    type Request = ReportRequest;

    async fn handle(&self, caller: Caller, request: ReportRequest) -> Result<Vec<Reply>, HandlerError> {
        let unavailable = |error: linker_actors::SendError| HandlerError::unavailable(error.to_string());
        let mut pages = Vec::new();
        for page in 1..=request.pages {
            tokio::time::sleep(self.time_per_page).await;
            let progress = Outgoing::new(&json!({"pagesDone": page})).map_err(unavailable)?;
            caller
                .linker
                .send(caller.user, progress.fast())
                .await
                .map_err(unavailable)?;
            pages.push(Reply::new("REPORT_PAGE", &json!({"page": page}))?);
        }
        Ok(pages)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_check = std::env::args().any(|argument| argument == "--check");
    let app = ClientApp {
        app_name: "OFFICE".parse()?,
        app_id: "office".into(),
        master: Some("OFFICE-0".parse()?),
        isolated: false,
        auth: AuthMethod::None,
    };
    let reports = Reports {
        time_per_page: Duration::from_millis(200),
    };
    let linker = Linker::builder()
        .client_app(app)
        .handler(PriceList)
        .handler(reports)
        .start()
        .await?;
    let listener = TcpListener::bind(if is_check { "127.0.0.1:0" } else { "127.0.0.1:8088" })?;
    let address = listener.local_addr()?;
    println!("listening on ws://{address}/ws");
    let handle = linker.handle();
    let server = HttpServer::new(move || App::new().configure(|config| handle.configure(config)))
        .on_connect(linker.handle().on_connect())
        .workers(1)
        .listen(listener)?
        .run();
    if is_check {
        tokio::select! {
            ended = server => ended?,
            checked = check(address) => checked?,
        }
        println!("ok: a price, three mistakes, and a report that held up nothing");
    } else {
        server.await?;
    }
    linker.stop().await;
    Ok(())
}

async fn check(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await?;
    let requests = [
        json!({"type": "AUTH_CLIENT", "data": {"appId": "office", "userId": "OFFICE-1"}}),
        json!({"type": "REPORT", "data": {"pages": 2}, "reference": "slow"}),
        json!({"type": "PRICE", "data": {"item": "tea", "count": 3}, "reference": "a"}),
        json!({"type": "PRICE", "data": {"item": "gold", "count": 3}, "reference": "b"}),
        json!({"type": "PRICE", "data": {"item": "tea"}, "reference": "c"}),
        json!({"type": "PRICE", "data": {"item": "tea", "count": "three"}, "reference": "d"}),
    ];
    for request in requests {
        socket.send(Message::text(request.to_string())).await?;
    }
    let mut answers = Vec::new();
    while answers
        .last()
        .is_none_or(|last: &String| !last.contains("page 2"))
    {
        let message = socket.next().await.ok_or("the connection has ended")??;
        let Message::Text(text) = message else { continue };
        let frame: serde_json::Value = serde_json::from_str(&text)?;
        let data = &frame["data"];
        let reference = frame["reference"].as_str().unwrap_or("-");
        answers.push(match frame["type"].as_str().unwrap_or_default() {
            "PRICE_REPLY" => format!("{reference}: {} cents", data["priceInCents"]),
            "REPORT_PAGE" => format!("{reference}: page {}", data["page"]),
            "ERROR" => format!("{reference}: {}", data["code"].as_str().unwrap_or_default()),
            "MESSAGE" => format!("progress {}", data["content"]["pagesDone"]),
            other => other.to_owned(),
        });
    }
    socket.close(None).await?;
    // Short requests overtake each other; the report comes last, in order.
    let report = answers.split_off(answers.len().saturating_sub(4));
    answers.sort();
    let wanted = [
        "AUTH_CLIENT_REPLY",
        "a: 750 cents",
        "b: INVALID_FIELD",
        "c: INVALID_FIELD",
        "d: INVALID_FIELD",
    ];
    let wanted_report = ["progress 1", "progress 2", "slow: page 1", "slow: page 2"];
    if answers != wanted || report != wanted_report {
        return Err(format!("other answers than wanted: {answers:?}, {report:?}").into());
    }
    Ok(())
}
