//! A node's turn to serve the fetches of a user, among the nodes of the domain.
//!
//! What a session was sent and has not proven yet, another node would find in the store: so a turn lasts until that is removed, for a while.

use std::sync::Arc;
use std::time::Duration;

use linker_core::id::{MessageId, UserId};
use linker_core::port::{PresenceError, Turn};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Cluster;
use crate::node::Node;
use crate::session::{FetchTurn, SessionEntry};

/// How often a turn is asked for that another node has.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often it is asked for anew by who has it: several times within [`linker_core::port::TURN_TIME`].
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// A registry that does not answer for so long is not waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How often is looked whether what was sent has been proven and removed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long is waited for that: a client that proves nothing must not keep those on other nodes waiting.
const PROVEN_WITHIN: Duration = Duration::from_secs(5);

/// Queues a session that wants to fetch; true when it may, else it will be told.
pub(crate) fn acquire(node: &Arc<Node>, entry: &Arc<SessionEntry>) -> bool {
    match node.fetch_turns.acquire(entry) {
        FetchTurn::Now => true,
        FetchTurn::Later => false,
        FetchTurn::Unkept(served) => {
            let keeper = Keeper {
                node: Arc::clone(node),
                user: entry.user,
                served,
            };
            node.backend.spawn(keeper.run());
            false
        }
    }
}

/// Sees to it that the queue of a user is served in this node's turns, until it is empty.
struct Keeper {
    node: Arc<Node>,
    user: UserId,
    /// Somebody was served, or waits no more.
    served: Arc<Notify>,
}

/// Messages that were sent to sessions, and until when they are waited for.
struct Unproven {
    ids: Vec<MessageId>,
    until: Instant,
}

impl Keeper {
    async fn run(self) {
        let turns = &self.node.fetch_turns;
        loop {
            match self.wait().await {
                Ok(Some(wanted)) => {
                    turns.open(&self.user, wanted);
                    self.serve(true).await;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(user.id = %self.user, %error, "a fetch is served without a turn in the domain");
                    // The next one is tried to have a turn again.
                    turns.open(&self.user, true);
                    self.serve(false).await;
                }
            }
            self.end().await;
            if turns.leave(&self.user) {
                return;
            }
        }
    }

    /// Waits for the turn, and answers whether another node wants it too; `None`: nobody here waits any more.
    async fn wait(&self) -> Result<Option<bool>, PresenceError> {
        while self.node.fetch_turns.is_wanted_here(&self.user) {
            match self.begin().await? {
                Turn::Ours { wanted } => return Ok(Some(wanted)),
                Turn::Theirs => sleep(ASK_EVERY).await,
            }
        }
        Ok(None)
    }

    async fn begin(&self) -> Result<Turn, PresenceError> {
        let cluster = self.cluster()?;
        let begun = cluster.presence.begin_turn(self.user, self.node.me.clone());
        timeout(ANSWER_WITHIN, begun).await.unwrap_or_else(|_| away())
    }

    /// One that is not ended for a fault is over by itself before long.
    async fn end(&self) {
        if let Ok(cluster) = self.cluster() {
            let ended = cluster.presence.end_turn(self.user, self.node.me.clone());
            let _ = timeout(ANSWER_WITHIN, ended).await;
        }
    }

    fn cluster(&self) -> Result<&Cluster, PresenceError> {
        let cluster = self.node.cluster.as_ref();
        // Known to be away is known without waiting.
        cluster
            .filter(|cluster| !cluster.presence_is_away())
            .map_or_else(away, Ok)
    }

    /// Until nobody is served any more in this turn, and everything that was sent in it is proven and removed.
    async fn serve(&self, ours: bool) {
        let turns = &self.node.fetch_turns;
        let mut renew_at = Instant::now() + RENEW_EVERY;
        let mut unproven: Option<Unproven> = None;
        loop {
            let now = Instant::now();
            if renew_at <= now {
                renew_at = now + RENEW_EVERY;
                if ours {
                    self.renew().await;
                }
            }
            if turns.is_serving(&self.user) {
                unproven = None;
                let _ = timeout_at(renew_at, self.served.notified()).await;
                continue;
            }
            let unproven = unproven.get_or_insert_with(|| self.unproven(now));
            if ours && self.is_waited_for(unproven, now) {
                let _ = timeout(LOOK_EVERY, self.served.notified()).await;
            } else if turns.shut(&self.user) {
                return;
            }
        }
    }

    async fn renew(&self) {
        // Where it is another's already, this node's has lapsed.
        if matches!(self.begin().await, Ok(Turn::Ours { wanted: true } | Turn::Theirs)) {
            self.node.fetch_turns.yield_next(&self.user);
        }
    }

    fn unproven(&self, now: Instant) -> Unproven {
        Unproven {
            ids: self.node.custody.claims().in_hands(&self.user),
            until: now + PROVEN_WITHIN,
        }
    }

    fn is_waited_for(&self, unproven: &mut Unproven, now: Instant) -> bool {
        let claims = self.node.custody.claims();
        claims.keep_in_hands(&self.user, &mut unproven.ids);
        !unproven.ids.is_empty() && now < unproven.until
    }
}

fn away<T>() -> Result<T, PresenceError> {
    Err(PresenceError::Away("it did not answer in time".into()))
}
