//! Answers of the broker that are awaited, of one connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, Stream};
use linker_core::port::BoxFuture;

/// What was published and is not confirmed.
pub(super) struct Confirmations<T> {
    awaited: FuturesUnordered<BoxFuture<'static, T>>,
}

impl<T: Send + 'static> Confirmations<T> {
    pub(super) fn new() -> Self {
        Self {
            awaited: FuturesUnordered::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    /// Publishes, behind all that was published before.
    pub(super) async fn publish(&mut self, publishing: impl Future<Output = T> + Send + 'static) {
        let mut publishing: BoxFuture<'static, T> = Box::pin(publishing);
        // The first poll puts it behind those before it; its answer comes later.
        let first = poll_fn(|cx| Poll::Ready(publishing.as_mut().poll(cx))).await;
        match first {
            Poll::Pending => self.awaited.push(publishing),
            Poll::Ready(answer) => self.awaited.push(Box::pin(std::future::ready(answer))),
        }
    }

    /// The next answer; `None` when none is awaited.
    pub(super) async fn next(&mut self) -> Option<T> {
        self.awaited.next().await
    }

    /// This answer and all others that are there: lapin hands a returned payload to whichever confirmation comes next, and that is among these when the payload's own one is.
    pub(super) async fn with_ready(&mut self, first: T) -> Vec<T> {
        let mut answers = vec![first];
        poll_fn(|cx| {
            while let Poll::Ready(Some(answer)) = Pin::new(&mut self.awaited).poll_next(cx) {
                answers.push(answer);
            }
            Poll::Ready(())
        })
        .await;
        answers
    }
}
