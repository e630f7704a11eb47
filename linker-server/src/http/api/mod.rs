//! The API for backends and operators, on the admin port (CONTRACT.md, "HTTP").

mod bearer;
mod document;
mod idempotency;
mod load;
mod login;
mod messages;
mod network;
mod paging;
mod pushes;
mod users;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use bearer::Tokens;
pub(crate) use login::{LoginShared, client_routes};

use super::problem::Problem;
use idempotency::{Answered, Idempotency};

/// The longest body.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// What all threads of the server share.
#[derive(Clone)]
pub(crate) struct Shared {
    tokens: web::Data<Tokens>,
    idempotency: web::Data<Idempotency>,
    login: LoginShared,
}

impl Shared {
    pub(crate) fn new(tokens: web::Data<Tokens>, login: LoginShared) -> Self {
        Self {
            tokens,
            idempotency: web::Data::default(),
            login,
        }
    }
}

/// Mounts the API and its document.
pub(crate) fn routes(config: &mut ServiceConfig, shared: &Shared) {
    config
        .app_data(shared.tokens.clone())
        .app_data(shared.idempotency.clone())
        .app_data(web::PayloadConfig::new(BODY_MAX))
        .app_data(web::QueryConfig::default().error_handler(|error, _| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the query: {error}")).into()
        }))
        .service(resource("/api/v1/messages").route(web::post().to(messages::send)))
        .service(resource("/api/v1/messages/{id}").route(web::get().to(messages::track)))
        .service(
            resource("/api/v1/pushes")
                .route(web::get().to(pushes::pushes))
                .route(web::post().to(pushes::push)),
        )
        .service(resource("/api/v1/pushes/{id}").route(web::get().to(pushes::report)))
        .service(resource("/api/v1/pushes/{id}/retry").route(web::post().to(pushes::retry)))
        .service(resource("/api/v1/pushes/{id}/undelivered").route(web::get().to(pushes::undelivered)))
        .service(resource("/api/v1/users/{id}").route(web::get().to(users::user)))
        .service(resource("/api/v1/users/{id}/sessions").route(web::delete().to(users::close)))
        .service(resource("/api/v1/nodes").route(web::get().to(network::nodes)))
        .service(resource("/api/v1/slow-consumers").route(web::get().to(load::slow_consumers)))
        .service(resource("/api/v1/domains").route(web::get().to(network::domains)))
        .service(resource("/api/v1/whoami").route(web::get().to(network::whoami)))
        .service(resource("/api/v1/users/{id}/tokens").route(web::delete().to(users::revoke)))
        .configure(|config| login::routes(config, &shared.login))
        .configure(document::routes);
}

/// A path whose other methods are refused as a problem.
fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(async || {
        Err::<&str, _>(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path has no such method; see /docs",
        ))
    }))
}

/// What is at no path.
pub(crate) async fn nothing(request: HttpRequest) -> Result<&'static str, Problem> {
    let detail = format!("there is nothing at {}; see /docs", request.path());
    Err(Problem::new(StatusCode::NOT_FOUND, detail))
}

/// A body that came in whole.
fn whole(body: Result<web::Bytes, actix_web::Error>) -> Result<web::Bytes, Problem> {
    body.map_err(|error| {
        let status = error.as_response_error().status_code();
        Problem::new(status, format!("the body: {error}"))
    })
}

/// Reads a body, which has to say that it is JSON.
fn json<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Problem> {
    check_json(request)?;
    parse(body)
}

/// Whether a body says that it is JSON: that is what no page of another origin can have a browser send without asking first.
fn check_json(request: &HttpRequest) -> Result<(), Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    match is_json {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be sent as application/json",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let code = match error.is_data() {
            true => linker_core::code::ErrorCode::InvalidField,
            false => linker_core::code::ErrorCode::InvalidJson,
        };
        Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}")).with_code(code)
    })
}

fn answer(status: StatusCode, body: &impl Serialize) -> Result<Answered, Problem> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Answered { status, body })
}
