//! What the meta server answers: reading only.

use std::net::TcpListener;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::http::header::{CACHE_CONTROL, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, Route};
use arc_swap::ArcSwap;
use serde_json::json;
use tracing_actix_web::TracingLogger;

use super::Current;
use super::served::Served;
use crate::http::RequestLog;
use crate::http::listen::{Http, Port, Socket, listen};
use crate::http::timeouts::{HEAD_TIME, TimedSocket, timed};

/// Seconds that a request under way has when the server stops.
const SHUTDOWN_TIMEOUT_S: u64 = 2;

/// What its thread serves.
#[derive(Clone)]
struct Shared(Data<ArcSwap<Served>>);

/// Serves on a thread of its own.
pub(super) fn start(listener: TcpListener, current: Current) -> std::io::Result<Server> {
    let server = Server::build()
        .workers(1)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    Ok(listen(server, listener, None, Shared(Data::from(current)))?.run())
}

impl Port for Shared {
    const NAME: &'static str = "meta";

    fn http<T: Socket>(self) -> impl Http<T> {
        let app = App::new()
            .wrap(from_fn(timed))
            .wrap(TracingLogger::<RequestLog>::new())
            .app_data(self.0)
            .service(
                web::resource("/health/live")
                    .route(web::get().to(live))
                    .route(web::head().to(live)),
            )
            .service(
                web::resource("/meta")
                    .route(web::get().to(meta))
                    .route(web::head().to(meta)),
            )
            .route("/clientApps", part(|served| &served.client_apps))
            .route("/domains", part(|served| &served.domains))
            .route("/domains/links", part(|served| &served.links))
            .route("/domains/graph", part(|served| &served.graph));
        HttpService::build()
            .client_request_timeout(HEAD_TIME)
            .on_connect_ext(TimedSocket::connected)
            .h1(map_config(app, |_: ()| AppConfig::default()))
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn meta(current: Data<ArcSwap<Served>>, request: HttpRequest) -> HttpResponse {
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
    web::get().to(move |current: Data<ArcSwap<Served>>| async move {
        let body = of(&current.load()).clone();
        HttpResponse::Ok().content_type("application/json").body(body)
    })
}
