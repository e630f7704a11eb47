//! The clients' port: `/ws`, logins by HTTP, the demo page, the client module.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, HttpResponse};
use linker_actors::{Linker, LinkerHandle, tune_socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing_actix_web::TracingLogger;

use super::api::{LoginShared, client_routes};
use super::asyncapi::AsyncApi;
use super::log::RequestLog;
use super::web;
use crate::config::Config;
use crate::tls::{Accept, Tls, TlsSocket};

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What all threads share.
#[derive(Clone)]
struct Shared {
    linker: LinkerHandle,
    login: LoginShared,
    protocol: AsyncApi,
}

/// Serves clients on a thread a core (`server.workers`).
pub(crate) fn start(
    listener: TcpListener,
    config: &Config,
    linker: &Linker,
    login: &LoginShared,
    protocol: &AsyncApi,
    tls: Option<Tls>,
) -> std::io::Result<Server> {
    let shared = Shared {
        linker: linker.handle(),
        login: login.clone(),
        protocol: protocol.clone(),
    };
    let accept = tls.map(|tls| Accept::new(tls, Some(linker.handle())));
    let workers = match config.server.workers as usize {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(usize::MAX >> 1)
        .backlog(4096)
        .disable_signals()
        .shutdown_timeout(1);
    Ok(listen(server, listener, shared, accept)?.run())
}

fn listen(
    server: ServerBuilder,
    listener: TcpListener,
    shared: Shared,
    accept: Option<Accept>,
) -> std::io::Result<ServerBuilder> {
    const NAME: &str = "clients";
    match accept {
        None => server.listen(NAME, listener, move || {
            let linker = shared.linker.clone();
            let tuned = fn_service(move |io: TcpStream| {
                tune(&io, &linker);
                let peer = io.peer_addr().ok();
                std::future::ready(Ok((io, peer)))
            });
            tuned.and_then(http::<TcpStream>(&shared))
        }),
        Some(accept) => server.listen(NAME, listener, move || {
            let (accept, linker) = (accept.clone(), shared.linker.clone());
            let secured = fn_service(move |io: TcpStream| {
                tune(&io, &linker);
                let accepting = accept.clone().accept(io);
                async { accepting.await.map_err(DispatchError::Io) }
            });
            secured.and_then(http::<TlsSocket>(&shared))
        }),
    }
}

fn tune(io: &TcpStream, linker: &LinkerHandle) {
    tune_socket(io, linker.config().session.heartbeat_timeout);
}

/// HTTP/1.1 on a socket of either kind.
fn http<T: AsyncRead + AsyncWrite + Unpin + Debug + 'static>(
    shared: &Shared,
) -> impl ServiceFactory<
    (T, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<T> {
    let login = shared.login.clone();
    HttpService::build()
        .client_request_timeout(REQUEST_TIMEOUT)
        .upgrade(shared.linker.upgrade_service::<T>())
        .h1(map_config(
            App::new()
                .wrap(TracingLogger::<RequestLog>::new())
                .configure(web::routes)
                .configure(|config| client_routes(config, &login))
                .configure(|config| shared.protocol.routes(config))
                .default_service(actix_web::web::to(HttpResponse::NotFound)),
            |_: ()| AppConfig::default(),
        ))
}
