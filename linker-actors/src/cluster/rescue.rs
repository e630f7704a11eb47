//! Messages that others stored as missed though their recipients are connected here: given to them, for nobody else will.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use linker_core::id::UserId;
use linker_core::port::{CountRequest, PageFilter, PageRequest, Store, StoreError, StoredRow};

use crate::node::Node;
use crate::router::RouterMail;
use crate::session::SessionEntry;

/// Users asked about at once.
const USERS_MAX: usize = 512;
const PAGE_ROWS: u32 = 256;
const PAGE_BYTES: usize = 256 * 1024;
/// How soon a store that is away is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Who is gone may have stored something for a user who had come so shortly before that.
const CAME_LATELY: Duration = Duration::from_secs(180);
/// How long a message may have been on its way into the store when its recipient came.
const BEING_STORED: Duration = Duration::from_secs(5);

/// Whose messages may have been stored as missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Everybody's: the registry did not know of those who are connected here.
    All,
    /// Of those who came lately: a node is gone, maybe before it could look whether the recipient of what it had just stored had come meanwhile.
    WhoCameLately,
}

/// Looks for such messages of those who are connected now.
pub(crate) fn begin(node: &Arc<Node>, store: &Arc<dyn Store>, whose: Whose) {
    let (node, store) = (Arc::clone(node), Arc::clone(store));
    node.backend.clone().spawn(async move {
        let users = users(&node, whose);
        for some in users.chunks(USERS_MAX) {
            while let Err(error) = rescue(&node, &store, some).await {
                tracing::debug!(error = %error, "what was missed cannot be looked for");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    });
}

/// Who they are, and from when on their messages are theirs unasked: what is from before a user came waits to be fetched, unless it was to be replayed.
fn users(node: &Node, whose: Whose) -> Vec<(UserId, u64)> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (came_after, margin) = match whose {
        Whose::All => (0, 0),
        Whose::WhoCameLately => {
            let now = node.clock.now().unix_ms;
            (now.saturating_sub(millis(CAME_LATELY)), millis(BEING_STORED))
        }
    };
    let mut since: HashMap<UserId, u64> = HashMap::new();
    let came = |entry: &Arc<SessionEntry>| entry.since_ms >= came_after;
    for entry in node.sessions.all().into_iter().filter(came) {
        let from = match entry.replays {
            true => 0,
            false => entry.since_ms.saturating_sub(margin),
        };
        let known = since.entry(entry.user).or_insert(from);
        *known = from.min(*known);
    }
    since.into_iter().collect()
}

async fn rescue(node: &Arc<Node>, store: &Arc<dyn Store>, users: &[(UserId, u64)]) -> Result<(), StoreError> {
    let requests = {
        let claims = node.custody.claims();
        let request = |(user, _): &(UserId, u64)| CountRequest {
            user: *user,
            // What was proven here counts: who was to remove it may have taken this node for dead.
            except: claims.known_here(user),
        };
        users.iter().map(request).collect()
    };
    let counts = store.count(requests).await?;
    for ((user, since_ms), _) in users.iter().zip(counts).filter(|(_, count)| *count > 0) {
        rescue_one(node, store, *user, *since_ms).await?;
    }
    Ok(())
}

async fn rescue_one(
    node: &Arc<Node>,
    store: &Arc<dyn Store>,
    user: UserId,
    since_ms: u64,
) -> Result<(), StoreError> {
    let mut after_seq = 0;
    loop {
        let request = PageRequest {
            user,
            after_seq,
            max_rows: PAGE_ROWS,
            max_bytes: PAGE_BYTES,
            filter: PageFilter::All,
        };
        let page = store.page(request).await?;
        let Some(last) = page.rows.last() else {
            return Ok(());
        };
        after_seq = last.seq;
        let missed: Vec<StoredRow> = {
            let proven = node.custody.proven_lately();
            let is_missed =
                |row: &StoredRow| row.envelope.timestamp_ms >= since_ms || proven.contains(&row.envelope.id);
            page.rows.into_iter().filter(is_missed).collect()
        };
        let Some(router) = node.routers.recipient(0).filter(|_| !missed.is_empty()) else {
            if page.exhausted {
                return Ok(());
            }
            continue;
        };
        tracing::info!(user.id = %user, messages = missed.len(), "messages were missed by a user who is here");
        if router.send(RouterMail::Faults(missed)).await.is_err() || page.exhausted {
            return Ok(());
        }
    }
}
