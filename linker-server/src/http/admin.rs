//! The admin port: health and metrics.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use linker_actors::{DomainReport, LinkReport, LinkerHandle};
use serde_json::{Map, Value, json};
use tracing_actix_web::TracingLogger;

use super::log::RequestLog;
use crate::config::{Secret, ServerConfig};
use crate::telemetry::Telemetry;

/// How often histograms are tidied when nobody asks for metrics.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

struct Admin {
    linker: LinkerHandle,
    telemetry: Telemetry,
    process: metrics_process::Collector,
    /// Needed for the metrics, where they are guarded.
    metrics_token: Option<Secret>,
    /// Needed for the API, where there is one.
    api_token: Option<Secret>,
}

impl Admin {
    /// The answer to who does not bear the token that is needed.
    fn refusal(&self, token: Option<&Secret>, request: &HttpRequest, what: &str) -> Option<HttpResponse> {
        if token.is_none_or(|token| bears(request, token)) {
            return None;
        }
        let detail = format!("{what} need `Authorization: Bearer` with server.adminToken");
        let problem =
            json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": detail});
        Some(
            HttpResponse::Unauthorized()
                .insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
                .content_type("application/problem+json")
                .json(problem),
        )
    }
}

/// Serves the admin port on a thread of its own.
pub(crate) fn start(
    listener: TcpListener,
    config: &ServerConfig,
    linker: LinkerHandle,
    telemetry: Telemetry,
) -> std::io::Result<Server> {
    let metrics_token = config.admin_token.clone().filter(|_| config.metrics_auth);
    let upkeep = telemetry.clone();
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            upkeep.upkeep();
        }
    });
    let process = metrics_process::Collector::default();
    process.describe();
    let admin = web::Data::new(Admin {
        linker,
        telemetry,
        process,
        metrics_token,
        api_token: config.admin_token.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(TracingLogger::<RequestLog>::new())
            .app_data(admin.clone())
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
            .route("/api/v1/domains", web::get().to(domains))
    });
    Ok(server
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run())
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(admin: web::Data<Admin>) -> HttpResponse {
    let health = admin.linker.health();
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

/// Domains, links, their state and backlog.
async fn domains(admin: web::Data<Admin>, request: HttpRequest) -> HttpResponse {
    if let Some(refused) = admin.refusal(admin.api_token.as_ref(), &request, "the API") {
        return refused;
    }
    let link = |link: &LinkReport| {
        let state = if link.is_up { "up" } else { "down" };
        let mut shown = json!({"to": link.to, "state": state});
        if let (Some(own), Value::Object(shown)) = (&link.own, &mut shown) {
            shown.insert("backlog".into(), own.backlog.into());
            shown.insert("since".into(), own.since_ms.into());
            if let Some(why) = &own.down {
                shown.insert("reason".into(), why.as_str().into());
            }
        }
        shown
    };
    let domains = admin.linker.domains();
    let domain = |domain: &DomainReport| {
        let links: Vec<Value> = domain.links.iter().map(link).collect();
        json!({"name": domain.name, "links": links})
    };
    let domains: Vec<Value> = domains.iter().map(domain).collect();
    HttpResponse::Ok().json(domains)
}

async fn metrics(admin: web::Data<Admin>, request: HttpRequest) -> HttpResponse {
    if let Some(refused) = admin.refusal(admin.metrics_token.as_ref(), &request, "the metrics") {
        return refused;
    }
    admin.linker.refresh_gauges().await;
    admin.process.collect();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(admin.telemetry.render())
}

/// Whether the request carries the token; compared without telling by its time how much of it was right.
fn bears(request: &HttpRequest, token: &Secret) -> bool {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        return false;
    };
    let (given, token) = (given.as_bytes(), token.expose().as_bytes());
    given.len() == token.len()
        && given
            .iter()
            .zip(token)
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}
