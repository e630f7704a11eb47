//! The connection by which Redis tells what changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{AsyncConnectionConfig, PushInfo, PushKind, Value, cmd, from_redis_value};
use linker_core::id::UserId;
use linker_core::port::PresenceError;
use tokio::sync::Notify;

use super::fault;
use super::link::Pauses;
use super::presence::Registry;

/// How often the connection is tried: a lost one that nobody closed is noticed after this and the time for a call.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Follows changes for ever. While nothing is told, all may change at any time, which is told again with each attempt.
pub(super) async fn follow(registry: Arc<Registry>) {
    let mut pauses = Pauses::default();
    loop {
        if let Err(error) = track(&registry, &mut pauses).await {
            tracing::debug!(redis.address = registry.address, %error, "not told of changes in the presence registry");
        }
        registry.tell_all_changed();
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// Ends when the connection does.
async fn track(registry: &Arc<Registry>, pauses: &mut Pauses) -> Result<(), PresenceError> {
    let closed = Arc::new(Notify::new());
    let told = {
        let registry = Arc::downgrade(registry);
        let closed = Arc::clone(&closed);
        move |push: PushInfo| {
            match (push.kind, registry.upgrade()) {
                (PushKind::Invalidate, Some(registry)) => registry.tell_invalid(push.data),
                (PushKind::Disconnection, _) => closed.notify_one(),
                _ => {}
            }
            Ok::<(), Infallible>(())
        }
    };
    let config = AsyncConnectionConfig::new().set_push_sender(told);
    let mut connection = registry.link.connect(&config).await?;
    let mut next = cmd("CLIENT");
    next.arg(&["TRACKING", "ON", "BCAST", "PREFIX"])
        .arg(registry.keys.sessions_prefix());
    let mut tracking = false;
    loop {
        let asked = next.query_async::<Value>(&mut connection);
        match tokio::time::timeout(registry.options.call_timeout, asked).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(fault::of_asking(&error, &registry.address)),
            Err(_) => return Err(fault::silent(&registry.address)),
        }
        if !tracking {
            // What changed until now was told to nobody.
            tracking = true;
            registry.tell_all_changed();
            *pauses = Pauses::default();
        }
        next = cmd("PING");
        tokio::select! {
            () = closed.notified() => return Ok(()),
            () = tokio::time::sleep(PING_EVERY) => {}
        }
    }
}

impl Registry {
    /// Keys that changed; none at all when everything was removed at once.
    fn tell_invalid(&self, data: Vec<Value>) {
        let keys: Option<Vec<String>> = data
            .into_iter()
            .next()
            .and_then(|keys| from_redis_value(keys).ok());
        let keys = keys.unwrap_or_default();
        let users: Vec<UserId> = keys.iter().filter_map(|key| self.keys.user_of(key)).collect();
        if keys.is_empty() {
            self.tell_all_changed();
        } else if !users.is_empty() {
            self.tell_changed(&users);
        }
    }
}
