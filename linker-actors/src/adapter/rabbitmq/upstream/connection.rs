//! Connects, and connects again, without end.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Error, ExchangeKind};
use linker_core::port::{BusError, UpstreamWatcher};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::address::Address;
use super::super::backoff::Backoff;
use super::super::connect::{self, Wire};
use super::super::stopped;
use super::RabbitUpstreamOptions;
use super::publishing::{End, Publishing};
use super::sender::Sender;

/// Short, for what is for the application waits in the store meanwhile.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A connection that lasted so long was a good one: the next attempt follows soon.
const STEADY: Duration = Duration::from_secs(5);

/// A connection with its channel, and the exchange known to be there.
pub(super) struct Ready {
    pub(super) wire: Wire,
    pub(super) channel: Channel,
}

pub(super) struct Connector {
    pub(super) address: Address,
    pub(super) options: RabbitUpstreamOptions,
    pub(super) exchange: String,
    pub(super) sender: Arc<Sender>,
    pub(super) watcher: Arc<dyn UpstreamWatcher>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connector {
    /// Until the node stops.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::up_to(BACKOFF_MAX);
        loop {
            let connecting = connect::in_time(&self.address, self.connect());
            let mut stop = self.stop.clone();
            let made = tokio::select! {
                made = connecting => made,
                () = stopped(&mut stop) => break,
            };
            let why = match made {
                Ok(ready) => {
                    let began = Instant::now();
                    let publishing = Publishing::new(ready, &self);
                    let end = publishing.run(&mut stop).await;
                    if began.elapsed() > STEADY {
                        backoff.reset();
                    }
                    match end {
                        End::Stopped => break,
                        End::Lost(why) => why,
                    }
                }
                // To an upstream all failures are for now: somebody may be at work on the broker.
                Err(BusError::Away(why) | BusError::Refused(why)) => why,
                Err(other) => other.to_string(),
            };
            self.sender.shut(why.clone());
            self.watcher.connection(Some(why));
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = stopped(&mut self.stop) => break,
            }
        }
        self.sender.shut("the node has closed it".into());
    }

    async fn connect(&self) -> Result<Ready, Error> {
        let name = format!("linker {} upstream", self.options.node);
        let wire = Wire::connect(&self.address, &name).await?;
        let channel = wire.connection.create_channel().await?;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let exchange = self.exchange.as_str().into();
        channel
            .exchange_declare(exchange, ExchangeKind::Topic, durable, FieldTable::default())
            .await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Ready { wire, channel })
    }
}
