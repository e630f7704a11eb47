//! A connection that ends when its client takes too long.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::HEAD_TIME;
use super::serving::Serving;

/// What a client has in all for a head: a little more than the server, which answers the first one that is late with 408.
const HEAD_TIME_MAX: Duration = HEAD_TIME.saturating_add(Duration::from_secs(1));
/// How long a client may take nothing of its answer.
const STALL_TIME: Duration = Duration::from_secs(30);

/// A socket on which HTTP is spoken.
#[derive(Debug)]
pub(crate) struct TimedSocket<T> {
    io: T,
    serving: Serving,
    /// Until when a head has to be there; `None` while a request is being served.
    head: Option<Pin<Box<Sleep>>>,
    /// Whether some of it has come.
    head_has_begun: bool,
    /// Until when something has to be taken; `None` while nothing waits for that.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T> TimedSocket<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            serving: Serving::default(),
            head: None,
            head_has_begun: false,
            stall: None,
        }
    }

    /// Without any limit of time.
    pub(crate) fn into_inner(self) -> T {
        self.io
    }

    /// Lets the requests that come by it know of it.
    pub(crate) fn connected(&self, connection: &mut Extensions) {
        connection.insert(self.serving.clone());
    }

    /// Counts while no request is being served: from then on for a head, and anew from its first byte.
    fn poll_head(&mut self, cx: &mut Context<'_>, something_came: bool) -> Poll<Error> {
        if self.serving.poll_is_under_way(cx) {
            self.head = None;
            self.head_has_begun = false;
            return Poll::Pending;
        }
        let head = self.head.get_or_insert_with(|| Box::pin(sleep(HEAD_TIME_MAX)));
        if something_came && !self.head_has_begun {
            self.head_has_begun = true;
            head.as_mut().reset(Instant::now() + HEAD_TIME_MAX);
        }
        head.as_mut().poll(cx).map(|()| ErrorKind::TimedOut.into())
    }

    /// What comes of having tried to write: as it is, unless nothing could be written for too long.
    fn poll_stall<R>(&mut self, cx: &mut Context<'_>, written: Poll<Result<R>>) -> Poll<Result<R>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL_TIME)));
        stall.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedSocket<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        match this.poll_head(cx, read.is_ready()) {
            Poll::Ready(late) => Poll::Ready(Err(late)),
            Poll::Pending => read,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TimedSocket<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.poll_stall(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bytes);
        this.poll_stall(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.poll_stall(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.io).poll_shutdown(cx);
        this.poll_stall(cx, shut)
    }
}
