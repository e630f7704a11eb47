//! A service with Linker inside: its own routes, its own logins, and a WebSocket endpoint beside them on the same port.
//!
//! ```text
//! cargo run -p linker-actors --example host_service
//! curl -X POST localhost:8088/login/SHOP-2                    # a token for AUTH_CLIENT at ws://localhost:8088/ws
//! curl localhost:8088/online/SHOP-2
//! curl -X POST localhost:8088/orders -H content-type:application/json -d '{"customer":"SHOP-2","item":"tea"}'
//! ```
//!
//! With `--check` it runs on a free port, is its own customer, and ends with 0 when all went well.

use std::collections::HashMap;
use std::error::Error;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{App, HttpResponse, HttpServer, get, post, web};
use linker_actors::core::app::{AuthMethod, ClientApp};
use linker_actors::core::id::UserId;
use linker_actors::core::port::{AuthError, Authenticator, BoxFuture, Credentials, Login};
use linker_actors::{Linker, LinkerHandle, Outgoing, SendError};
use serde::Deserialize;
use serde_json::json;

/// The service's own logins: who was given which token.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<HashMap<UserId, String>>>);

impl Tokens {
    fn issue(&self, user: UserId) -> String {
        let token = uuid::Uuid::now_v7().to_string();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(user, token.clone());
        token
    }
}

impl Authenticator for Tokens {
    fn authenticate(&self, credentials: Credentials) -> BoxFuture<'_, Result<Login, AuthError>> {
        Box::pin(async move {
            let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match tokens.get(&credentials.user) {
                Some(token) if credentials.token.as_ref() == Some(token) => Ok(Login::default()),
                _ => Err(AuthError::Refused("log in at /login first".into())),
            }
        })
    }
}

/// The service would ask for a password here.
#[post("/login/{user}")]
async fn login(user: web::Path<String>, tokens: web::Data<Tokens>) -> HttpResponse {
    match user.parse() {
        Ok(user) => HttpResponse::Ok().json(json!({"token": tokens.issue(user)})),
        Err(error) => HttpResponse::BadRequest().body(format!("{error}")),
    }
}

#[derive(Deserialize)]
struct Order {
    customer: String,
    item: String,
}

/// Takes an order and tells the customer: now, or when they come back.
#[post("/orders")]
async fn order(order: web::Json<Order>, linker: web::Data<LinkerHandle>) -> HttpResponse {
    let Ok(customer) = order.customer.parse() else {
        return HttpResponse::BadRequest().body("customer: not a user id");
    };
    let told = match Outgoing::new(&json!({"ordered": order.item})) {
        Ok(message) => linker.send(customer, message).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(receipt) => HttpResponse::Accepted().json(json!({"told": format!("{:?}", receipt.state)})),
        Err(SendError::Refused(error)) => HttpResponse::UnprocessableEntity().body(error.to_string()),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

#[get("/online/{user}")]
async fn online(user: web::Path<String>, linker: web::Data<LinkerHandle>) -> HttpResponse {
    match user.parse() {
        Ok(user) => HttpResponse::Ok().json(json!({"online": linker.is_online(user).await})),
        Err(error) => HttpResponse::BadRequest().body(format!("{error}")),
    }
}

async fn start_linker(store: std::path::PathBuf, tokens: Tokens) -> Result<Linker, Box<dyn Error>> {
    let app = ClientApp {
        app_name: "SHOP".parse()?,
        app_id: "shop".into(),
        master: Some("SHOP-0".parse()?),
        isolated: false,
        auth: AuthMethod::None,
    };
    let linker = Linker::builder()
        .authenticator(app.app_name, Arc::new(tokens))
        .client_app(app)
        .sqlite(store)
        .start()
        .await?;
    Ok(linker)
}

/// The service's `App`: Linker's endpoint is one more piece of its configuration.
fn serve(listener: TcpListener, linker: &Linker, tokens: &Tokens) -> std::io::Result<actix_web::dev::Server> {
    let (handle, tokens) = (linker.handle(), tokens.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(handle.clone()))
            .app_data(web::Data::new(tokens.clone()))
            .service((login, order, online))
            .configure(|config| handle.configure(config))
    });
    let server = server
        .on_connect(linker.handle().on_connect())
        .disable_signals()
        .workers(1);
    Ok(server.listen(listener)?.run())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_check = std::env::args().any(|argument| argument == "--check");
    // A real service would keep this for good.
    let folder = tempfile::tempdir()?;
    let tokens = Tokens::default();
    let linker = start_linker(folder.path().join("linker.db"), tokens.clone()).await?;
    let listener = TcpListener::bind(if is_check { "127.0.0.1:0" } else { "127.0.0.1:8088" })?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}, WebSocket at ws://{address}/ws");
    let server = serve(listener, &linker, &tokens)?;
    let stop = server.handle();
    let serving = actix_web::rt::spawn(server);
    if is_check {
        check::run(address).await?;
    } else {
        tokio::signal::ctrl_c().await?;
    }
    // Linker first: it closes its WebSockets, for which a graceful stop of the server would wait.
    let is_safe = linker.stop().await;
    stop.stop(true).await;
    serving.await??;
    if !is_safe {
        return Err("some messages could not be stored".into());
    }
    if is_check {
        println!("ok: logins, orders to a customer here and away, the online status, and a clean stop");
    }
    Ok(())
}

