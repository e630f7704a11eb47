//! Asking others by HTTP: what the adapters that do have in common.

pub(super) mod tls;

use reqwest::{Client, ClientBuilder, Response, Url, redirect};
use rustls::{ClientConfig, RootCertStore};

/// Why an answer was not read to its end.
#[derive(Debug)]
pub(crate) enum ReadFault {
    /// It is longer than allowed.
    TooLong,
    /// The connection was lost.
    Transport(reqwest::Error),
}

/// The TLS to ask at `url`: a host without certificates can still ask by plain HTTP.
///
/// # Errors
/// When the system has no certificates to trust and they are needed.
pub(crate) fn tls_for(url: &Url) -> Result<ClientConfig, rustls::Error> {
    match url.scheme() {
        "https" => tls::trusting_the_system(),
        _ => tls::trusting(RootCertStore::empty()),
    }
}

/// A client that goes where it is told and nowhere else: redirects are not followed, proxies of the environment not used.
pub(crate) fn client(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("linker/", env!("CARGO_PKG_VERSION")))
}

/// The body of an answer, of so many bytes at most.
pub(crate) async fn read_bounded(mut response: Response, len_max: usize) -> Result<Vec<u8>, ReadFault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadFault::Transport)? {
        if body.len() + chunk.len() > len_max {
            return Err(ReadFault::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error's own text is only "error sending request"; what happened is in its sources. Without the url, which may carry a secret.
pub(crate) fn describe(error: reqwest::Error) -> String {
    error_chain(&error.without_url())
}

/// The texts of an error and its sources.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
