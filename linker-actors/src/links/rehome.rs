//! Users whose home is another domain by now: what waits here for them is to go there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linker_core::directory::Directory;
use linker_core::id::{DomainName, UserId};
use linker_core::port::{Store, StoreError};
use tokio::sync::Notify;

use super::living;
use crate::cluster::take_over_faults;
use crate::node::Node;

/// Users looked at together.
const USERS_MAX: u32 = 1000;
/// Users remembered one by one; when there are more, all are looked at.
const STRAYS_MAX: usize = 10_000;
/// What comes up within this time is looked at together.
const SETTLE: Duration = Duration::from_millis(200);
/// Rows that were just being written when a document came may say what was true before it: they are looked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How soon a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whose rows are to be looked at.
#[derive(Default)]
pub(super) struct Strays {
    users: Mutex<Looked>,
    wanted: Notify,
}

#[derive(Default)]
struct Looked {
    some: HashSet<UserId>,
    all: bool,
}

impl Strays {
    /// Something waits for this user here.
    pub(super) fn add(&self, user: UserId) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.some.len() < STRAYS_MAX {
            users.some.insert(user);
        } else {
            users.all = true;
        }
        drop(users);
        self.wanted.notify_one();
    }

    /// Anybody may have moved.
    pub(super) fn add_all(&self) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).all = true;
        self.wanted.notify_one();
    }

    fn take(&self) -> Looked {
        std::mem::take(&mut self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends on what waits for users who have moved, for as long as the node runs.
pub(super) async fn run(node: Arc<Node>, store: Arc<dyn Store>) {
    loop {
        node.links.strays.wanted.notified().await;
        tokio::time::sleep(SETTLE).await;
        let looked = node.links.strays.take();
        if looked.all {
            persist(|| all(&node, &store)).await;
            tokio::time::sleep(LOOK_AGAIN).await;
            persist(|| all(&node, &store)).await;
        } else {
            let users: Vec<UserId> = looked.some.into_iter().collect();
            let mut at_home = false;
            for users in users.chunks(USERS_MAX as usize) {
                at_home |= persist(|| some(&node, &store, users)).await;
            }
            if at_home {
                persist(|| take_over(&node, &store)).await;
            }
        }
    }
}

async fn persist<T, F: Future<Output = Result<T, StoreError>>>(attempt: impl Fn() -> F) -> T {
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => {
                tracing::debug!(error = %error, "what waits for users who have moved cannot be looked for");
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }
}

async fn all(node: &Arc<Node>, store: &Arc<dyn Store>) -> Result<(), StoreError> {
    let mut after = None;
    let mut at_home = false;
    loop {
        let users = store.recipients(after, USERS_MAX).await?;
        let Some(last) = users.last() else { break };
        after = Some(*last);
        at_home |= some(node, store, &users).await?;
    }
    if at_home {
        take_over(node, store).await?;
    }
    Ok(())
}

/// Whether anybody among them lives here by now.
async fn some(node: &Arc<Node>, store: &Arc<dyn Store>, users: &[UserId]) -> Result<bool, StoreError> {
    let directory = Arc::clone(&node.directory());
    let homes: Vec<(UserId, Option<DomainName>)> =
        users.iter().filter_map(|user| home(&directory, user)).collect();
    if homes.is_empty() {
        return Ok(false);
    }
    store.rehome(homes.clone()).await?;
    let away: HashSet<DomainName> = homes.iter().filter_map(|(_, home)| home.clone()).collect();
    for home in &away {
        node.links.shut(home);
    }
    Ok(homes.iter().any(|(_, home)| home.is_none()))
}

/// What waited for a way to users who live here by now goes to them.
async fn take_over(node: &Arc<Node>, store: &Arc<dyn Store>) -> Result<(), StoreError> {
    take_over_faults(node, store, living(node)).await
}

/// Where the user is at home; nothing where nobody knows: then what waits stays where it is.
fn home(directory: &Directory, user: &UserId) -> Option<(UserId, Option<DomainName>)> {
    if user.is_upstream() {
        // Nobody who could move.
        return None;
    }
    let home = directory.home_of(user)?;
    let away = (home != directory.own_domain()).then(|| home.clone());
    Some((*user, away))
}
