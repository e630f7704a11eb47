//! The clients' port: `/ws`, logins by HTTP, the demo page, the client module.

use std::net::TcpListener;

use actix_codec::Framed;
use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{Service, apply_fn_factory, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use linker_actors::{Linker, LinkerHandle, tune_socket};
use tracing_actix_web::TracingLogger;

use super::api::{LoginShared, client_routes};
use super::asyncapi::AsyncApi;
use super::listen::{Http, Port, Socket, listen};
use super::log::RequestLog;
use super::paths::nothing;
use super::timeouts::{HEAD_TIME, TimedSocket, timed};
use super::web;
use crate::config::Config;
use crate::tls::{Accept, Tls};

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
    Ok(listen(server, listener, accept, shared)?.run())
}

impl Port for Shared {
    const NAME: &'static str = "clients";

    fn tune(&self, io: &TcpStream) {
        tune_socket(io, self.linker.config().session.heartbeat_timeout);
    }

    fn http<T: Socket>(self) -> impl Http<T> {
        let login = self.login;
        let sessions = apply_fn_factory(
            self.linker.upgrade_service::<T>(),
            |(request, framed), sessions| {
                let framed = Framed::into_map_io(framed, TimedSocket::into_inner);
                sessions.call((request, framed))
            },
        );
        HttpService::build()
            .client_request_timeout(HEAD_TIME)
            .on_connect_ext(TimedSocket::connected)
            .upgrade(sessions)
            .h1(map_config(
                App::new()
                    .wrap(from_fn(timed))
                    .wrap(TracingLogger::<RequestLog>::new())
                    .configure(web::routes)
                    .configure(|config| client_routes(config, &login))
                    .configure(|config| self.protocol.routes(config))
                    .default_service(actix_web::web::to(nothing)),
                |_: ()| AppConfig::default(),
            ))
    }
}
