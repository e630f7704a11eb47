//! Makes one connection with a broker, in a bounded time, and lets go of it.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties, Error};
use linker_core::port::BusError;
use socket2::SockRef;
use tokio::time::timeout;

use super::address::Address;
use super::refusal;

/// For the socket alone.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection with everything on it.
const LINK_TIMEOUT: Duration = Duration::from_secs(10);
/// For a farewell that nobody needs.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection. Its socket is shut down when this is dropped.
pub(super) struct Wire {
    // Dropped first: what lapin wants to say when it is dropped must not wait for a broker that says nothing.
    _socket: Hold,
    pub(super) connection: Connection,
}

impl Wire {
    /// Connects. To be called [`in_time`].
    pub(super) async fn connect(address: &Address, name: &str) -> Result<Self, Error> {
        let socket = Hold(SocketSlot::default());
        let connection = connect(address, name, socket.0.clone()).await?;
        Ok(Self {
            _socket: socket,
            connection,
        })
    }

    /// Takes leave of the broker.
    pub(super) async fn close(self, why: &str) {
        farewell(self.connection.close(200, why.into())).await;
    }
}

/// Makes a connection with everything on it, or says why there is none.
pub(super) async fn in_time<T>(
    address: &Address,
    making: impl Future<Output = Result<T, Error>>,
) -> Result<T, BusError> {
    match timeout(LINK_TIMEOUT, making).await {
        Ok(made) => made.map_err(|error| refusal::why(&error, address)),
        Err(_) => Err(BusError::Away(format!("the broker at {address} does not answer"))),
    }
}

/// Last words. The broker finds out by itself otherwise.
pub(super) async fn farewell(words: impl Future<Output = Result<(), Error>>) {
    let _ = timeout(CLOSE_TIMEOUT, words).await;
}

/// Shuts the socket down when dropped, also while there is no connection yet.
struct Hold(SocketSlot);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

/// A second handle of the socket. lapin waits without end for a broker that says nothing, and its thread with it: shutting the socket down is what
/// ends both.
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
