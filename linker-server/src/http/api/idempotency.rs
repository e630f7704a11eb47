//! Requests that are sent again under the same `Idempotency-Key` are carried out once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;

const HEADER: &str = "idempotency-key";
const KEY_LEN_MAX: usize = 256;
/// An answer is kept so long, as are the results of pushes.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond so many the oldest is forgotten: 100 bytes each, and the answer.
const KEPT_MAX: usize = 100_000;

/// The key of a request, which is its bearer's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    text: String,
    /// Of what it bears.
    bearer: [u8; 32],
}

impl Key {
    /// `None` where the request has none.
    pub(super) fn of(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let Some(value) = request.headers().get(HEADER) else {
            return Ok(None);
        };
        match value.to_str() {
            Ok(key) if (1..=KEY_LEN_MAX).contains(&key.len()) => {
                let bearer = request.headers().get(header::AUTHORIZATION);
                Ok(Some(Self {
                    text: key.to_owned(),
                    bearer: Sha256::digest(bearer.map_or(&[][..], |value| value.as_bytes())).into(),
                }))
            }
            _ => {
                let detail = format!("Idempotency-Key: must be 1 to {KEY_LEN_MAX} visible characters");
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }

    /// The same on every node, and no other bearer's.
    pub(super) fn digest(&self) -> String {
        hex(&Sha256::new().chain_update(self.bearer).chain_update(&self.text))
    }

    /// As [`Key::digest`], and no other request's.
    pub(super) fn with(&self, body: &[u8]) -> String {
        let digest = Sha256::new().chain_update(self.bearer).chain_update(&self.text);
        hex(&digest.chain_update([0]).chain_update(body))
    }
}

/// 32 digits of it.
fn hex(digest: &Sha256) -> String {
    let digest = digest.clone().finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What a request was answered with.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Answered {
    fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status)
            .content_type("application/json")
            .body(self.body.clone())
    }
}

#[derive(Debug)]
struct Known {
    /// Of its body.
    digest: [u8; 32],
    /// `None` while it is carried out.
    answered: Option<Answered>,
    at: Instant,
}

#[derive(Debug, Default)]
struct Table {
    of: HashMap<Key, Known>,
    /// In the order they came.
    keys: VecDeque<(Key, Instant)>,
}

impl Table {
    fn forget_old(&mut self, now: Instant) {
        while let Some((key, at)) = self.keys.front()
            && (self.keys.len() >= KEPT_MAX || *at + KEPT <= now)
        {
            // Unless it has come anew since.
            if self.of.get(key).is_some_and(|known| known.at == *at) {
                self.of.remove(key);
            }
            self.keys.pop_front();
        }
    }
}

impl Problem {
    /// The key was used for another request.
    pub(super) fn of_another_request() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another request",
        )
    }
}

/// Keys that this node has seen lately.
#[derive(Debug, Default)]
pub(super) struct Idempotency(Mutex<Table>);

impl Idempotency {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries a request out, unless one of the same key was. What fails was not carried out, and may be tried again.
    pub(super) async fn once(
        &self,
        key: Option<Key>,
        body: &[u8],
        carry_out: impl AsyncFnOnce() -> Result<Answered, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let Some(key) = key else {
            return Ok(carry_out().await?.response());
        };
        if let Some(answered) = self.begin(&key, body)? {
            return Ok(answered.response());
        }
        let mut running = Running {
            of: self,
            key: Some(key),
        };
        let answered = carry_out().await?;
        if let Some(key) = running.key.take()
            && let Some(known) = self.table().of.get_mut(&key)
        {
            known.answered = Some(answered.clone());
        }
        Ok(answered.response())
    }

    /// The answer that there is already.
    fn begin(&self, key: &Key, body: &[u8]) -> Result<Option<Answered>, Problem> {
        let digest: [u8; 32] = Sha256::digest(body).into();
        let now = Instant::now();
        let mut table = self.table();
        table.forget_old(now);
        match table.of.get(key) {
            Some(known) if known.digest != digest => Err(Problem::of_another_request()),
            Some(known) => match &known.answered {
                Some(answered) => Ok(Some(answered.clone())),
                None => Err(Problem::new(
                    StatusCode::CONFLICT,
                    "the first request of this Idempotency-Key is not answered yet; send it again in a moment",
                )),
            },
            None => {
                let known = Known {
                    digest,
                    answered: None,
                    at: now,
                };
                table.of.insert(key.clone(), known);
                table.keys.push_back((key.clone(), now));
                Ok(None)
            }
        }
    }
}

/// Forgets the key of a request that failed, or whose client has gone before it was answered.
struct Running<'a> {
    of: &'a Idempotency,
    key: Option<Key>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.of.table().of.remove(key);
        }
    }
}
