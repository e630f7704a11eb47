//! The application behind an HTTP endpoint of its own: each message and event is posted there, signed.

mod signature;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use linker_core::port::{
    BoxFuture, UpstreamError, UpstreamMessage, UpstreamPace, UpstreamSink, UpstreamWatcher,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};

pub use self::signature::{SIGNATURE_HEADER, Signer};
use crate::adapter::http::{self, describe, error_chain, tls_for};

/// The id of the message: the same when it is posted again.
pub const ID_HEADER: &str = "Linker-Id";
/// `<appName>.<type>`, or `<appName>.event.<name>`.
pub const TOPIC_HEADER: &str = "Linker-Topic";

/// Bytes of a secret, at least.
pub const WEBHOOK_SECRET_LEN_MIN: usize = 16;
/// Requests at once, of as many senders.
const AT_ONCE: usize = 64;
/// Bytes of an answer that are read, so that its connection can be used again; nothing in it counts.
const ANSWER_LEN_MAX: usize = 64 * 1024;
/// Time that an unused connection is kept: less than the 5 s after which common servers close theirs.
const IDLE_CONNECTION_TIME_MAX: Duration = Duration::from_secs(4);

/// Why a [`WebhookSink`] cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookConfigError {
    /// Not a url that can be posted to. The url itself is not repeated, since it may carry a secret.
    #[error("the url of the webhook is not an http:// or https:// url: {0}")]
    Url(String),
    /// Anybody could guess it.
    #[error("the secret of the webhook has {0} bytes; at least {WEBHOOK_SECRET_LEN_MIN} are needed")]
    Secret(usize),
    /// TLS cannot be set up, for instance because the system has no certificates to trust.
    #[error("cannot set up TLS for the webhook: {0}")]
    Tls(String),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client for the webhook: {0}")]
    Client(String),
}

/// Posts what is for the application to `url`, as `application/json`, with the headers [`SIGNATURE_HEADER`], [`ID_HEADER`] and [`TOPIC_HEADER`].
///
/// | answer | result |
/// |---|---|
/// | 2xx | the application has it |
/// | 400, 413, 415, 422 | it refuses the message: [`UpstreamError::Refused`] |
/// | any other status, no answer in time, a lost connection | [`UpstreamError::Failed`]: it is posted again |
/// | no connection at all | [`UpstreamError::Away`] |
///
/// Redirects are not followed and proxies of the environment are not used. Up to 64 requests are under way at once, one of each sender.
pub struct WebhookSink {
    url: Url,
    client: Client,
    signer: Arc<Signer>,
}

impl WebhookSink {
    /// Whether [`WebhookSink::new`] could post to a url.
    ///
    /// # Errors
    /// [`WebhookConfigError::Url`], which does not repeat the url.
    pub fn check_url(url: &str) -> Result<(), WebhookConfigError> {
        parse_url(url).map(drop)
    }

    /// Posts to `url`, `http` or `https`, and waits for an answer for at most `timeout`. A user and password in the url are sent as basic authentication.
    ///
    /// # Errors
    /// [`WebhookConfigError`].
    pub fn new(url: &str, secret: &[u8], timeout: Duration) -> Result<Self, WebhookConfigError> {
        let url = parse_url(url)?;
        if secret.len() < WEBHOOK_SECRET_LEN_MIN {
            return Err(WebhookConfigError::Secret(secret.len()));
        }
        let tls = tls_for(&url).map_err(|error| WebhookConfigError::Tls(error.to_string()))?;
        let client = http::client(tls)
            .connect_timeout(timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE_CONNECTION_TIME_MAX)
            .pool_max_idle_per_host(AT_ONCE)
            .build()
            .map_err(|error| WebhookConfigError::Client(error_chain(&error)))?;
        Ok(Self {
            url,
            client,
            signer: Arc::new(Signer::new(secret)),
        })
    }
}

impl fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSink")
            .field("origin", &self.url.origin().ascii_serialization())
            .finish_non_exhaustive()
    }
}

impl UpstreamSink for WebhookSink {
    fn pace(&self) -> UpstreamPace {
        UpstreamPace {
            at_once: AT_ONCE,
            of_one_sender: 1,
        }
    }

    fn open(&self, watcher: Arc<dyn UpstreamWatcher>) {
        // There is none to keep: the first message finds out.
        watcher.connection(None);
    }

    fn send(&self, message: Arc<UpstreamMessage>) -> BoxFuture<'static, Result<(), UpstreamError>> {
        let (client, url, signer) = (self.client.clone(), self.url.clone(), Arc::clone(&self.signer));
        Box::pin(async move {
            let request = client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .header(ID_HEADER, message.id.to_string())
                .header(TOPIC_HEADER, message.routing_key())
                .header(SIGNATURE_HEADER, signer.sign_now(&message.body))
                .body(message.body.clone());
            let response = request.send().await.map_err(|error| match error.is_connect() {
                true => UpstreamError::Away(describe(error)),
                false => UpstreamError::Failed(describe(error)),
            })?;
            let status = response.status();
            // What it says besides is of no interest.
            let _ = http::read_bounded(response, ANSWER_LEN_MAX).await;
            judge(status)
        })
    }
}

fn judge(status: StatusCode) -> Result<(), UpstreamError> {
    let why = || format!("it answered with status {}", status.as_u16());
    match status {
        _ if status.is_success() => Ok(()),
        // About what is in the message. A wrong path, a secret that is not believed or a limit are faults, which somebody mends.
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Err(UpstreamError::Refused(why())),
        _ => Err(UpstreamError::Failed(why())),
    }
}

fn parse_url(text: &str) -> Result<Url, WebhookConfigError> {
    let url = Url::parse(text).map_err(|error| WebhookConfigError::Url(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(WebhookConfigError::Url("another scheme".to_owned())),
    }
}
