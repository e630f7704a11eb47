//! What the meta server answers: reading only.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Route};
use serde_json::json;
use tracing_actix_web::TracingLogger;

use super::Current;
use super::served::Served;
use crate::http::RequestLog;

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds that a request under way has when the server stops.
const SHUTDOWN_TIMEOUT_S: u64 = 2;

/// Serves on a thread of its own.
pub(super) fn start(listener: TcpListener, current: Current) -> std::io::Result<Server> {
    let current = Data::from(current);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(TracingLogger::<RequestLog>::new())
            .app_data(Data::clone(&current))
            .route("/health/live", web::get().to(live))
            .service(
                web::resource("/meta")
                    .route(web::get().to(meta))
                    .route(web::head().to(meta)),
            )
            .route("/clientApps", part(|served| &served.client_apps))
            .route("/domains", part(|served| &served.domains))
            .route("/domains/links", part(|served| &served.links))
            .route("/domains/graph", part(|served| &served.graph))
    });
    Ok(server
        .workers(1)
        .client_request_timeout(REQUEST_TIMEOUT)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .listen(listener)?
        .run())
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn meta(current: Data<arc_swap::ArcSwap<Served>>, request: HttpRequest) -> HttpResponse {
    let served = current.load_full();
    let etag = EntityTag::new_strong(served.etag.clone());
    let known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(etags)) => etags.iter().any(|known| known.weak_eq(&etag)),
        Err(_) => false,
    };
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header(ETag(etag))
        .insert_header((CACHE_CONTROL, "no-cache"));
    if known {
        return answer.finish();
    }
    answer.content_type("application/json").body(served.meta.clone())
}

/// One part of the document, as the original's meta server has it.
fn part(of: fn(&Served) -> &Bytes) -> Route {
    web::get().to(move |current: Data<arc_swap::ArcSwap<Served>>| async move {
        let body = of(&current.load()).clone();
        HttpResponse::Ok().content_type("application/json").body(body)
    })
}
