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

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

pub(crate) use bearer::Tokens;
pub(crate) use login::{LoginShared, client_routes};

use super::paths::{READ, read, resource};
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
        .service(resource("/api/v1/messages", "POST").route(web::post().to(messages::send)))
        .service(resource("/api/v1/messages/{id}", READ).route(read().to(messages::track)))
        .service(
            resource("/api/v1/pushes", "GET, HEAD, POST")
                .route(read().to(pushes::pushes))
                .route(web::post().to(pushes::push)),
        )
        .service(resource("/api/v1/pushes/{id}", READ).route(read().to(pushes::report)))
        .service(resource("/api/v1/pushes/{id}/retry", "POST").route(web::post().to(pushes::retry)))
        .service(resource("/api/v1/pushes/{id}/undelivered", READ).route(read().to(pushes::undelivered)))
        .service(resource("/api/v1/users/{id}", READ).route(read().to(users::user)))
        .service(resource("/api/v1/users/{id}/sessions", "DELETE").route(web::delete().to(users::close)))
        .service(resource("/api/v1/nodes", READ).route(read().to(network::nodes)))
        .service(resource("/api/v1/slow-consumers", READ).route(read().to(load::slow_consumers)))
        .service(resource("/api/v1/domains", READ).route(read().to(network::domains)))
        .service(resource("/api/v1/whoami", READ).route(read().to(network::whoami)))
        .service(resource("/api/v1/users/{id}/tokens", "DELETE").route(web::delete().to(users::revoke)))
        .configure(|config| login::routes(config, &shared.login))
        .configure(document::routes);
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
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    let is_plain = encoding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match is_json && is_plain {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be sent as application/json, not compressed",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // A list would be taken for the fields in their order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if !is_object && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "the body has to be a JSON object");
        return Err(problem.with_code(linker_core::code::ErrorCode::InvalidField));
    }
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
