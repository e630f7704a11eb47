//! Who may open a WebSocket: origin, address and number (PROTOCOL.md, "At the handshake").

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_http::StatusCode;
use actix_http::header::{HeaderMap, ORIGIN};
use arc_swap::ArcSwap;

use crate::config::NodeConfig;

/// Why nobody is known yet.
pub(crate) const WAITS: &str = "the node waits for its meta document";

/// Counts open connections and refuses those that may not come.
pub(crate) struct Admission {
    rules: ArcSwap<Rules>,
    open: Mutex<Open>,
}

/// What is allowed.
struct Rules {
    origins: Vec<String>,
    max_connections: usize,
    max_per_address: usize,
}

impl Rules {
    fn of(config: &NodeConfig) -> Self {
        let normal = |origin: &String| origin.trim_end_matches('/').to_ascii_lowercase();
        Self {
            origins: config.allowed_origins.iter().map(normal).collect(),
            max_connections: config.max_connections,
            max_per_address: config.max_connections_per_address,
        }
    }
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    draining: bool,
    /// Nobody is known yet who could log in.
    waiting: bool,
}

impl Open {
    /// Counts one more from this address, which costs memory: so only where they are limited. Answers whether it was counted, and nothing when there are too many.
    fn count(&mut self, address: Option<IpAddr>, max: usize) -> Option<bool> {
        let Some(address) = address.filter(|_| max > 0) else {
            return Some(false);
        };
        if self.by_address.get(&address).is_some_and(|known| *known >= max) {
            return None;
        }
        *self.by_address.entry(address).or_default() += 1;
        Some(true)
    }

    fn forget(&mut self, address: IpAddr) {
        if let Some(from_there) = self.by_address.get_mut(&address) {
            *from_there -= 1;
            if *from_there == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Admission {
    pub(crate) fn new(config: &NodeConfig) -> Arc<Self> {
        Arc::new(Self {
            rules: ArcSwap::from_pointee(Rules::of(config)),
            open: Mutex::default(),
        })
    }

    /// Other rules, for who comes from now on. Connections that were not counted by address when they came are not now.
    pub(crate) fn configure(&self, config: &NodeConfig) {
        self.rules.store(Arc::new(Rules::of(config)));
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

    /// Whether there are no client apps yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).waiting
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
        let rules = self.rules.load();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.draining {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "the node is going away"));
        }
        if open.waiting {
            return Err((StatusCode::SERVICE_UNAVAILABLE, WAITS));
        }
        if rules.max_connections > 0 && open.all >= rules.max_connections {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "the node has too many connections",
            ));
        }
        let Some(is_counted) = open.count(address, rules.max_per_address) else {
            return Err((
                StatusCode::TOO_MANY_REQUESTS,
                "too many connections from this address",
            ));
        };
        open.all += 1;
        Ok(Admitted {
            admission: Arc::clone(self),
            address,
            is_counted,
        })
    }

    /// Counts a connection that has not asked for anything yet among those of its address, until the answer is dropped; none when there are too many.
    pub(crate) fn arrive(self: &Arc<Self>, address: IpAddr) -> Option<Arriving> {
        let max_per_address = self.rules.load().max_per_address;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_counted = open.count(Some(address), max_per_address)?;
        Some(Arriving {
            admission: Arc::clone(self),
            address: is_counted.then_some(address),
        })
    }

    /// Whether a request with these headers comes from an origin that is let in; none at all is.
    pub(crate) fn origin_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        let rules = self.rules.load();
        if rules.origins.is_empty() {
            return true;
        }
        let origin = origin.to_str().unwrap_or_default().trim_end_matches('/');
        rules
            .origins
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
        if let Some(address) = self.address.filter(|_| self.is_counted) {
            open.forget(address);
        }
    }
}

/// A connection whose first words are awaited, those of TLS say; it counts to [`NodeConfig::max_connections_per_address`] while this lives.
pub struct Arriving {
    admission: Arc<Admission>,
    /// `None` while addresses are not limited.
    address: Option<IpAddr>,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.forget(address);
        }
    }
}
