//! Asking an HTTP service of the operator's (`authUrl`) who may log in.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linker_core::port::{AuthError, Authenticator, BoxFuture, Credentials, Login};
use reqwest::{Client, Url};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::adapter::http::{self, ReadFault, error_chain, tls_for};

/// Questions that one authenticator may have under way; more wait, within their own time.
const IN_FLIGHT_MAX: usize = 64;
/// Bytes of an answer: far more than the JSON of the seed takes.
const ANSWER_LEN_MAX: usize = 64 * 1024;
/// Time that an unused connection is kept. Less than the 5 s after which common servers close theirs, so that a question seldom meets a connection that is
/// just being closed: it could not be repeated safely, since a token may be good for one use only.
const IDLE_CONNECTION_TIME_MAX: Duration = Duration::from_secs(4);

/// Why a [`CallbackAuthenticator`] cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackConfigError {
    /// Not a url that can be posted to. The url itself is not repeated, since it may carry a secret.
    #[error("authUrl is not an http:// or https:// url: {0}")]
    Url(String),
    /// TLS cannot be set up, for instance because the system has no certificates to trust.
    #[error("cannot set up TLS for authUrl: {0}")]
    Tls(String),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client for authUrl: {0}")]
    Client(String),
}

/// Believes whom the service at `authUrl` believes.
///
/// It posts `{"appId", "userId", "token"}` (`token` is `null` where the client showed none) and reads an answer of `{"appId", "userId", "isAuthenticated"}`:
///
/// | answer | result |
/// |---|---|
/// | 2xx, that JSON, the same app and user, `isAuthenticated: true` | believed, without expiry |
/// | 2xx or 4xx with that JSON and anything else in it | [`AuthError::Refused`] |
/// | any other status, other content, more than 64 KiB, no connection, no answer in time | [`AuthError::Unavailable`] |
///
/// Redirects are not followed and proxies of the environment are not used: a token goes to the configured url or nowhere. Connections are kept for the next
/// question. The first failure after a success is logged as a warning, with the origin of the url only; further ones at debug level.
pub struct CallbackAuthenticator {
    url: Url,
    timeout: Duration,
    client: Client,
    in_flight: Semaphore,
    answering: AtomicBool,
}

impl CallbackAuthenticator {
    /// Asks the service at `url`, `http` or `https`, and waits for at most `timeout`, queueing and connecting included.
    ///
    /// A user and password in the url are sent as basic authentication.
    ///
    /// # Errors
    /// [`CallbackConfigError`] when `url` is not one that can be posted to, or TLS cannot be set up.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, CallbackConfigError> {
        let url = parse_url(url)?;
        let tls = tls_for(&url).map_err(|error| CallbackConfigError::Tls(error.to_string()))?;
        Self::with_tls(url, timeout, tls)
    }

    fn with_tls(url: Url, timeout: Duration, tls: ClientConfig) -> Result<Self, CallbackConfigError> {
        let client = http::client(tls)
            .connect_timeout(timeout)
            .pool_idle_timeout(IDLE_CONNECTION_TIME_MAX)
            .pool_max_idle_per_host(IN_FLIGHT_MAX)
            .build()
            .map_err(|error| CallbackConfigError::Client(error_chain(&error)))?;
        Ok(Self {
            url,
            timeout,
            client,
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
            answering: AtomicBool::new(true),
        })
    }

    async fn ask(&self, credentials: &Credentials, user_id: &str) -> Result<Answer, Fault> {
        let _permit = self.in_flight.acquire().await.map_err(|_| Fault::NoAnswer)?;
        let question = Question {
            app_id: &credentials.app_id,
            user_id,
            token: credentials.token.as_deref(),
        };
        let response = self.client.post(self.url.clone()).json(&question).send().await?;
        let status = response.status();
        if !status.is_success() && !status.is_client_error() {
            return Err(Fault::Status(status.as_u16()));
        }
        let body = http::read_bounded(response, ANSWER_LEN_MAX).await?;
        let verdict = serde_json::from_slice(&body).map_err(|_| Fault::Content(status.as_u16()))?;
        Ok(Answer {
            success: status.is_success(),
            verdict,
        })
    }

    fn log_answer(&self) {
        if !self.answering.swap(true, Ordering::Relaxed) {
            tracing::info!(auth.origin = %self.origin(), "the authentication service answers again");
        }
    }

    fn log_fault(&self, fault: &Fault) {
        let origin = self.origin();
        if self.answering.swap(false, Ordering::Relaxed) {
            tracing::warn!(auth.origin = %origin, error = %fault, "the authentication service is not usable, logins are refused as unavailable");
        } else {
            tracing::debug!(auth.origin = %origin, error = %fault, "the authentication service is still not usable");
        }
    }

    /// The part of the url that holds no secret: scheme, host and port.
    fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Debug for CallbackAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackAuthenticator")
            .field("origin", &self.origin())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Authenticator for CallbackAuthenticator {
    fn authenticate(&self, credentials: Credentials) -> BoxFuture<'_, Result<Login, AuthError>> {
        Box::pin(async move {
            let user_id = credentials.user.to_string();
            let asked = tokio::time::timeout(self.timeout, self.ask(&credentials, &user_id)).await;
            match asked.unwrap_or(Err(Fault::NoAnswer)) {
                Ok(answer) => {
                    self.log_answer();
                    answer.judge(&credentials.app_id, &user_id)
                }
                Err(fault) => {
                    self.log_fault(&fault);
                    Err(AuthError::Unavailable(fault.text_for_client().to_owned()))
                }
            }
        })
    }
}

fn parse_url(text: &str) -> Result<Url, CallbackConfigError> {
    let url = Url::parse(text).map_err(|error| CallbackConfigError::Url(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(CallbackConfigError::Url("another scheme".to_owned())),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    app_id: &'a str,
    user_id: &'a str,
    token: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    app_id: String,
    user_id: String,
    is_authenticated: bool,
}

/// An answer with the JSON that the seed shows.
struct Answer {
    success: bool,
    verdict: Verdict,
}

impl Answer {
    fn judge(&self, app_id: &str, user_id: &str) -> Result<Login, AuthError> {
        let refused = |text: &str| Err(AuthError::Refused(text.to_owned()));
        if !self.success || !self.verdict.is_authenticated {
            return refused("the authentication service refused this login");
        }
        if self.verdict.app_id != app_id || self.verdict.user_id != user_id {
            return refused("the authentication service answered for another app or user");
        }
        Ok(Login { expires_at_s: None })
    }
}

/// Why there is no verdict; its text is for the log of the operator.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no answer in time")]
    NoAnswer,
    #[error("{0}")]
    Transport(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it answered with status {0} and not with the JSON of a login")]
    Content(u16),
    #[error("its answer is longer than {ANSWER_LEN_MAX} bytes")]
    TooLong,
}

impl Fault {
    fn text_for_client(&self) -> &'static str {
        match self {
            Self::NoAnswer | Self::Transport(_) => {
                "the authentication service did not answer; try again later"
            }
            Self::Status(_) | Self::Content(_) | Self::TooLong => {
                "the authentication service gave no usable answer; try again later"
            }
        }
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(http::describe(error))
    }
}

impl From<ReadFault> for Fault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::TooLong => Self::TooLong,
            ReadFault::Transport(error) => error.into(),
        }
    }
}
