//! Errors of the API, as RFC 9457 has them.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use linker_actors::{SendError, UserError};
use linker_core::code::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, for programs and for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Bad Request")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// As in an `ERROR` frame, where a client would get one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "INVALID_FIELD")]
    code: Option<&'static str>,
    /// With 405: the methods that there are, for a header.
    #[serde(skip)]
    methods: Option<&'static str>,
    /// With 421.
    #[serde(flatten)]
    elsewhere: Option<Box<Elsewhere>>,
}

/// Who has to be asked instead.
#[derive(Debug, Serialize, ToSchema)]
struct Elsewhere {
    /// The domain.
    domain: String,
    /// Where its clients connect to.
    urls: Vec<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
            methods: None,
            elsewhere: None,
        }
    }

    pub(crate) fn with_code(self, code: ErrorCode) -> Self {
        Self {
            code: Some(code.as_str()),
            ..self
        }
    }

    /// With 405.
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        Self {
            methods: Some(methods),
            ..self
        }
    }

    /// A user id that is none.
    pub(crate) fn user_id(given: &str) -> Self {
        let detail = format!("{given:?} is not a user id, such as ANZ-123223");
        Self::new(StatusCode::BAD_REQUEST, detail).with_code(ErrorCode::InvalidUserId)
    }

    /// Something that is needed cannot be reached now.
    pub(crate) fn away(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).with_code(ErrorCode::Unavailable)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.status, self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if let Some(methods) = self.methods {
            response.insert_header((header::ALLOW, methods));
        }
        // Not by `json`, which would say `application/json`.
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        let detail = error.to_string();
        match error {
            UserError::Elsewhere(elsewhere) => Self {
                elsewhere: Some(Box::new(Elsewhere {
                    domain: elsewhere.domain.to_string(),
                    urls: elsewhere.urls,
                })),
                ..Self::new(StatusCode::MISDIRECTED_REQUEST, detail)
            },
            error @ UserError::NotYet => Self::away(error),
            UserError::UnknownUser(_) => {
                Self::new(StatusCode::NOT_FOUND, detail).with_code(ErrorCode::UnknownUser)
            }
            _ => Self::new(StatusCode::NOT_FOUND, detail).with_code(ErrorCode::UnknownDomain),
        }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(error) => {
                let status = match error.code {
                    ErrorCode::UnknownUser | ErrorCode::UnknownDomain => StatusCode::NOT_FOUND,
                    ErrorCode::Forbidden => StatusCode::FORBIDDEN,
                    ErrorCode::InboxFull => StatusCode::CONFLICT,
                    ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::BAD_REQUEST,
                };
                Self::new(status, error.message.to_string()).with_code(error.code)
            }
            error @ (SendError::NoSender(_) | SendError::Content(_)) => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string()).with_code(ErrorCode::InvalidField)
            }
            error => Self::away(error),
        }
    }
}
