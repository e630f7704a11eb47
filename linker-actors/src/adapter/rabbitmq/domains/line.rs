//! Keeps a link connected: connects, and connects again, without end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Channel, Error, ErrorKind};
use linker_core::id::{DomainName, NodeName};
use linker_core::port::{BusError, LinkWatcher};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::address::Address;
use super::super::backoff::Backoff;
use super::super::connect::{self, Wire};
use super::super::{refusal, stopped};
use super::outbox::Outbox;
use super::session::{End, Session};
use super::topology;

/// Short, for what goes to that domain waits meanwhile.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A connection that lasted so long was a good one: the next attempt follows soon.
const STEADY: Duration = Duration::from_secs(5);

/// The other end.
#[derive(Debug)]
pub(super) struct Neighbour {
    domain: DomainName,
    address: Address,
    /// Where payloads are published to.
    pub(super) exchange: String,
}

impl Neighbour {
    pub(super) fn new(domain: DomainName, address: Address) -> Self {
        Self {
            exchange: topology::exchange_of(&domain),
            domain,
            address,
        }
    }

    pub(super) fn not_set_up(&self) -> String {
        format!(
            "domain {} has not set up its ingress at {}",
            self.domain, self.address
        )
    }

    pub(super) fn does_not_confirm(&self) -> String {
        format!("the broker at {} does not confirm", self.address)
    }

    /// What is wrong at the other end, of a connection that was there.
    pub(super) fn why(&self, error: &Error) -> String {
        let soft = match error.kind() {
            ErrorKind::ProtocolError(protocol) => protocol.kind(),
            _ => return self.why_not(refusal::why(error, &self.address)),
        };
        match soft {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => self.not_set_up(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => format!(
                "the broker at {} does not let user {} write to {}",
                self.address,
                self.address.user(),
                self.exchange
            ),
            _ => self.why_not(refusal::why(error, &self.address)),
        }
    }

    /// To a link all failures are for now.
    fn why_not(&self, error: BusError) -> String {
        match error {
            BusError::Away(why) | BusError::Refused(why) => why,
            other => other.to_string(),
        }
    }
}

/// What the watcher, and the log, were told last: nothing twice.
pub(super) struct Told {
    watcher: Arc<dyn LinkWatcher>,
    neighbour: Arc<Neighbour>,
    is_up: Option<bool>,
}

impl Told {
    pub(super) fn up(&mut self) {
        if self.is_up.replace(true) != Some(true) {
            tracing::info!(link.to = %self.neighbour.domain, broker = %self.neighbour.address, "a link is up");
            self.watcher.connection(None);
        }
    }

    pub(super) fn down(&mut self, why: String) {
        if self.is_up.replace(false) != Some(false) {
            tracing::warn!(link.to = %self.neighbour.domain, error = %why, "a link is down");
            self.watcher.connection(Some(why));
        }
    }
}

/// A connection with its channels.
pub(super) struct Channels {
    pub(super) wire: Wire,
    pub(super) confirming: Channel,
    pub(super) fast: Channel,
}

impl Channels {
    async fn make(address: &Address, name: &str) -> Result<Self, Error> {
        let wire = Wire::connect(address, name).await?;
        let confirming = wire.connection.create_channel().await?;
        confirming.confirm_select(ConfirmSelectOptions::default()).await?;
        let fast = wire.connection.create_channel().await?;
        Ok(Self {
            wire,
            confirming,
            fast,
        })
    }
}

/// One link, for as long as it is open.
pub(super) struct Line {
    neighbour: Arc<Neighbour>,
    name: String,
    outbox: Arc<Outbox>,
    told: Told,
    reset: watch::Receiver<()>,
    stop: watch::Receiver<bool>,
}

impl Line {
    pub(super) fn new(
        neighbour: Arc<Neighbour>,
        node: &NodeName,
        outbox: Arc<Outbox>,
        watcher: Arc<dyn LinkWatcher>,
        reset: watch::Receiver<()>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let told = Told {
            watcher,
            neighbour: Arc::clone(&neighbour),
            is_up: None,
        };
        Self {
            name: format!("linker {node} link to {}", neighbour.domain),
            neighbour,
            outbox,
            told,
            reset,
            stop,
        }
    }

    /// Until the link is closed.
    pub(super) async fn run(mut self) {
        self.keep_connected().await;
        self.outbox.shut("it is closed".into());
    }

    async fn keep_connected(&mut self) {
        let mut backoff = Backoff::up_to(BACKOFF_MAX);
        loop {
            let address = &self.neighbour.address;
            let tried_at = Instant::now();
            let made = tokio::select! {
                made = connect::in_time(address, Channels::make(address, &self.name)) => made,
                () = stopped(&mut self.stop) => return,
            };
            let (why, wire) = match made {
                Ok(channels) => {
                    let began = Instant::now();
                    let end = self.serve(channels).await;
                    if began.elapsed() > STEADY {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return,
                        End::Lost(why, wire) => (why, wire),
                    }
                }
                Err(error) => {
                    let why = self.neighbour.why_not(error);
                    tracing::debug!(link.to = %self.neighbour.domain, error = %why, after = ?tried_at.elapsed(), "an attempt at a link has failed");
                    (why, None)
                }
            };
            self.outbox.shut(why.clone());
            self.told.down(why);
            if let Some(wire) = wire {
                wire.close("it cannot be used").await;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    async fn serve(&mut self, channels: Channels) -> End {
        // Only what is asked for from now on concerns this connection.
        self.reset.mark_unchanged();
        let session = Session::new(channels, &self.neighbour, &self.outbox, &mut self.told);
        let end = session.run(&mut self.reset, &mut self.stop);
        // A watcher that panics must not take the link with it: the connection is made anew.
        let end = AssertUnwindSafe(end).catch_unwind().await;
        end.unwrap_or_else(|_| End::Lost("what watches the link panicked".into(), None))
    }
}
