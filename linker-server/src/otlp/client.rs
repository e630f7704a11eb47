//! HTTP to the collector.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::config::Secret;

/// Bytes of an answer that are read; it says how many spans were refused, if any.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Why the last request got no answer; the exporter itself says only that it did not.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Option<String>>>);

impl Faults {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, fault: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }
}

/// Goes where it is told and nowhere else: redirects are not followed, proxies of the environment not used.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    faults: Faults,
}

impl Client {
    pub(super) fn new(url: &str, headers: &[(String, Secret)], timeout: Duration) -> anyhow::Result<Self> {
        let mut own = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose())?;
            value.set_sensitive(true);
            own.insert(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_for(url)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("linker/", env!("CARGO_PKG_VERSION")))
            .default_headers(own)
            .timeout(timeout)
            .build()?;
        Ok(Self {
            client,
            faults: Faults::default(),
        })
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let mut answer = self.client.execute(request.try_into()?).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            std::mem::swap(headers, answer.headers_mut());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > ANSWER_LEN_MAX {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        // Its parts are those of an answer.
        Ok(response.body(body.into()).unwrap_or_default())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.ask(request).await.map_err(|error| {
            // A url may carry a secret.
            let error = error.without_url();
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            self.faults.note(text);
            error.into()
        })
    }
}

/// A host without certificates can still ask by plain HTTP.
fn tls_for(url: &str) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(
        match url
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
        {
            true => builder.with_platform_verifier()?.with_no_client_auth(),
            false => builder
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        },
    )
}
