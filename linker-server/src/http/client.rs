//! The clients' port: `/ws`, logins by HTTP, the demo page, the client module.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::{App, HttpResponse};
use linker_actors::{Linker, tune_socket};
use tracing_actix_web::TracingLogger;

use super::api::{LoginShared, client_routes};
use super::asyncapi::AsyncApi;
use super::log::RequestLog;
use super::web;
use crate::config::Config;

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves clients on a thread a core (`server.workers`).
pub(crate) fn start(
    listener: TcpListener,
    config: &Config,
    linker: &Linker,
    login: &LoginShared,
    protocol: &AsyncApi,
) -> std::io::Result<Server> {
    let (login, protocol) = (login.clone(), protocol.clone());
    let heartbeat_timeout = config.heartbeat.timeout;
    let upgrade = {
        let handle = linker.handle();
        move || handle.upgrade_service::<TcpStream>()
    };
    let workers = match config.server.workers as usize {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(usize::MAX >> 1)
        .backlog(4096)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("clients", listener, move || {
            let (login, protocol) = (login.clone(), protocol.clone());
            HttpService::build()
                .client_request_timeout(REQUEST_TIMEOUT)
                .on_connect_ext(move |stream: &TcpStream, _| tune_socket(stream, heartbeat_timeout))
                .upgrade(upgrade())
                .h1(map_config(
                    App::new()
                        .wrap(TracingLogger::<RequestLog>::new())
                        .configure(web::routes)
                        .configure(|config| client_routes(config, &login))
                        .configure(|config| protocol.routes(config))
                        .default_service(actix_web::web::to(HttpResponse::NotFound)),
                    |_: ()| AppConfig::default(),
                ))
                .tcp()
        })?;
    Ok(server.run())
}
