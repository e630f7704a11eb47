//! Reading what waits for a session.

use std::sync::Arc;

use linker_core::port::{PageRequest, Store};
use tokio::sync::Semaphore;

use super::messages::PageWanted;
use crate::node::Node;
use crate::router::{PageRead, RouterMail};

/// Reads a page in its turn, and answers its router.
pub(super) fn page(node: Arc<Node>, store: Arc<dyn Store>, turns: Arc<Semaphore>, page: PageWanted) {
    let Some(router) = node.routers.recipient(page.shard) else {
        return;
    };
    let backend = node.backend.clone();
    backend.spawn(async move {
        // Nobody closes it.
        let turn = turns.acquire_owned().await;
        let asked_at = node.clock.now().elapsed;
        let PageWanted {
            entry,
            after_seq,
            max_rows,
            max_bytes,
            filter,
            deferred,
            ..
        } = page;
        let request = PageRequest {
            user: entry.user,
            after_seq,
            max_rows,
            max_bytes,
            filter,
        };
        let page = match entry.is_closed() {
            true => None,
            false => store.page(request).await.ok(),
        };
        drop(turn);
        let read = PageRead {
            entry,
            page,
            after_seq,
            asked_at,
            deferred,
        };
        // This task's own sender has a place of its own in the mailbox.
        let _ = router.try_send(RouterMail::Page(Box::new(read)));
    });
}
