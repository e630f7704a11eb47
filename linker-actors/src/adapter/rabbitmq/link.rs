//! Makes one connection: socket, handshake, inbox, and the channel to publish on.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicConsumeOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, Error};
use linker_core::port::BusError;
use socket2::SockRef;
use tokio::time::timeout;

use super::address::Address;
use super::refusal;

/// For the socket alone.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(5);
/// For all of it.
const LINK_TIMEOUT: Duration = Duration::from_secs(10);
/// For a farewell that nobody needs.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection with everything on it.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) inbox: Consumer,
    pub(super) publishing: Channel,
    inbox_channel: Channel,
    queue: String,
    socket: SocketSlot,
}

/// A second handle of the socket. lapin waits without end for a broker that says nothing, and its thread with it: shutting the socket down is what
/// ends both. Shuts it down when dropped.
#[derive(Debug, Default, Clone)]
struct SocketSlot(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Connected(socket2::Socket),
    /// Given up, maybe before there was a socket: then it must not be used any more.
    ShutDown,
}

impl SocketSlot {
    fn put(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*slot, Slot::ShutDown) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        *slot = Slot::Connected(SockRef::from(stream).try_clone()?);
        Ok(())
    }

    fn shut_down(&self) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Connected(socket) = std::mem::replace(&mut *slot, Slot::ShutDown) {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Shuts the socket down unless the link came about.
struct Attempt(Option<SocketSlot>);

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.shut_down();
        }
    }
}

impl Link {
    /// Connects and opens the inbox, in a bounded time.
    pub(super) async fn open(
        address: &Address,
        queue: &str,
        inbox_bytes_max: u32,
        name: &str,
    ) -> Result<Self, BusError> {
        let socket = SocketSlot::default();
        let mut attempt = Attempt(Some(socket.clone()));
        let made = timeout(
            LINK_TIMEOUT,
            Self::make(address, queue, inbox_bytes_max, name, &socket),
        );
        match made.await {
            Ok(Ok(link)) => {
                attempt.0 = None;
                Ok(link)
            }
            Ok(Err(error)) => Err(refusal::why(&error, address)),
            Err(_) => Err(BusError::Away(format!("the broker at {address} does not answer"))),
        }
    }

    async fn make(
        address: &Address,
        queue: &str,
        inbox_bytes_max: u32,
        name: &str,
        socket: &SocketSlot,
    ) -> Result<Self, Error> {
        let connection = connect(address, name, socket.clone()).await?;
        let inbox_channel = connection.create_channel().await?;
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
        let publishing = connection.create_channel().await?;
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
            connection,
            inbox,
            publishing,
            inbox_channel,
            queue: queue.into(),
            socket: socket.clone(),
        })
    }

    /// Takes leave of the broker: when this ends, the inbox is gone.
    pub(super) async fn close(self) {
        let farewell = async {
            let deleted = QueueDeleteOptions::default();
            self.inbox_channel
                .queue_delete(self.queue.as_str().into(), deleted)
                .await?;
            self.connection.close(200, "the node stops".into()).await
        };
        // The broker finds out by itself otherwise.
        let _ = timeout(CLOSE_TIMEOUT, farewell).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.socket.shut_down();
    }
}

async fn connect(address: &Address, name: &str, socket: SocketSlot) -> Result<Connection, Error> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connector(
        address.uri().clone(),
        runtime,
        // Runs on a thread of lapin's within our runtime, and cannot be dropped: hence its own timeouts.
        async move |uri, runtime| {
            let host = uri.authority.host.as_str();
            let connecting = async {
                let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in tokio::net::lookup_host((host, uri.authority.port)).await? {
                    match AsyncTcpStream::connect(&runtime, address).await {
                        Ok(stream) => return Ok(stream),
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
            };
            let stream = within(connecting).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                socket.put(plain.get_ref())?;
            }
            match uri.scheme {
                lapin::uri::AMQPScheme::AMQP => Ok(stream),
                lapin::uri::AMQPScheme::AMQPS => {
                    let config = OwnedTLSConfig::default();
                    Ok(within(stream.into_tls(host, config.as_ref())).await?)
                }
            }
        },
        properties,
    )
    .await
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    timeout(SOCKET_TIMEOUT, step).await.map_err(|_| timed_out())?
}
