//! The host as the application.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use linker_core::port::{
    BoxFuture, UpstreamError, UpstreamMessage, UpstreamPace, UpstreamSink, UpstreamWatcher,
};

/// A message that a handler takes longer for is handed to it again.
const HANDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Messages that a handler may have at once, of as many senders.
const AT_ONCE: usize = 64;

/// Takes what users send to the application, and events.
///
/// It is called on a runtime of the node's, for up to 64 senders at once and for one sender in the order sent. `Ok` means that the host has the message for certain: it is removed, and its sender gets the
/// confirmation it is owed. A RELIABLE message comes again, under the same id, after [`UpstreamError::Failed`], [`UpstreamError::Away`], a panic, more than 60 s, or a crash of the node before `Ok`.
pub trait UpstreamHandler: Send + Sync + 'static {
    /// Takes one.
    fn take(
        &self,
        message: Arc<UpstreamMessage>,
    ) -> impl Future<Output = Result<(), UpstreamError>> + Send + 'static;
}

impl<F, T> UpstreamHandler for F
where
    F: Fn(Arc<UpstreamMessage>) -> T + Send + Sync + 'static,
    T: Future<Output = Result<(), UpstreamError>> + Send + 'static,
{
    fn take(
        &self,
        message: Arc<UpstreamMessage>,
    ) -> impl Future<Output = Result<(), UpstreamError>> + Send + 'static {
        self(message)
    }
}

/// A [`UpstreamHandler`] as a sink.
pub(crate) struct HandlerSink<H>(Arc<H>);

impl<H> HandlerSink<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self(Arc::new(handler))
    }
}

impl<H: UpstreamHandler> UpstreamSink for HandlerSink<H> {
    fn pace(&self) -> UpstreamPace {
        UpstreamPace {
            at_once: AT_ONCE,
            of_one_sender: 1,
        }
    }

    fn open(&self, watcher: Arc<dyn UpstreamWatcher>) {
        watcher.connection(None);
    }

    fn send(&self, message: Arc<UpstreamMessage>) -> BoxFuture<'static, Result<(), UpstreamError>> {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let taking = handler.take(message);
            match tokio::time::timeout(HANDLE_TIME_MAX, taking).await {
                Ok(taken) => taken,
                Err(_) => Err(UpstreamError::Failed("the handler took too long".into())),
            }
        })
    }
}
