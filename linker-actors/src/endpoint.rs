//! Where a host mounts Linker: the only part of the public interface that names actix types.

#[cfg(feature = "hosted")]
use std::any::Any;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::Request;
use actix_http::h1::Codec;
use actix_service::{ServiceFactory, fn_service};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::handle::LinkerHandle;
use crate::session::upgraded::UpgradeService;

/// Path of the WebSocket endpoint.
pub const WEBSOCKET_PATH: &str = "/ws";

impl LinkerHandle {
    /// For `actix_http::HttpService::build().upgrade(…)`: takes the sockets of WebSocket requests at [`WEBSOCKET_PATH`] over, which costs a tenth of
    /// the memory that [`LinkerHandle::configure`] does, and keeps clients that do not read from stopping their sessions.
    ///
    /// `T` is the socket, or a TLS stream over one: then call [`tune_socket`] with the socket beneath it, before or after the handshake.
    pub fn upgrade_service<T>(
        &self,
    ) -> impl ServiceFactory<
        (Request, Framed<T, Codec>),
        Config = (),
        Response = (),
        Error = std::convert::Infallible,
        InitError = (),
    > + use<T>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = UpgradeService::new(self.node().clone(), WEBSOCKET_PATH);
        fn_service(move |(request, framed): (Request, Framed<T, Codec>)| {
            let service = service.clone();
            async move {
                // A client that is gone before it was refused has lost nothing.
                let _ = service.call(request, framed).await;
                Ok(())
            }
        })
    }

    /// Mounts the endpoint in a host's own `App`, at [`WEBSOCKET_PATH`] within its scope: `App::new().configure(|cfg| handle.configure(cfg))`.
    /// Use [`LinkerHandle::on_connect`] along with it.
    #[cfg(feature = "hosted")]
    pub fn configure(&self, config: &mut actix_web::web::ServiceConfig) {
        let node = self.node().clone();
        let open = move |request: actix_web::HttpRequest, payload: actix_web::web::Payload| {
            let response = crate::session::hosted::open(&node, &request, payload);
            std::future::ready(response)
        };
        config.route(WEBSOCKET_PATH, actix_web::web::get().to(open));
    }

    /// For `HttpServer::on_connect`: lets the kernel give up clients that are gone, and the node those that have stopped reading. Without it a client
    /// that stops reading keeps its session until TCP itself gives up.
    #[cfg(feature = "hosted")]
    pub fn on_connect(
        &self,
    ) -> impl Fn(&dyn Any, &mut actix_web::dev::Extensions) + Send + Clone + 'static + use<> {
        let node = self.node().clone();
        move |io, extensions| {
            if let Some(stream) = io.downcast_ref::<actix_web::rt::net::TcpStream>() {
                tune_socket(stream, node.config().session.heartbeat_timeout);
                if let Ok(socket) = socket2::SockRef::from(stream).try_clone() {
                    extensions.insert(crate::session::hosted::SocketHandle(std::sync::Arc::new(socket)));
                }
            }
        }
    }
}

/// Gives a connection up when what was sent stays unacknowledged, or its window closed, for `timeout`; and sends small frames at once. A socket that
/// cannot be tuned works all the same.
pub fn tune_socket<S: std::os::fd::AsFd>(socket: &S, timeout: Duration) {
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_tcp_user_timeout(Some(timeout));
    let _ = socket.set_tcp_nodelay(true);
}
