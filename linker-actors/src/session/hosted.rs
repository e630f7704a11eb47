//! The transport for a host's own `App`: the HTTP dispatcher keeps the socket and polls the session as a response body.
//!
//! This is the only file that names `actix-web-actors`. A client that does not read stops its session, timers included (upstream: wontfix), so a
//! watchdog outside of the session shuts its socket down.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix::dev::AsyncContextParts;
use actix::{Actor, ActorContext, AsyncContext, Handler, Recipient, StreamHandler};
use actix_web::body::BodyStream;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::HttpContext;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::connection::Connection;
use super::shell::SessionShell;
use super::{MAILBOX_CAPACITY, ToSession};
use crate::node::Node;
use crate::worker::Worker;

/// A second handle of a connection's socket, kept by `HttpServer::on_connect` to cut it from outside.
pub(crate) struct SocketHandle(pub(crate) Arc<socket2::Socket>);

/// Answers a WebSocket request with a session, or with why not.
pub(crate) fn open(node: &Arc<Node>, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let address = request.peer_addr().map(|peer| peer.ip());
    let mut response = match actix_http::ws::handshake(request.head()) {
        Ok(response) => response,
        Err(_) => return HttpResponse::BadRequest().body("not a WebSocket handshake of version 13"),
    };
    let admitted = match node.admission.admit(request.headers(), address) {
        Ok(admitted) => admitted,
        Err((status, reason)) => {
            let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return HttpResponse::build(status).body(reason);
        }
    };
    let shell = SessionShell::new(Worker::of_this_thread(node), admitted);
    let socket = request
        .conn_data::<SocketHandle>()
        .map(|handle| Arc::clone(&handle.0));
    let session = HostedSession {
        connection: Connection::new(shell, BytesMut::new(), Bytes::new()),
        gate: Rc::default(),
        payload: Some(payload),
        socket,
        seen_at: Rc::default(),
    };
    HttpResponse::from(response.body(BodyStream::new(HttpContext::create(session)))).map_into_boxed_body()
}

/// Holds back a client's bytes while its frames may not be handled.
#[derive(Default)]
struct Gate {
    shut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn set(&self, open: bool) {
        self.shut.set(!open);
        if open && let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

struct GatedPayload {
    payload: Payload,
    gate: Rc<Gate>,
}

impl Stream for GatedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.gate.shut.get() {
            *self.gate.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.payload).poll_next(cx)
    }
}

struct HostedSession {
    connection: Connection,
    gate: Rc<Gate>,
    payload: Option<Payload>,
    socket: Option<Arc<socket2::Socket>>,
    /// When this session was polled last.
    seen_at: Rc<Cell<Duration>>,
}

impl HostedSession {
    /// After each input: what is to be written goes to the dispatcher.
    fn settle(&mut self, ctx: &mut HttpContext<Self>) {
        let connection = &mut self.connection;
        if connection.shell.tick(&mut connection.output) {
            self.end(ctx);
            return;
        }
        self.seen_at.set(connection.shell.worker().known_now().elapsed);
        while connection.has_input() {
            connection.handle_input();
        }
        connection.shell.before_flush(&mut connection.output);
        if !connection.output.bytes.is_empty() {
            ctx.write(std::mem::take(&mut connection.output.bytes).freeze());
        }
        connection.shell.flushed();
        self.gate.set(connection.wants_input());
        if connection.is_over() {
            self.end(ctx);
            return;
        }
        connection.shell.arm_wheel();
    }

    fn end(&mut self, ctx: &mut HttpContext<Self>) {
        self.connection.shell.end();
        ctx.write_eof();
        ctx.stop();
    }
}

impl Actor for HostedSession {
    type Context = HttpContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.parts().set_mailbox_capacity(MAILBOX_CAPACITY);
        let mailbox: Recipient<ToSession> = ctx.address().recipient();
        self.connection.shell.started(mailbox.clone());
        if let Some(payload) = self.payload.take() {
            ctx.add_stream(GatedPayload {
                payload,
                gate: Rc::clone(&self.gate),
            });
        }
        if let Some(socket) = self.socket.take() {
            let worker = Rc::clone(self.connection.shell.worker());
            actix_rt::spawn(watch(worker, Rc::clone(&self.seen_at), mailbox, socket));
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.connection.shell.end();
    }
}

/// Wakes the session now and then; if it does not come to it in `limits.stallTimeout`, its client is not reading, and its socket is shut down.
async fn watch(
    worker: Rc<Worker>,
    seen_at: Rc<Cell<Duration>>,
    mailbox: Recipient<ToSession>,
    socket: Arc<socket2::Socket>,
) {
    // The session's own end drops its `seen_at`.
    while mailbox.connected() && Rc::strong_count(&seen_at) > 1 {
        let asked_at = worker.now().elapsed;
        let _ = mailbox.try_send(ToSession::Tick);
        tokio::time::sleep(worker.config().session.stall_timeout).await;
        if seen_at.get() < asked_at {
            metrics::counter!("linker_stalled_sessions_total").increment(1);
            // Gone already is as good.
            let _ = socket.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

impl StreamHandler<Result<Bytes, PayloadError>> for HostedSession {
    fn handle(&mut self, item: Result<Bytes, PayloadError>, ctx: &mut Self::Context) {
        match item {
            Ok(bytes) => {
                self.connection.receive(BytesMut::from(bytes));
                self.settle(ctx);
            }
            Err(_) => self.end(ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        if self.connection.end_of_stream() {
            self.settle(ctx);
        }
        self.end(ctx);
    }
}

impl Handler<ToSession> for HostedSession {
    type Result = ();

    fn handle(&mut self, message: ToSession, ctx: &mut Self::Context) {
        let connection = &mut self.connection;
        connection.shell.on_message(message, &mut connection.output);
        self.settle(ctx);
    }
}
