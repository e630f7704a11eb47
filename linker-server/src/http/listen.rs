//! A port on which HTTP/1.1 is spoken, with TLS or without.

use std::fmt::Debug;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};

use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_server::ServerBuilder;
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service};
use tokio::io::{AsyncRead, AsyncWrite};

use super::timeouts::TimedSocket;
use crate::tls::{Accept, TlsSocket};

/// A TCP connection, or one that speaks TLS.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Debug + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Debug + 'static> Socket for T {}

/// Serves whoever comes by such a socket, from where is known of some.
pub(crate) trait Http<T>:
    ServiceFactory<
        (TimedSocket<T>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    >
{
}

impl<T, F> Http<T> for F where
    F: ServiceFactory<
            (TimedSocket<T>, Option<SocketAddr>),
            Config = (),
            Response = (),
            Error = DispatchError,
            InitError = (),
        >
{
}

/// What is served on a port.
pub(crate) trait Port: Clone + Send + 'static {
    /// In the names of its threads and in logs.
    const NAME: &'static str;

    /// Sees each connection before anything is said.
    fn tune(&self, _io: &TcpStream) {}

    /// Speaks HTTP on a socket of either kind. Each thread makes its own.
    fn http<T: Socket>(self) -> impl Http<T>;
}

/// Serves `port` to who connects to `listener`, by TLS where there is `tls`.
pub(crate) fn listen<P: Port>(
    server: ServerBuilder,
    listener: TcpListener,
    tls: Option<Accept>,
    port: P,
) -> std::io::Result<ServerBuilder> {
    match tls {
        None => server.listen(P::NAME, listener, move || {
            let tuned = port.clone();
            let plain = fn_service(move |io: TcpStream| {
                tuned.tune(&io);
                let peer = io.peer_addr().ok();
                ready(Ok((TimedSocket::new(io), peer)))
            });
            plain.and_then(port.clone().http::<TcpStream>())
        }),
        Some(accept) => server.listen(P::NAME, listener, move || {
            let (tuned, accept) = (port.clone(), accept.clone());
            let secured = fn_service(move |io: TcpStream| {
                tuned.tune(&io);
                let accepting = accept.clone().accept(io);
                async {
                    let (io, peer) = accepting.await.map_err(DispatchError::Io)?;
                    Ok((TimedSocket::new(io), peer))
                }
            });
            secured.and_then(port.clone().http::<TlsSocket>())
        }),
    }
}
