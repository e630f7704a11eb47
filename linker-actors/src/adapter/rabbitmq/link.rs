//! The connection of the bus: inbox, and the channel to publish on.

use lapin::options::{BasicConsumeOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, Error};
use linker_core::port::BusError;

use super::address::Address;
use super::connect::{self, Wire};

/// A connection with everything on it.
pub(super) struct Link {
    pub(super) wire: Wire,
    pub(super) inbox: Consumer,
    pub(super) publishing: Channel,
    inbox_channel: Channel,
    queue: String,
}

impl Link {
    /// Connects and opens the inbox, in a bounded time.
    pub(super) async fn open(
        address: &Address,
        queue: &str,
        inbox_bytes_max: u32,
        name: &str,
    ) -> Result<Self, BusError> {
        connect::in_time(address, Self::make(address, queue, inbox_bytes_max, name)).await
    }

    async fn make(address: &Address, queue: &str, inbox_bytes_max: u32, name: &str) -> Result<Self, Error> {
        let wire = Wire::connect(address, name).await?;
        let inbox_channel = wire.connection.create_channel().await?;
        let declared = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let mut bounds = FieldTable::default();
        bounds.insert("x-max-length-bytes".into(), i64::from(inbox_bytes_max).into());
        bounds.insert(
            "x-overflow".into(),
            lapin::types::AMQPValue::LongString("reject-publish".into()),
        );
        inbox_channel
            .queue_declare(queue.into(), declared, bounds)
            .await?;
        let publishing = wire.connection.create_channel().await?;
        publishing.confirm_select(ConfirmSelectOptions::default()).await?;
        let consumed = BasicConsumeOptions {
            no_ack: true,
            exclusive: true,
            ..BasicConsumeOptions::default()
        };
        let inbox = inbox_channel
            .basic_consume(queue.into(), "".into(), consumed, FieldTable::default())
            .await?;
        Ok(Self {
            wire,
            inbox,
            publishing,
            inbox_channel,
            queue: queue.into(),
        })
    }

    /// Takes leave of the broker: when this ends, the inbox is gone.
    pub(super) async fn close(self) {
        let farewell = async {
            let deleted = QueueDeleteOptions::default();
            self.inbox_channel
                .queue_delete(self.queue.as_str().into(), deleted)
                .await?;
            self.wire.connection.close(200, "the node stops".into()).await
        };
        connect::farewell(farewell).await;
    }
}
