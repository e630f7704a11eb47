//! Pushes: one message to very many users.

use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use linker_actors::{LinkerHandle, NewPush, PushError, PushReport, PushTarget};
use linker_core::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::bearer::{AppBearer, Reads, Sends};
use super::idempotency::{Idempotency, Key};
use super::messages::Feature;
use super::paging::Paging;
use crate::http::problem::Problem;

/// A push to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PushRequest {
    /// To whom.
    to: To,
    /// What each gets as `data.content`: any JSON.
    #[schema(value_type = Value)]
    content: Box<RawValue>,
    /// RELIABLE without it.
    feature: Option<Feature>,
    /// In whose name; each app's master without it.
    from: Option<String>,
}

/// To whom a push goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "`to`: a list of user ids, {\"app\": NAME} or {\"all\": true} expected"
)]
pub(super) enum To {
    /// To up to 1 000 000 users by their ids, wherever they live, now or when they come.
    Users(Vec<String>),
    /// To who is online.
    Online(Online),
}

/// Who is online.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Online {
    /// The users of this app who have a session in this domain.
    app: Option<String>,
    /// True: all who have a session in this domain.
    all: Option<bool>,
}

/// A push that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pushed {
    push_id: String,
}

/// How far a push is: users by what became of their message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Push {
    push_id: String,
    /// ms since the epoch.
    created: u64,
    /// Of a push to who is online it grows until every node has come to it. It is the sum of the others.
    total: u64,
    /// Proven; of FAST: handed to a session.
    delivered: u64,
    /// On the disk, and delivered when its user comes.
    stored: u64,
    /// Handed to another domain.
    forwarded: u64,
    /// FAST, and nobody was there.
    dropped: u64,
    /// The inbox is full, say.
    refused: u64,
    /// Not come to yet; 0 only once the push is done.
    pending: u64,
    /// Every part is done.
    done: bool,
}

/// To how many it is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    retried: u64,
}

impl Push {
    fn new(push_id: String, report: &PushReport) -> Self {
        Self {
            push_id,
            created: report.created_ms,
            total: report.total,
            delivered: report.delivered,
            stored: report.stored,
            forwarded: report.forwarded,
            dropped: report.dropped,
            refused: report.refused,
            pending: report.pending,
            done: report.is_done,
        }
    }
}

impl From<PushError> for Problem {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Refused(error) => linker_actors::SendError::Refused(error).into(),
            PushError::OtherRequest => Self::of_another_request(),
            PushError::Unknown => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            PushError::Running => Self::new(StatusCode::CONFLICT, error.to_string()),
            error => Self::away(error),
        }
    }
}

/// Makes a push, and answers once it is on the disk: what was taken is carried out, whatever becomes of this node.
#[utoipa::path(
    post, path = "/api/v1/pushes", tag = "pushes", request_body = PushRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Requests with the same key make one push, for a day, on whichever node")),
    security(("token" = ["send"])),
    responses(
        (status = 202, body = Pushed),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No app or domain has such users; nothing is sent to anybody"),
        (status = 408, body = Problem, content_type = "application/problem+json", description = "The body comes too slowly"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The key was used for another request"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn push(
    bearer: AppBearer<Sends>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    known: web::Data<Idempotency>,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let body = super::whole(body)?;
    let key = Key::of(&request)?;
    super::check_json(&request)?;
    let id = key.as_ref().map(Key::digest);
    // A million ids take a while, in which health is to be answered.
    let (parsing, of, shown) = (body.clone(), linker.clone(), key.clone());
    let push = web::block(move || -> Result<NewPush, Problem> {
        let fingerprint = shown.map(|key| key.with(&parsing));
        let push = new_push(&of, super::parse(&parsing)?, id, &bearer)?;
        Ok(NewPush { fingerprint, ..push })
    })
    .await
    .map_err(Problem::away)??;
    known
        .once(key, &body, async || {
            let push_id = linker.push(push).await?;
            super::answer(StatusCode::ACCEPTED, &Pushed { push_id })
        })
        .await
}

fn new_push(
    linker: &LinkerHandle,
    wanted: PushRequest,
    id: Option<String>,
    bearer: &AppBearer<Sends>,
) -> Result<NewPush, Problem> {
    let user = |text: &str| text.parse::<UserId>().map_err(|_| Problem::user_id(text));
    let max = linker.max_frame_bytes();
    if wanted.content.get().len() > max {
        let detail = format!("the content has more than {max} bytes (limits.maxFrameBytes)");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let target = match wanted.to {
        To::Users(users) => {
            let users: Result<Vec<UserId>, Problem> = users.iter().map(|text| user(text)).collect();
            PushTarget::Users(users?)
        }
        To::Online(Online {
            app: Some(app),
            all: None,
        }) => PushTarget::App(app.parse().map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("{app:?} is not the name of a client app"),
            )
        })?),
        To::Online(Online {
            app: None,
            all: Some(true),
        }) => PushTarget::All,
        To::Online(_) => {
            let detail = "to: a list of user ids, {\"app\": NAME} or {\"all\": true}";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail)
                .with_code(linker_core::code::ErrorCode::InvalidField));
        }
    };
    let from = wanted.from.as_deref().map(user).transpose()?;
    check_bound(bearer, &target, from.as_ref())?;
    Ok(NewPush {
        target,
        content: wanted.content,
        from,
        feature: match wanted.feature {
            Some(Feature::Fast) => linker_core::envelope::Feature::Fast,
            _ => linker_core::envelope::Feature::Reliable,
        },
        id,
        fingerprint: None,
        apps: bearer.apps(),
    })
}

