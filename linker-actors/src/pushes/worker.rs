//! A node's worker: takes parts that nobody is at, sends, and writes down what became of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use linker_core::envelope::Feature;
use linker_core::id::{AppName, UserId};
use linker_core::port::{Expected, NodeRecord, StoreError};
use tokio::sync::Notify;

use super::records::{
    Job, KEPT_MS, Lease, OPEN, Open, OpenPart, Outcome, Part, Target, job_key, open_key, part_key, read,
    remove, write,
};
use crate::cluster::{Cluster, Question};
use crate::handle::{LinkerHandle, Outgoing, SendState, WeakHandle};
use crate::node::Node;

/// How often it is looked for work that nobody told of: a part whose node died, or word that was lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A node that is at a part says so again before this is over.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Pushes looked at in one turn.
const OPEN_MAX: u32 = 20;
/// Users asked about or sent to at a time.
const USERS_AT_ONCE: usize = 1000;
/// Attempts to write what others are writing too.
const ATTEMPTS: usize = 100;

/// Tells the worker that there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Wake(Notify);

impl Node {
    /// There is a push to work on, for this node and the others.
    pub(crate) fn wake_pushes(self: &Arc<Self>) {
        self.pushes.0.notify_one();
        let Some(cluster) = &self.cluster else { return };
        for NodeRecord { node: other, .. } in cluster.members.load().iter() {
            if *other == self.me {
                continue;
            }
            let (node, other) = (Arc::clone(self), other.clone());
            self.backend.spawn(async move {
                // Where it is lost, that node finds out by itself.
                let _ = Cluster::ask(&node, &other, &Question::Pushes).await;
            });
        }
    }

    /// Another node has said so.
    pub(crate) fn hear_of_pushes(&self) {
        self.pushes.0.notify_one();
    }
}

/// Starts the worker, which ends with the node.
pub(crate) fn start(node: &Arc<Node>, handle: WeakHandle) {
    let node = Arc::clone(node);
    node.backend.clone().spawn(async move {
        loop {
            let _ = tokio::time::timeout(LOOK_EVERY, node.pushes.0.notified()).await;
            let Some(linker) = handle.upgrade() else { return };
            let stopping = node.draining.load(std::sync::atomic::Ordering::Acquire);
            if stopping || node.store_is_away() {
                continue;
            }
            if let Err(error) = work(&linker).await {
                tracing::debug!(%error, "pushes cannot be worked on now");
            }
        }
    });
}

/// Until there is nothing left that this node can do.
async fn work(linker: &LinkerHandle) -> Result<(), StoreError> {
    let store = linker.store();
    let mut more = true;
    while more {
        more = false;
        let open = store
            .list_records(OPEN.to_owned(), String::new(), OPEN_MAX)
            .await?;
        for record in open {
            let Some(id) = record.key.strip_prefix(OPEN).map(str::to_owned) else {
                continue;
            };
            if linker.node().draining.load(std::sync::atomic::Ordering::Acquire) {
                return Ok(());
            }
            if let Some(claim) = claim(linker, &id).await? {
                do_part(linker, &id, claim).await?;
                more = true;
            }
        }
    }
    Ok(())
}

/// A part that this node is at.
struct Claim {
    part: OpenPart,
    /// Another node was at it, and may have sent some of it.
    was_begun: bool,
}

/// Takes a part of this push, if there is one for this node.
async fn claim(linker: &LinkerHandle, id: &str) -> Result<Option<Claim>, StoreError> {
    let node = linker.node();
    let me = node.me.to_string();
    for _ in 0..ATTEMPTS {
        let now_ms = node.clock.now().unix_ms;
        let found = linker.store().read_records(vec![open_key(id)]).await?;
        let Some((record, mut open)) = found
            .first()
            .and_then(|record| Some((record, read::<Open>(record)?)))
        else {
            return Ok(None);
        };
        let living = living(node);
        let is_ours = |part: &OpenPart| {
            // Of a node that is gone nobody is online any more, which any node can say.
            let is_gone = |of: &String| living.as_ref().is_some_and(|living| !living.contains(of));
            let for_us = part.node.as_ref().is_none_or(|of| *of == me || is_gone(of));
            let is_free = part.lease.as_ref().is_none_or(|lease| lease.until < now_ms);
            for_us && is_free
        };
        let Some(part) = open.parts.iter_mut().find(|part| is_ours(part)) else {
            return Ok(None);
        };
        let was_begun = part.lease.is_some();
        part.lease = Some(Lease {
            node: me.clone(),
            until: now_ms + LEASE.as_millis() as u64,
        });
        let part = part.clone();
        let expected = Expected::Version(record.version);
        let taken = write(open_key(id), expected, &open, record.expires_ms);
        // Where it was not, another node was quicker, and has taken this part or done one.
        if linker.store().write_records(vec![taken]).await? {
            return Ok(Some(Claim { part, was_begun }));
        }
    }
    Ok(None)
}

