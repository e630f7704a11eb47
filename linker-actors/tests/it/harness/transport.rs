//! The two ways a host mounts the endpoint.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_http::{HttpService, Request, Response};
use actix_rt::net::TcpStream;
use actix_web::{App, HttpServer};
use linker_actors::{LinkerHandle, tune_socket};

/// How clients reach a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As the stock server: the session takes the socket over.
    Upgraded,
    /// In a host's own `App`.
    Hosted,
}

/// A server on a thread and a plain tokio runtime of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handle: actix_server::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `handle` on a free port of the loopback.
    pub(crate) fn start(transport: Transport, handle: &LinkerHandle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("it is bound");
        let (tell, told) = mpsc::channel();
        let handle = handle.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let server = match transport {
                    Transport::Upgraded => upgraded(listener, handle),
                    Transport::Hosted => hosted(listener, handle),
                };
                let server = server.expect("the server starts");
                tell.send(server.handle()).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        Self {
            address,
            handle: told.recv().expect("the server's thread starts"),
            thread: Some(thread),
        }
    }

    /// Ends the server and its workers, whatever is still connected.
    pub(crate) async fn stop(mut self) {
        self.handle.stop(false).await;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends in order");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The word is sent at once; nobody waits for the answer.
        drop(self.handle.stop(false));
    }
}

/// Two workers, so that sender and recipient are on different threads as often as not.
const WORKERS: usize = 2;

fn upgraded(listener: TcpListener, handle: LinkerHandle) -> std::io::Result<actix_server::Server> {
    let nothing_else = |_: Request| async { Ok::<_, Infallible>(Response::not_found()) };
    let server = actix_server::Server::build()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("clients", listener, move || {
            HttpService::build()
                .on_connect_ext(|stream: &TcpStream, _| {
                    tune_socket(stream, std::time::Duration::from_secs(75))
                })
                .upgrade(handle.upgrade_service::<TcpStream>())
                .h1(nothing_else)
                .tcp()
        })?;
    Ok(server.run())
}

fn hosted(listener: TcpListener, handle: LinkerHandle) -> std::io::Result<actix_server::Server> {
    let on_connect = handle.on_connect();
    let server = HttpServer::new(move || App::new().configure(|config| handle.configure(config)))
        .on_connect(on_connect)
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1);
    Ok(server.listen(listener)?.run())
}
