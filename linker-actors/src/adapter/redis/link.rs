//! The shared connection, kept open by a task of its own.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Client, PushInfo, PushKind};
use linker_core::port::PresenceError;
use tokio::sync::watch;

use super::fault;

/// The first pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest: Redis is noticed so soon when it is back.
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Link {
    client: Client,
    address: String,
    call_timeout: Duration,
    state: watch::Sender<State>,
    numbers: AtomicU64,
}

#[derive(Clone)]
enum State {
    Up(Connected),
    /// Lost, and the first attempt to open it again not decided yet: worth waiting for.
    Lost,
    Down(PresenceError),
}

/// A connection, and which one it is.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) number: u64,
}

impl Link {
    pub(super) fn new(client: Client, address: String, call_timeout: Duration) -> Self {
        Self {
            client,
            address,
            call_timeout,
            state: watch::Sender::new(State::Lost),
            numbers: AtomicU64::new(0),
        }
    }

    /// The connection, if there is one; waits while it is being decided whether there is.
    pub(super) async fn connected(&self) -> Result<Connected, PresenceError> {
        let mut states = self.state.subscribe();
        let decided = states.wait_for(|state| !matches!(state, State::Lost));
        match tokio::time::timeout(self.call_timeout, decided).await {
            Ok(Ok(state)) => match &*state {
                State::Up(connected) => Ok(connected.clone()),
                State::Down(error) => Err(error.clone()),
                State::Lost => Err(fault::silent(&self.address)),
            },
            _ => Err(fault::silent(&self.address)),
        }
    }

    /// That connection is good no more.
    pub(super) fn lost(&self, number: u64) {
        self.state.send_if_modified(|state| {
            let current = matches!(state, State::Up(connected) if connected.number == number);
            if current {
                *state = State::Lost;
            }
            current
        });
    }

    /// Opens it once.
    pub(super) async fn open(this: Weak<Self>) -> Result<(), PresenceError> {
        let Some(link) = this.upgrade() else {
            return Ok(());
        };
        let number = link.numbers.fetch_add(1, Ordering::Relaxed);
        let told = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection
                && let Some(link) = this.upgrade()
            {
                link.lost(number);
            }
            Ok::<(), Infallible>(())
        };
        let config = AsyncConnectionConfig::new().set_push_sender(told);
        let opened = link.connect(&config).await;
        link.state.send_replace(match &opened {
            Ok(connection) => State::Up(Connected {
                connection: connection.clone(),
                number,
            }),
            Err(error) => State::Down(error.clone()),
        });
        opened.map(drop)
    }

    /// A connection to the same Redis, for whatever use.
    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, PresenceError> {
        let config = config
            .clone()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(self.call_timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| fault::of_opening(&error, &self.address)),
            Err(_) => Err(fault::silent(&self.address)),
        }
    }

    /// Opens it again whenever it was lost, without end.
    pub(super) async fn keep(this: Weak<Self>) {
        loop {
            let Some(mut states) = this.upgrade().map(|link| link.state.subscribe()) else {
                return;
            };
            let lost = states.wait_for(|state| !matches!(state, State::Up(_)));
            if lost.await.map(drop).is_err() {
                return;
            }
            drop(states);
            let open = || Self::open(Weak::clone(&this));
            let address = this.upgrade().map(|link| link.address.clone());
            insist(open, &address.unwrap_or_default()).await;
        }
    }
}

/// Tries until it succeeds, and tells when the reason changes why it does not.
async fn insist<F: Future<Output = Result<(), PresenceError>>>(open: impl Fn() -> F, address: &str) {
    let mut pauses = Pauses::default();
    let mut told = None;
    while let Err(error) = open().await {
        if told.as_ref() != Some(&error) {
            tracing::warn!(redis.address = address, %error, "no connection to the presence registry");
            told = Some(error);
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
    if told.is_some() {
        tracing::info!(redis.address = address, "connected to the presence registry");
    }
}

/// Ever longer pauses, of which no two nodes have the same.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    taken: u32,
}

impl Pauses {
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = PAUSE_MIN.saturating_mul(1 << self.taken.min(16)).min(PAUSE_MAX);
        self.taken = self.taken.saturating_add(1);
        // Without randomness all have the same pause, which is no more than unkind.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
