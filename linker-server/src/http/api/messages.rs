//! Messages from servers to users.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use linker_actors::{LinkerHandle, MessageState, Outgoing, SendState};
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::WaitReason;
use linker_core::trace::TraceContext;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::bearer::{AppBearer, Reads, Sends};
use super::idempotency::{Idempotency, Key};
use crate::http::problem::Problem;

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewMessage {
    /// The recipient's user id.
    #[schema(example = "ANZ-123223")]
    to: String,
    /// What the recipient gets as `data.content`: any JSON.
    #[schema(value_type = Value)]
    content: Box<RawValue>,
    /// In whose name; the master of the recipient's app without it.
    from: Option<String>,
    /// RELIABLE without it.
    feature: Option<Feature>,
    /// 1 to 256 bytes: by it repetitions are recognised, and a sender with a session gets a confirmation.
    reference: Option<String>,
}

/// How a message is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Feature {
    /// Never lost once acknowledged.
    Reliable,
    /// In memory only, at most once.
    Fast,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Delivery was proven; of a FAST message: it was handed to a session.
    Delivered,
    /// It is on the disk, and goes to the recipient when that comes.
    Stored,
    /// FAST, and nobody was there.
    Dropped,
    /// The next domain on its way answers for it.
    Forwarded,
}

impl From<SendState> for State {
    fn from(state: SendState) -> Self {
        match state {
            SendState::Delivered => Self::Delivered,
            SendState::Forwarded => Self::Forwarded,
            SendState::Dropped => Self::Dropped,
            // Whatever else there may be one day is safe at least.
            _ => Self::Stored,
        }
    }
}

/// A message that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    /// Its id; of a repetition, that of the first.
    id: String,
    /// What became of it.
    state: State,
}

/// Sends a message and answers when it is safe: delivered, or on the disk.
#[utoipa::path(
    post, path = "/api/v1/messages", tag = "messages", request_body = NewMessage,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Requests with the same key send one message: they get the first answer again for a day from the same node, and within `reliable.dedupeWindow` from any"),
        ("traceparent" = Option<String>, Header, description = "W3C Trace Context: where it is sampled and the node traces at all, the message is traced, and the two traces name each other"),
    ),
    security(("token" = ["send"])),
    responses(
        (status = 202, body = Sent),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The token has no such scope, or is not for the sender's app, or the two apps do not speak with each other"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No app or domain has such users"),
        (status = 408, body = Problem, content_type = "application/problem+json", description = "The body comes too slowly"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The recipient's inbox is full, or the first request of this key is not answered yet"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The key was used for another request"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn send(
    bearer: AppBearer<Sends>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    known: web::Data<Idempotency>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let body = super::whole(body)?;
    let key = Key::of(&request)?;
    let message: NewMessage = super::json(&request, &body)?;
    let repeatable = key.as_ref().map(|key| key.with(&body));
    let (to, mut outgoing) = outgoing(&linker, message, repeatable.as_deref(), &bearer)?;
    if let Some(caller) = caller(&request) {
        outgoing = outgoing.traced_by(caller);
    }
    known
        .once(key, &body, async || {
            let receipt = linker.send(to, outgoing).await?;
            let sent = Sent {
                id: receipt.id.to_string(),
                state: receipt.state.into(),
            };
            super::answer(StatusCode::ACCEPTED, &sent)
        })
        .await
}

/// A message that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tracked {
    id: String,
    state: TrackedState,
    /// The domains it has been in, this one last.
    path: Vec<String>,
    /// Of what is stored: `absent` until its recipient fetches it, `behind` until a session that has fallen behind is fed with it, `fault` until a fault ends,
    /// `forward` until there is a way to another domain, `upstream` until the application takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The domain it goes to, where it waits for a way there or has gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TrackedState {
    /// In memory, on its way.
    Pending,
    /// On the disk.
    Stored,
    /// Delivery was proven a moment ago.
    Delivered,
    /// Another domain has taken it over, a moment ago: to be asked in the domain `to`.
    Forwarded,
}

/// Where a message is, while this domain keeps it. A token that is bound to apps is told of messages from their users or to them.
#[utoipa::path(
    get, path = "/api/v1/messages/{id}", tag = "messages", params(("id" = String, Path)), security(("token" = ["read"])),
    responses(
        (status = 200, body = Tracked),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "It was delivered, has gone on to another domain some time ago, or never was here"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn track(
    bearer: AppBearer<Reads>,
    linker: web::Data<LinkerHandle>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let wanted: MessageId = id
        .parse()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{:?} is not a message id", *id)))?;
    let found = linker.message(wanted).await.map_err(Problem::away)?;
    let Some(report) = found.filter(|report| bearer.sees(&report.apps)) else {
        let detail = "no message of this id is kept here: it was delivered, has gone on to another domain some time ago, or never was here";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    let is_for_application = report.to.as_ref().is_some_and(DomainName::is_upstream);
    let (state, reason) = match report.state {
        MessageState::Stored(_) if is_for_application => (TrackedState::Stored, Some("upstream")),
        MessageState::Stored(reason) => (TrackedState::Stored, Some(reason_name(reason))),
        MessageState::Delivered => (TrackedState::Delivered, None),
        MessageState::Forwarded => (TrackedState::Forwarded, None),
        _ => (TrackedState::Pending, None),
    };
    Ok(HttpResponse::Ok().json(Tracked {
        id: wanted.to_string(),
        state,
        path: report.path,
        reason,
        to: report
            .to
            .filter(|_| !is_for_application)
            .map(|domain| domain.to_string()),
    }))
}

fn reason_name(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Absent => "absent",
        WaitReason::Behind => "behind",
        WaitReason::Fault => "fault",
        WaitReason::Forward => "forward",
    }
}

/// The span within which it is called, if it says so; what is no `traceparent` is passed over, as the standard wants it.
fn caller(request: &HttpRequest) -> Option<TraceContext> {
    request.headers().get("traceparent")?.to_str().ok()?.parse().ok()
}

fn outgoing(
    linker: &LinkerHandle,
    message: NewMessage,
    repeatable: Option<&str>,
    bearer: &AppBearer<Sends>,
) -> Result<(UserId, Outgoing), Problem> {
    let user = |text: &str| text.parse::<UserId>().map_err(|_| Problem::user_id(text));
    let to = user(&message.to)?;
    let from = message.from.as_deref().map(user).transpose()?;
    bearer.check_sender(from.as_ref(), &to)?;
    let max = linker.max_frame_bytes();
    if message.content.get().len() > max {
        let detail = format!("the content has more than {max} bytes (limits.maxFrameBytes)");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let mut outgoing = Outgoing::new(&message.content)?;
    if let Some(from) = from {
        outgoing = outgoing.from_user(from);
    }
    if message.feature == Some(Feature::Fast) {
        outgoing = outgoing.fast();
    }
    // What recognises the repetition where another node gets it, or this one after a restart.
    outgoing = match (message.reference, repeatable) {
        (Some(reference), _) => outgoing.with_reference(&reference),
        (None, Some(reference)) => outgoing.with_reference(reference).without_confirmation(),
        (None, None) => outgoing,
    };
    Ok((to, outgoing))
}