/// The service as its customer sees it.
mod check {
    use std::error::Error;
    use std::net::SocketAddr;

    use futures_util::{SinkExt, StreamExt};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::tungstenite::Message;

    type Outcome<T> = Result<T, Box<dyn Error>>;
    type Socket =
        tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

    pub(super) async fn run(service: SocketAddr) -> Outcome<()> {
        let order = json!({"customer": "SHOP-2", "item": "tea"});
        expect(
            http(service, "POST", "/orders", &order).await?,
            json!({"told": "Stored"}),
        )?;
        let refused = log_in(service, "made up").await?.1;
        expect(refused["data"]["error"]["code"].clone(), json!("AUTH_FAILED"))?;
        let issued = http(service, "POST", "/login/SHOP-2", &Value::Null).await?;
        let token = issued["token"].as_str().ok_or("no token")?;
        let (mut socket, reply) = log_in(service, token).await?;
        expect(reply["data"]["isAuthenticated"].clone(), json!(true))?;
        expect(reply["data"]["missing"].clone(), json!(1))?;
        expect(
            http(service, "GET", "/online/SHOP-2", &Value::Null).await?,
            json!({"online": true}),
        )?;
        let fetch = json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": 10}});
        socket.send(Message::text(fetch.to_string())).await?;
        let missed = next(&mut socket).await?;
        expect(missed["data"]["content"].clone(), json!({"ordered": "tea"}))?;
        next(&mut socket).await?;
        // Answered once it is safe: proven by the customer, who must be reading for that, or stored.
        let answer = http(service, "POST", "/orders", &order);
        tokio::pin!(answer);
        let mut live = Vec::new();
        let told = loop {
            tokio::select! {
                told = &mut answer => break told?,
                frame = next(&mut socket) => live.push(frame?),
            }
        };
        if told != json!({"told": "Delivered"}) {
            expect(told, json!({"told": "Stored"}))?;
        }
        if live.is_empty() {
            live.push(next(&mut socket).await?);
        }
        expect(live[0]["data"]["content"].clone(), json!({"ordered": "tea"}))?;
        socket.close(None).await?;
        Ok(())
    }

    async fn log_in(service: SocketAddr, token: &str) -> Outcome<(Socket, Value)> {
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{service}/ws")).await?;
        let data = json!({"appId": "shop", "userId": "SHOP-2", "token": token});
        let login = json!({"type": "AUTH_CLIENT", "data": data});
        socket.send(Message::text(login.to_string())).await?;
        let reply = next(&mut socket).await?;
        Ok((socket, reply))
    }

    async fn next(socket: &mut Socket) -> Outcome<Value> {
        while let Some(message) = socket.next().await {
            if let Message::Text(text) = message? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
        Err("the connection has ended".into())
    }

    async fn http(service: SocketAddr, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        let mut stream = tokio::net::TcpStream::connect(service).await?;
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {service}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let (_, answer) = response.split_once("\r\n\r\n").ok_or("not an HTTP answer")?;
        serde_json::from_str(answer).map_err(|error| format!("{error} in {response}").into())
    }

    fn expect(found: Value, wanted: Value) -> Outcome<()> {
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{wanted} was to come, not {found}").into())
        }
    }
}
