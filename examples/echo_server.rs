//! A bare WebSocket echo on actix-web-actors: no JSON, no users, no routing.
//!
//! It is the ceiling that the load tester measures Linker against: whatever a message costs
//! here is what the sockets, the HTTP stack and the WebSocket codec cost by themselves.
//!
//! ```text
//! cargo run --release -p linker-actors --example echo_server -- --bind 127.0.0.1:0
//! ```

use std::io::Write;

use actix::{Actor, StreamHandler};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use clap::Parser;

#[derive(Parser)]
#[command(about = "A bare WebSocket echo server: the ceiling for the load tester")]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8099")]
    bind: String,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

struct Echo;

impl Actor for Echo {
    type Context = ws::WebsocketContext<Self>;
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Echo {
    fn handle(&mut self, item: Result<ws::Message, ws::ProtocolError>, context: &mut Self::Context) {
        match item {
            Ok(ws::Message::Text(text)) => context.text(text),
            Ok(ws::Message::Binary(bytes)) => context.binary(bytes),
            Ok(ws::Message::Ping(bytes)) => context.pong(&bytes),
            Ok(ws::Message::Close(reason)) => {
                context.close(reason);
                actix::ActorContext::stop(context);
            }
            Ok(_) => {}
            Err(_) => actix::ActorContext::stop(context),
        }
    }
}

async fn echo(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
    ws::WsResponseBuilder::new(Echo, &request, payload).start()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let server = HttpServer::new(|| App::new().route("/ws", web::get().to(echo)))
        .workers(arguments.workers)
        .backlog(4096)
        .bind(&arguments.bind)?;
    for address in server.addrs() {
        println!("echo ready ws=ws://{address}/ws");
    }
    std::io::stdout().flush()?;
    server.run().await
}
