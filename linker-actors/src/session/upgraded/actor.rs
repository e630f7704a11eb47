//! The session actor on its own socket.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Handler};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::context::SocketContext;
use crate::session::connection::Connection;
use crate::session::shell::SessionShell;
use crate::session::{Admitted, MAILBOX_CAPACITY, ToSession};
use crate::worker::Worker;

/// Bytes read at once into the worker's buffer.
const READ_BYTES: usize = 16 * 1024;

/// Frames after which others get their turn: so few of one that sends without a pause take less time than its neighbours notice.
const TURN_FRAMES: usize = 8;

/// Bytes after which others get their turn, however few frames they are. A message to a thousand users takes some 16 KiB: several are taken in one turn, for what goes to the same sessions is
/// written to each of them at once, and writing is most of what it costs.
const TURN_BYTES: usize = 256 * 1024;

pub(super) struct UpgradedSession<T: AsyncRead + AsyncWrite + Unpin + 'static> {
    connection: Connection,
    io: T,
    /// What came with this poll goes to many others as well: it is written in the next one, when they have theirs.
    fanned_out: bool,
    /// It has waited so in the last poll: what comes again and again does not keep it from writing.
    waited: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> UpgradedSession<T> {
    /// The session as a future. `greeting` is written first (the rest of the handshake), `early` was read already.
    pub(super) fn run(
        worker: Rc<Worker>,
        io: T,
        greeting: BytesMut,
        early: Bytes,
        admitted: Admitted,
    ) -> impl Future<Output = ()> {
        let shell = SessionShell::new(worker, admitted);
        let session = Self {
            connection: Connection::new(shell, greeting, early),
            io,
            fanned_out: false,
            waited: false,
        };
        SocketContext::future(session, MAILBOX_CAPACITY)
    }

    /// An idle session has no output buffer: while it is polled it has the worker's, and keeps it only when not everything can be written.
    fn lend_output_buffer(&mut self) {
        if self.connection.output.bytes.capacity() == 0 {
            self.connection.output.bytes = self.connection.shell.worker().take_output_buffer();
        }
    }

    /// Reads, handles, writes: everything that can be done now. Ready when the connection is over.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.lend_output_buffer();
        let connection = &mut self.connection;
        connection.begin_turn();
        if connection.shell.tick(&mut connection.output) {
            self.say_goodbye(cx);
            return Poll::Ready(());
        }
        connection.handle_input();
        let mut more = false;
        if connection.wants_input() {
            match self.read(cx) {
                Ok(unfinished) => more = unfinished,
                Err(_) => return Poll::Ready(()),
            }
        }
        let connection = &mut self.connection;
        connection.shell.before_flush(&mut connection.output);
        match self.flush(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if self.connection.is_over() => {
                self.say_goodbye(cx);
                return Poll::Ready(());
            }
            Poll::Ready(Ok(())) => {
                self.connection.shell.flushed();
                // What had to wait for room in the output can be handled now.
                more |= self.connection.has_input();
            }
            Poll::Pending => {}
        }
        if more {
            cx.waker().wake_by_ref();
        }
        self.connection.shell.arm_wheel();
        Poll::Pending
    }

    /// Reads what there is. True when there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let worker = Rc::clone(self.connection.shell.worker());
        let mut taken = 0;
        while taken < TURN_BYTES && self.connection.frames_in_turn() < TURN_FRAMES {
            let mut buffer = worker.take_read_buffer(READ_BYTES);
            let result = poll_read_buf(Pin::new(&mut self.io), cx, &mut buffer);
            match result {
                Poll::Ready(Ok(read)) if read > 0 => {
                    taken += read;
                    let buffer = self.connection.receive(buffer);
                    worker.put_read_buffer(buffer);
                    if !self.connection.wants_input() {
                        return Ok(false);
                    }
                }
                other => {
                    worker.put_read_buffer(buffer);
                    return match other {
                        Poll::Pending => Ok(false),
                        // The end of a TLS stream without its `close_notify` is an end too: WebSocket has a close frame of its own.
                        Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
                        Poll::Ready(_) if self.connection.end_of_stream() => Ok(false),
                        Poll::Ready(_) => Err(io::ErrorKind::UnexpectedEof.into()),
                    };
                }
            }
        }
        Ok(true)
    }

    /// TLS has a last word too (`close_notify`). Where it does not fit into the socket, the client is not reading and does not miss it.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) {
        let _ = Pin::new(&mut self.io).poll_shutdown(cx);
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let bytes = &mut self.connection.output.bytes;
        while !bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
        }
        if bytes.capacity() > 0 {
            let buffer = std::mem::take(bytes);
            self.connection.shell.worker().put_output_buffer(buffer);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Actor for UpgradedSession<T> {
    type Context = SocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.connection.shell.started(ctx.address().recipient());
        ctx.spawn(Driver);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.connection.shell.end();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Handler<ToSession> for UpgradedSession<T> {
    type Result = ();

    fn handle(&mut self, message: ToSession, _: &mut Self::Context) {
        self.fanned_out |= message.is_fanned_out();
        self.lend_output_buffer();
        let connection = &mut self.connection;
        connection.shell.on_message(message, &mut connection.output);
    }
}

/// Polled after the mailbox each time the session wakes.
struct Driver;

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> ActorFuture<UpgradedSession<T>> for Driver {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        session: &mut UpgradedSession<T>,
        ctx: &mut SocketContext<UpgradedSession<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let first = !std::mem::replace(&mut session.waited, false);
        if std::mem::take(&mut session.fanned_out) && first {
            // All of a group's sessions take their message first and then all of them write: back to back, the writes cost far less than each
            // behind a session's own work, and whoever reads them is woken once instead of a thousand times.
            session.waited = true;
            session.connection.shell.poll_ended();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if session.drive(cx).is_ready() {
            session.connection.shell.end();
            ctx.terminate();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
