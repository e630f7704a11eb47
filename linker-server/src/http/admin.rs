//! The admin port: health, metrics and the API.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, HttpRequest, HttpResponse, web};
use linker_actors::LinkerHandle;
use serde_json::{Map, Value, json};
use tracing_actix_web::TracingLogger;

use super::api::{self, LoginShared, Tokens};
use super::asyncapi::AsyncApi;
use super::console;
use super::listen::{Http, Port, Socket, listen};
use super::log::RequestLog;
use super::paths::{READ, nothing, read, resource};
use super::problem::Problem;
use super::timeouts::{HEAD_TIME, TimedSocket, timed};
use crate::telemetry::Telemetry;
use crate::tls::{Accept, Tls};

/// How often histograms are tidied when nobody asks for metrics.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Health is answered while a large body is read.
const WORKERS: usize = 2;

struct Admin {
    telemetry: Telemetry,
    process: metrics_process::Collector,
}

/// Serves the admin port on a thread of its own.
pub(crate) fn start(
    listener: TcpListener,
    tokens: web::Data<Tokens>,
    login: LoginShared,
    protocol: AsyncApi,
    telemetry: Telemetry,
    tls: Option<Tls>,
) -> std::io::Result<Server> {
    let upkeep = telemetry.clone();
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            upkeep.upkeep();
        }
    });
    let process = metrics_process::Collector::default();
    process.describe();
    let admin = web::Data::new(Admin { telemetry, process });
    let shared = Shared {
        admin,
        linker: login.linker.clone(),
        api: api::Shared::new(tokens, login),
        protocol,
    };
    let server = Server::build()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1);
    let accept = tls.map(|tls| Accept::new(tls, None));
    Ok(listen(server, listener, accept, shared)?.run())
}

/// What all threads share.
#[derive(Clone)]
struct Shared {
    admin: web::Data<Admin>,
    linker: web::Data<LinkerHandle>,
    api: api::Shared,
    protocol: AsyncApi,
}

impl Port for Shared {
    const NAME: &'static str = "admin";

    fn http<T: Socket>(self) -> impl Http<T> {
        let app = App::new()
            .wrap(from_fn(timed))
            .wrap(TracingLogger::<RequestLog>::new())
            // What these pages can do no page of another origin is to have its visitors click within itself.
            .wrap(
                DefaultHeaders::new()
                    .add((header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"))
                    .add((header::X_FRAME_OPTIONS, "DENY"))
                    .add(("Cross-Origin-Resource-Policy", "same-origin")),
            )
            .app_data(self.admin)
            .app_data(self.linker)
            .service(resource("/health/live", READ).route(read().to(live)))
            .service(resource("/health/ready", READ).route(read().to(ready)))
            .service(resource("/metrics", READ).route(read().to(metrics)))
            .configure(console::routes)
            .configure(|config| api::routes(config, &self.api))
            .configure(|config| self.protocol.routes(config))
            .default_service(web::to(nothing));
        HttpService::build()
            .client_request_timeout(HEAD_TIME)
            .on_connect_ext(TimedSocket::connected)
            .h1(map_config(app, |_: ()| AppConfig::default()))
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(linker: web::Data<LinkerHandle>) -> HttpResponse {
    let health = linker.health();
    let is_ready = health.is_ready();
    let mut checks = Map::new();
    // What one node has inside of it cannot be away.
    for part in ["bus", "cluster", "meta", "drain"] {
        checks.insert(part.into(), Value::from("ok"));
    }
    for (part, wrong) in health.checks {
        let said = wrong.or_else(|| health.notes.get(part).cloned());
        checks.insert(part.into(), said.map_or_else(|| "ok".into(), Value::from));
    }
    if is_ready {
        HttpResponse::Ok().json(json!({"status": "ok", "checks": checks}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "unavailable", "checks": checks}))
    }
}

async fn metrics(
    admin: web::Data<Admin>,
    linker: web::Data<LinkerHandle>,
    tokens: web::Data<Tokens>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    tokens.check_metrics(&request)?;
    linker.refresh_gauges().await;
    admin.process.collect();
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(admin.telemetry.render()))
}