/// The nodes that live; `None` where nobody can tell.
fn living(node: &Node) -> Option<HashSet<String>> {
    let Some(cluster) = &node.cluster else {
        return Some(HashSet::from([node.me.to_string()]));
    };
    if cluster.presence_is_away() {
        return None;
    }
    let members = cluster.members.load();
    Some(members.iter().map(|record| record.node.to_string()).collect())
}

async fn do_part(linker: &LinkerHandle, id: &str, claim: Claim) -> Result<(), StoreError> {
    let store = linker.store();
    let number = claim.part.number;
    let found = store
        .read_records(vec![job_key(id), part_key(id, number)])
        .await?;
    let of = |key: String| found.iter().find(move |record| record.key == key);
    let Some(job) = of(job_key(id)).and_then(read::<Job>) else {
        // It has expired.
        store
            .write_records(vec![remove(open_key(id), Expected::Anything)])
            .await?;
        return Ok(());
    };
    let mut part = of(part_key(id, number))
        .and_then(read::<Part>)
        .unwrap_or_default();
    let found_now = job.target != Target::List;
    if found_now {
        part = Part {
            users: online(linker, &job.target, claim.part.node.as_deref()).await,
            outcomes: String::new(),
        };
    }
    let before: Vec<Outcome> = part.outcomes.chars().map(Outcome::of).collect();
    let sending = send(linker, id, &job, &part.users, &before, claim.was_begun);
    let outcomes = renewing(linker, id, number, sending).await;
    part.outcomes = outcomes.iter().map(|outcome| outcome.letter()).collect();
    finish(linker, id, number, &part, &outcomes, &before, found_now).await
}

/// Says again and again that this node is at the part, until it is done.
async fn renewing<T>(linker: &LinkerHandle, id: &str, number: u32, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(RENEW_EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                let until = linker.node().clock.now().unix_ms + LEASE.as_millis() as u64;
                let me = linker.node().me.to_string();
                let renewed = change(linker, id, |open| {
                    let part = open.parts.iter_mut().find(|part| part.number == number);
                    if let Some(lease) = part.and_then(|part| part.lease.as_mut())
                        && lease.node == me
                    {
                        lease.until = until;
                    }
                    Vec::new()
                });
                // What another node has taken over meanwhile is sent twice, under the same reference.
                let _ = renewed.await;
            }
        }
    }
}

/// Changes how far a push is, together with what `more` writes. False where it is done already.
async fn change(
    linker: &LinkerHandle,
    id: &str,
    mut more: impl FnMut(&mut Open) -> Vec<linker_core::port::RecordWrite>,
) -> Result<bool, StoreError> {
    let store = linker.store();
    for _ in 0..ATTEMPTS {
        let found = store.read_records(vec![open_key(id)]).await?;
        let Some((record, mut open)) = found
            .first()
            .and_then(|record| Some((record, read::<Open>(record)?)))
        else {
            return Ok(false);
        };
        let mut writes = more(&mut open);
        let expected = Expected::Version(record.version);
        writes.push(match open.parts.is_empty() {
            true => remove(open_key(id), expected),
            false => write(open_key(id), expected, &open, record.expires_ms),
        });
        if store.write_records(writes).await? {
            return Ok(true);
        }
    }
    Err(StoreError::Away("too many nodes write at once".to_owned()))
}

