//! Who may open a WebSocket: origin, address and number (PROTOCOL.md, "At the handshake").

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_http::StatusCode;
use actix_http::header::{HeaderMap, ORIGIN};

/// Counts open connections and refuses those that may not come.
pub(crate) struct Admission {
    allowed_origins: Vec<String>,
    max_connections: usize,
    max_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    draining: bool,
    /// Nobody is known yet who could log in.
    waiting: bool,
}

impl Admission {
    pub(crate) fn new(
        allowed_origins: &[String],
        max_connections: usize,
        max_per_address: usize,
    ) -> Arc<Self> {
        let normal = |origin: &String| origin.trim_end_matches('/').to_ascii_lowercase();
        Arc::new(Self {
            allowed_origins: allowed_origins.iter().map(normal).collect(),
            max_connections,
            max_per_address,
            open: Mutex::default(),
        })
    }

    /// Nobody more comes in.
    pub(crate) fn drain(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).draining = true;
    }

    /// Nobody comes in until [`Admission::let_in`].
    #[cfg(feature = "meta")]
    pub(crate) fn wait(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).waiting = true;
    }

    /// There are client apps now.
    pub(crate) fn let_in(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).waiting = false;
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Lets a connection in, until the answer is dropped; or says with which status it is refused, and why.
    pub(crate) fn admit(
        self: &Arc<Self>,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Admitted, (StatusCode, &'static str)> {
        if !self.origin_allowed(headers) {
            return Err((StatusCode::FORBIDDEN, "this origin may not connect"));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.draining {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "the node is going away"));
        }
        if open.waiting {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "the node waits for its meta document",
            ));
        }
        if self.max_connections > 0 && open.all >= self.max_connections {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "the node has too many connections",
            ));
        }
        // Counting addresses costs memory, so only where they are limited.
        let is_counted = self.max_per_address > 0;
        if let Some(address) = address.filter(|_| is_counted) {
            let from_there = open.by_address.entry(address).or_default();
            if *from_there >= self.max_per_address {
                return Err((
                    StatusCode::TOO_MANY_REQUESTS,
                    "too many connections from this address",
                ));
            }
            *from_there += 1;
        }
        open.all += 1;
        Ok(Admitted {
            admission: Arc::clone(self),
            address,
            is_counted,
        })
    }

    /// Whether a request with these headers comes from an origin that is let in; none at all is.
    pub(crate) fn origin_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        if self.allowed_origins.is_empty() {
            return true;
        }
        let origin = origin.to_str().unwrap_or_default().trim_end_matches('/');
        self.allowed_origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// A connection that counts as open while this lives.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    is_counted: bool,
}

impl Admitted {
    /// Where the connection comes from.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(address) = self.address.filter(|_| self.is_counted)
            && let Some(from_there) = open.by_address.get_mut(&address)
        {
            *from_there -= 1;
            if *from_there == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}
