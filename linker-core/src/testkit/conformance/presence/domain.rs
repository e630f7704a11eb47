//! Several nodes at one registry, and what can happen to them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::id::NodeInstance;
use crate::port::{BoxFuture, Presence};

/// A registry that several nodes share, for the laws that need more than one.
pub trait SharedRegistry: Send + Sync {
    /// The adapter as one more node of the domain has it.
    fn adapter(&self) -> BoxFuture<'_, Arc<dyn Presence>>;

    /// From now on it is as if this node had not beaten for [`NODE_TIMEOUT`](crate::port::NODE_TIMEOUT).
    fn lapse<'a>(&'a self, node: &'a NodeInstance) -> BoxFuture<'a, ()>;

    /// Empties the registry, as the restart of a service that keeps nothing does.
    fn empty(&self) -> BoxFuture<'_, ()>;
}

/// Awaits all of them at once; there is no runtime here to spawn them on.
pub(super) async fn all_at_once<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut running: Vec<(Pin<_>, Option<T>)> = futures.into_iter().map(|future| (future, None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, answer) in &mut running {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *answer = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, answer)| answer).collect()
}