/// Writes down what became of a part, and with the last one that the push is done.
async fn finish(
    linker: &LinkerHandle,
    id: &str,
    number: u32,
    part: &Part,
    outcomes: &[Outcome],
    before: &[Outcome],
    found_now: bool,
) -> Result<(), StoreError> {
    let job = linker.store().read_records(vec![job_key(id)]).await?;
    let Some(job) = job.first().and_then(read::<Job>) else {
        return Ok(());
    };
    let expires_ms = job.created + KEPT_MS;
    change(linker, id, |open| {
        let there = open.parts.iter().any(|part| part.number == number);
        if !there {
            // Another node has taken it over, and done it.
            return Vec::new();
        }
        open.parts.retain(|part| part.number != number);
        if found_now {
            open.counts.total += outcomes.len() as u64;
        }
        for (place, outcome) in outcomes.iter().enumerate() {
            // What was sent before and is not sent again stands in the counts already.
            let was = before.get(place).copied().unwrap_or(Outcome::Pending);
            if was == Outcome::Pending || was.is_lost() {
                open.counts.note(*outcome, 1);
            }
        }
        let mut writes = vec![write(part_key(id, number), Expected::Anything, part, expires_ms)];
        if open.parts.is_empty() {
            let done = Job {
                counts: Some(open.counts),
                ..job.clone()
            };
            writes.push(write(job_key(id), Expected::Anything, &done, expires_ms));
        }
        writes
    })
    .await
    .map(|_| ())
}

/// Sends to those who have not got it; answers for all.
async fn send(
    linker: &LinkerHandle,
    id: &str,
    job: &Job,
    users: &[String],
    before: &[Outcome],
    was_begun: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = (0..users.len())
        .map(|place| before.get(place).copied().unwrap_or(Outcome::Pending))
        .collect();
    let open = outcomes.iter().enumerate();
    let to_send: Vec<usize> = open
        .filter(|(_, outcome)| **outcome == Outcome::Pending || outcome.is_lost())
        .map(|(place, _)| place)
        .collect();
    if was_begun && job.feature() == Feature::Fast {
        // At most once: whoever was at it may have sent it, and nobody knows to whom.
        for place in to_send {
            outcomes[place] = Outcome::Dropped;
        }
        return outcomes;
    }
    let Ok(mut outgoing) = Outgoing::new(&job.content) else {
        return outcomes;
    };
    if let Some(from) = job.from.as_ref().and_then(|from| from.parse().ok()) {
        outgoing = outgoing.from_user(from);
    }
    // By the reference a part that is sent by two nodes is still one message to each.
    outgoing = outgoing.with_reference(id).without_confirmation();
    if job.feature() == Feature::Fast {
        outgoing = outgoing.fast();
    }
    for places in to_send.chunks(USERS_AT_ONCE) {
        let parsed: Vec<(usize, UserId)> = places
            .iter()
            .filter_map(|place| Some((*place, users[*place].parse().ok()?)))
            .collect();
        for place in places {
            outcomes[*place] = Outcome::Refused;
        }
        let to: Vec<UserId> = parsed.iter().map(|(_, user)| *user).collect();
        let answers = linker.send_each(&to, &outgoing).await;
        for ((place, _), answer) in parsed.iter().zip(answers) {
            outcomes[*place] = match answer.map(|receipt| receipt.state) {
                Ok(SendState::Delivered) => Outcome::Delivered,
                Ok(SendState::Stored) => Outcome::Stored,
                Ok(SendState::Forwarded) => Outcome::Forwarded,
                Ok(SendState::Dropped) => Outcome::Dropped,
                Err(_) => Outcome::Refused,
            };
        }
    }
    outcomes
}

/// Whom this node answers for of those who are online: of a user with sessions on several nodes, the one that has the oldest. Nobody, of another node.
async fn online(linker: &LinkerHandle, target: &Target, of_node: Option<&str>) -> Vec<String> {
    let node = linker.node();
    if of_node != Some(node.me.to_string().as_str()) {
        return Vec::new();
    }
    let app: Option<AppName> = match target {
        Target::App(app) => app.parse().ok(),
        _ => None,
    };
    let meant = |user: &UserId| app.is_none_or(|app| *user.app() == app);
    let mut users: Vec<UserId> = node
        .sessions
        .of_users(meant)
        .iter()
        .map(|entry| entry.user)
        .collect();
    users.sort_unstable();
    users.dedup();
    let Some(cluster) = &node.cluster else {
        return users.iter().map(ToString::to_string).collect();
    };
    let mut ours = Vec::with_capacity(users.len());
    for some in users.chunks(USERS_AT_ONCE) {
        match cluster.presence.lookup(some.to_vec()).await {
            Ok(found) => ours.extend(some.iter().zip(found).filter_map(|(user, sessions)| {
                let oldest = sessions.first().map(|session| &session.node);
                oldest
                    .is_none_or(|oldest| *oldest == node.me)
                    .then(|| user.to_string())
            })),
            // Twice rather than not at all.
            Err(_) => ours.extend(some.iter().map(ToString::to_string)),
        }
    }
    ours
}