/// Whether the token may make it: to an app, and in the name of one, that it is for.
fn check_bound(bearer: &AppBearer<Sends>, target: &PushTarget, from: Option<&UserId>) -> Result<(), Problem> {
    if let Some(from) = from {
        bearer.check_app(from.app())?;
    }
    match target {
        PushTarget::Users(users) => users.iter().try_for_each(|to| bearer.check_sender(from, to)),
        PushTarget::App(app) => bearer.check_app(app),
        PushTarget::All => bearer.check_all(),
    }
}

/// Pushes of the last day, by id; for a token that is bound to apps, those that such tokens have made.
#[utoipa::path(
    get, path = "/api/v1/pushes", tag = "pushes", params(Paging), security(("token" = ["read"])),
    responses((status = 200, body = [Push]), (status = 503, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn pushes(
    bearer: AppBearer<Reads>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let wanted = paging.limit() + 1;
    let mut after = paging.after().to_owned();
    let mut pushes = Vec::new();
    // What others have made is passed over, so one look may not fill the page.
    while pushes.len() < wanted {
        let found = linker
            .pushes(&after, wanted as u32)
            .await
            .map_err(Problem::away)?;
        let is_last = found.len() < wanted;
        for (id, report) in found {
            after.clone_from(&id);
            if bearer.check_made_by(&report.apps).is_ok() {
                pushes.push(Push::new(id, &report));
            }
        }
        if is_last {
            break;
        }
    }
    Ok(paging.page(&request, pushes, |push| &push.push_id))
}

/// How far a push is; kept for a day.
#[utoipa::path(
    get, path = "/api/v1/pushes/{id}", tag = "pushes", params(("id" = String, Path)), security(("token" = ["read"])),
    responses(
        (status = 200, body = Push),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn report(
    bearer: AppBearer<Reads>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let report = linker.push_report(&id).await?;
    bearer.check_made_by(&report.apps)?;
    Ok(HttpResponse::Ok().json(Push::new(id.into_inner(), &report)))
}

/// Who has not got it, a line of JSON each: `{"userId", "state"}`, `state` one of `pending`, `stored`, `forwarded`, `dropped`, `refused`.
#[utoipa::path(
    get, path = "/api/v1/pushes/{id}/undelivered", tag = "pushes", params(("id" = String, Path)), security(("token" = ["read"])),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn undelivered(
    bearer: AppBearer<Reads>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    bearer.check_made_by(&linker.push_report(&id).await?.apps)?;
    let first = linker.push_undelivered(&id, 0).await?;
    let linker = linker.into_inner();
    let id = id.into_inner();
    // Page by page as the client reads, so that a million of them are never in memory at once.
    let pages = futures_util::stream::try_unfold(Some(Ok(first)), move |page| {
        let (linker, id) = (std::sync::Arc::clone(&linker), id.clone());
        async move {
            let (users, next) = match page {
                None => return Ok(None),
                Some(Ok(page)) => page,
                Some(Err(part)) => linker.push_undelivered(&id, part).await?,
            };
            let mut lines = Vec::new();
            for user in &users {
                // Writing to memory does not fail.
                let _ = serde_json::to_writer(&mut lines, user);
                lines.push(b'\n');
            }
            Ok::<_, PushError>(Some((Bytes::from(lines), next.map(Err))))
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .streaming(pages))
}

/// Sends a push that is done again to those who were not there (FAST) and those who were refused. What is stored or forwarded is on its way already.
#[utoipa::path(
    post, path = "/api/v1/pushes/{id}/retry", tag = "pushes", params(("id" = String, Path)), security(("token" = ["send"])),
    responses(
        (status = 202, body = Retried),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is not done yet"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry(
    bearer: AppBearer<Sends>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    // It has no body; what a form of another page sends always says of what kind it is.
    if request.headers().contains_key(header::CONTENT_TYPE) {
        super::check_json(&request)?;
    }
    bearer.check_made_by(&linker.push_report(&id).await?.apps)?;
    let retried = linker.retry_push(&id).await?;
    Ok(HttpResponse::Accepted().json(Retried { retried }))
}
