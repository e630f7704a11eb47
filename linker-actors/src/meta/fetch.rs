//! Asking the meta server for its document.

use std::time::Duration;

use linker_core::url::PlainUrl;
use reqwest::header::{ETAG, HeaderMap, IF_NONE_MATCH};
use reqwest::{Client, StatusCode, Url};

use crate::adapter::http::{self, ReadFault, describe, error_chain, tls_for};

/// Bytes of a document: as many as the meta server reads.
const DOCUMENT_LEN_MAX: usize = 16 * 1024 * 1024;
/// How long it may take to get a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an etag that is sent back.
const ETAG_LEN_MAX: usize = 1024;

/// What the server answered.
pub(super) enum Fetched {
    /// It has the version that was named.
    Known,
    /// It has another one.
    Version {
        /// Its etag, if it has one.
        etag: Option<String>,
        /// As sent.
        body: Vec<u8>,
    },
}

/// Asks one meta server.
pub(super) struct Fetcher {
    url: Url,
    client: Client,
}

impl Fetcher {
    /// # Errors
    /// What is wrong with the url, or that TLS cannot be set up.
    pub(super) fn new(base: &str) -> Result<Self, String> {
        let wrong = "the url of the meta server is not http://HOST:PORT or https://HOST:PORT, without user and password";
        let plain = PlainUrl::parse(base).map_err(|_| wrong.to_owned())?;
        if !plain.has_scheme("http") && !plain.has_scheme("https") {
            return Err(wrong.to_owned());
        }
        let url =
            Url::parse(&format!("{}/meta", base.trim_end_matches('/'))).map_err(|_| wrong.to_owned())?;
        let tls = tls_for(&url)
            .map_err(|error| format!("cannot set up TLS for the meta server: {}", error_chain(&error)))?;
        let client = http::client(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            // It is asked so seldom that its side would have closed the connection.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| {
                format!(
                    "cannot set up the HTTP client for the meta server: {}",
                    describe(error)
                )
            })?;
        Ok(Self { url, client })
    }

    /// Asks for another version than the `known` one, and waits for at most `timeout`.
    ///
    /// # Errors
    /// In words, why there is no answer that could be a document.
    pub(super) async fn fetch(&self, known: Option<&str>, timeout: Duration) -> Result<Fetched, String> {
        let mut request = self.client.get(self.url.clone()).timeout(timeout);
        if let Some(etag) = known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let answer = request.send().await.map_err(describe)?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Fetched::Known),
            StatusCode::OK => {}
            status => return Err(format!("it answered with status {}", status.as_u16())),
        }
        let etag = etag_of(answer.headers());
        let body = http::read_bounded(answer, DOCUMENT_LEN_MAX)
            .await
            .map_err(|fault| match fault {
                ReadFault::TooLong => format!("its document is longer than {DOCUMENT_LEN_MAX} bytes"),
                ReadFault::Transport(error) => describe(error),
            })?;
        Ok(Fetched::Version { etag, body })
    }
}

fn etag_of(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.len() <= ETAG_LEN_MAX).then(|| etag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_urls_are_asked() {
        for good in [
            "http://h:9000",
            "http://h:9000/",
            "http://h/base",
            "http://[::1]:9000",
        ] {
            let fetcher = Fetcher::new(good).map_err(|wrong| panic!("{good}: {wrong}"));
            let path = fetcher.unwrap().url.path().to_owned();
            assert!(path.ends_with("/meta") && !path.contains("//"), "{good}: {path}");
        }
        for bad in ["h:9000", "ftp://h", "http://joe:hunter2@h", "http://"] {
            let wrong = Fetcher::new(bad).err();
            assert!(wrong.is_some_and(|wrong| !wrong.contains("hunter2")), "{bad}");
        }
    }
}
