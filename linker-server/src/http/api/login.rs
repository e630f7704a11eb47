//! `POST /api/v1/login`: a token and the node to connect to. Served to clients too, who have no bearer token.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use linker_actors::{Attempts, LinkerHandle, LoginError};
use linker_core::code::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::paths::resource;
use crate::http::problem::Problem;

const PATH: &str = "/api/v1/login";
/// The longest body: ids and a token.
const BODY_MAX: usize = 64 * 1024;
/// How long a browser may remember that it may call, in seconds.
const MAX_AGE: &str = "600";

/// What a client shows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginRequest {
    /// Of the client app.
    #[schema(example = "app-id-343")]
    app_id: String,
    #[schema(example = "ANZ-123223")]
    user_id: String,
    /// What the app's users log in with, where it asks for anything.
    token: Option<String>,
}

/// A login that was believed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginAnswer {
    /// To be shown as `AUTH_CLIENT`'s token, to any node of the domain, as often as wanted.
    token: String,
    /// How long it is believed, in seconds.
    expires_in: u64,
    /// The node to connect to; if there is a second one, it is for when the first does not answer.
    urls: Vec<String>,
}

/// What both ports share.
#[derive(Clone)]
pub(crate) struct LoginShared {
    pub(crate) linker: web::Data<LinkerHandle>,
    pub(crate) attempts: web::Data<Attempts<IpAddr>>,
}

/// Mounts it for clients, browsers of other origins among them.
pub(crate) fn client_routes(config: &mut ServiceConfig, shared: &LoginShared) {
    config
        .app_data(shared.linker.clone())
        .app_data(shared.attempts.clone())
        .service(
            resource(PATH, "POST, OPTIONS")
                .app_data(web::PayloadConfig::new(BODY_MAX))
                .route(web::post().to(login_from_page))
                .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
        );
}

/// Mounts it on the admin port.
pub(super) fn routes(config: &mut ServiceConfig, shared: &LoginShared) {
    config.app_data(shared.attempts.clone()).service(
        resource(PATH, "POST")
            .app_data(web::PayloadConfig::new(BODY_MAX))
            .route(web::post().to(login)),
    );
}

/// One of the attempts that its address has: to be the first argument of a handler, so that nothing else of a request is looked at before.
pub(super) struct Attempt;

impl FromRequest for Attempt {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = request.peer_addr().map(|peer| peer.ip());
        let address = address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let attempts = request.app_data::<web::Data<Attempts<IpAddr>>>();
        ready(
            match attempts.is_some_and(|attempts| attempts.take(address, Instant::now())) {
                true => Ok(Self),
                false => {
                    let detail = "too many logins from this address (login.perSecondPerAddress); try again in a second";
                    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
                    Err(problem.with_code(ErrorCode::RateLimited))
                }
            },
        )
    }
}

/// Checks a login as `AUTH_CLIENT` does, and answers a token and the node to connect to.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "login", request_body = LoginRequest, security(()),
    responses(
        (status = 200, body = LoginAnswer),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "The app does not believe it"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The user is another app's"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such app, or no domain has the user"),
        (status = 408, body = Problem, content_type = "application/problem+json", description = "The body comes too slowly"),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another domain has to be asked"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many attempts from this address"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn login(
    _: Attempt,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let wanted: LoginRequest = super::json(&request, &super::whole(body)?)?;
    let placed = linker
        .login(&wanted.app_id, &wanted.user_id, wanted.token)
        .await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(LoginAnswer {
            token: placed.token,
            expires_in: placed.expires_in.as_secs(),
            urls: placed.urls,
        }))
}

/// As [`login`], for pages of the origins that may open a WebSocket.
async fn login_from_page(
    attempt: Attempt,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let origin = checked_origin(&request, &linker)?;
    let answer = login(attempt, request, linker, body).await;
    let mut response = answer.unwrap_or_else(|problem| actix_web::ResponseError::error_response(&problem));
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, header::HeaderValue::from_static("Origin"));
    }
    Ok(response)
}

async fn preflight(request: HttpRequest, linker: web::Data<LinkerHandle>) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::NoContent();
    if let Some(origin) = checked_origin(&request, &linker)? {
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin))
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST"))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
            .insert_header((header::VARY, "Origin"));
    }
    Ok(response.finish())
}

/// As at the WebSocket's handshake: no `Origin` at all is allowed.
fn checked_origin(
    request: &HttpRequest,
    linker: &LinkerHandle,
) -> Result<Option<header::HeaderValue>, Problem> {
    match linker.allows_origin(request.headers()) {
        true => Ok(request.headers().get(header::ORIGIN).cloned()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this origin may not log in (server.allowedOrigins)",
        )),
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Elsewhere(elsewhere) => linker_actors::UserError::Elsewhere(elsewhere).into(),
            LoginError::Refused(error) => {
                let status = match error.code {
                    ErrorCode::UnknownApp | ErrorCode::UnknownDomain => StatusCode::NOT_FOUND,
                    ErrorCode::WrongApp => StatusCode::FORBIDDEN,
                    ErrorCode::AuthFailed => StatusCode::UNAUTHORIZED,
                    ErrorCode::AuthUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::BAD_REQUEST,
                };
                Self::new(status, error.message.to_string()).with_code(error.code)
            }
            error => Self::away(error),
        }
    }
}
