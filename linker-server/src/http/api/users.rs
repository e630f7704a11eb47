//! Users: where they are, what waits for them, and closing their sessions.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use linker_actors::{LinkerHandle, SessionReport};
use linker_core::id::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::bearer::{Administers, AppBearer, Reads};
use crate::http::problem::Problem;

/// A user, as the domain knows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// Its id.
    user_id: String,
    /// Whether it has a session anywhere in the domain.
    online: bool,
    /// Its sessions.
    sessions: Vec<Session>,
    /// How many messages wait for it, confirmations, receipts and events included.
    missing: u64,
}

/// A session of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// The node that has it.
    node: String,
    /// When it logged in, ms since the epoch; null where its node did not answer.
    since: Option<u64>,
    /// Where its connection comes from: the client, or a proxy before the node.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
}

impl From<SessionReport> for Session {
    fn from(report: SessionReport) -> Self {
        Self {
            node: report.node.to_string(),
            since: report.since_ms,
            address: report.address,
        }
    }
}

/// How many sessions were told to close.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Closed {
    closed: usize,
}

/// Where a user is and what waits for it.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path, example = "ANZ-123223")), security(("token" = ["read"])),
    responses(
        (status = 200, body = User),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No app or domain has such users"),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another domain has to be asked"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn user(
    bearer: AppBearer<Reads>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let user = of_this_domain(&bearer, &linker, &id)?;
    let sessions = linker.sessions_of(user).await.map_err(Problem::away)?;
    let missing = linker.missing(user).await.map_err(Problem::away)?;
    Ok(HttpResponse::Ok().json(User {
        user_id: user.to_string(),
        online: !sessions.is_empty(),
        sessions: sessions.into_iter().map(Session::from).collect(),
        missing,
    }))
}

/// Closes all sessions of a user with 4010.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/sessions", tag = "users", params(("id" = String, Path, example = "ANZ-123223")), security(("token" = ["admin"])),
    responses(
        (status = 200, body = Closed),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No app or domain has such users"),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another domain has to be asked"),
    )
)]
pub(super) async fn close(
    bearer: AppBearer<Administers>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let user = of_this_domain(&bearer, &linker, &id)?;
    let closed = linker.close(&user).await.map_err(Problem::away)?;
    Ok(HttpResponse::Ok().json(Closed { closed }))
}

/// From now on no node believes a token of `POST /api/v1/login` that this user has, and its sessions are closed with 4001.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/tokens", tag = "users", params(("id" = String, Path, example = "ANZ-123223")), security(("token" = ["admin"])),
    responses(
        (status = 200, body = Closed),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No app or domain has such users"),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another domain has to be asked"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    bearer: AppBearer<Administers>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let user = of_this_domain(&bearer, &linker, &id)?;
    let closed = linker.revoke_tokens(user).await.map_err(Problem::away)?;
    Ok(HttpResponse::Ok().json(Closed { closed }))
}

fn of_this_domain<S>(bearer: &AppBearer<S>, linker: &LinkerHandle, id: &str) -> Result<UserId, Problem> {
    let user: UserId = id.parse().map_err(|_| Problem::user_id(id))?;
    bearer.check_app(user.app())?;
    linker.check_home(&user)?;
    Ok(user)
}
