//! Messages that others stored as missed while the registry did not know that their recipients are connected here: given to them, for nobody else will.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use linker_core::id::UserId;
use linker_core::port::{CountRequest, PageFilter, PageRequest, Store, StoreError, StoredRow};

use crate::node::Node;
use crate::router::RouterMail;

/// Users asked about at once.
const USERS_MAX: usize = 512;
const PAGE_ROWS: u32 = 256;
const PAGE_BYTES: usize = 256 * 1024;
/// How soon a store that is away is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Looks for such messages of all who are connected now, after the registry has learned of them.
pub(crate) fn begin(node: &Arc<Node>, store: &Arc<dyn Store>) {
    let (node, store) = (Arc::clone(node), Arc::clone(store));
    node.backend.clone().spawn(async move {
        // Messages from before a user came wait to be fetched.
        let mut since: HashMap<UserId, u64> = HashMap::new();
        for entry in node.sessions.all() {
            let known = since.entry(entry.user).or_insert(entry.since_ms);
            *known = entry.since_ms.min(*known);
        }
        let users: Vec<(UserId, u64)> = since.into_iter().collect();
        for some in users.chunks(USERS_MAX) {
            while let Err(error) = rescue(&node, &store, some).await {
                tracing::debug!(error = %error, "what was missed cannot be looked for");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    });
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
