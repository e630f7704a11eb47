//! Messages that waited for a fault to end, or that a node left when it died: taken over and moved on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use linker_core::id::NodeInstance;
use linker_core::port::{Store, StoreError, TakeOver};

use crate::node::Node;
use crate::router::RouterMail;

const PAGE_ROWS: u32 = 256;
const PAGE_BYTES: usize = 1024 * 1024;

/// Takes over what no node of `spared` moves, oldest first, until nothing is left.
///
/// # Errors
///
/// When the store could not be asked; what was read before is moved on.
pub(crate) async fn take_over(
    node: &Arc<Node>,
    store: &Arc<dyn Store>,
    spared: Vec<NodeInstance>,
) -> Result<(), StoreError> {
    if !spared.contains(&node.me) {
        node.custody.has_faults.store(false, Ordering::Release);
    }
    let mut after_seq = 0;
    loop {
        let request = TakeOver {
            node: Some(node.me.clone()),
            spared: spared.clone(),
            home: None,
            after_seq,
            max_rows: PAGE_ROWS,
            max_bytes: PAGE_BYTES,
        };
        let page = store
            .take_over(request)
            .await
            .inspect_err(|_| node.custody.has_faults.store(true, Ordering::Release))?;
        let Some(last) = page.rows.last() else {
            return Ok(());
        };
        after_seq = last.seq;
        tracing::info!(messages = page.rows.len(), "messages are taken over");
        let Some(router) = node.routers.recipient(0) else {
            return Ok(());
        };
        if router.send(RouterMail::Faults(page.rows)).await.is_err() || page.exhausted {
            return Ok(());
        }
    }
}
