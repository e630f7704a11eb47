//! A node's worker: takes parts that nobody is at, sends, and writes down what became of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::code::ErrorCode;
use linker_core::envelope::Feature;
use linker_core::id::{AppName, UserId};
use linker_core::port::{Expected, NODE_TIMEOUT, NodeRecord, StoreError};
use tokio::sync::Notify;

use super::records::{
    Job, KEPT_MS, Lease, OPEN, Open, OpenPart, Outcome, Part, Target, job_key, open_key, part_key, read,
    remove, write,
};
use crate::cluster::{Cluster, Question};
use crate::error::SendError;
use crate::handle::{LinkerHandle, Outgoing, SendState, WeakHandle};
use crate::node::Node;
use crate::runtime::ids::random_u64;

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
/// Attempts to write down what became of a part, and the time between two.
const FINISH_ATTEMPTS: u32 = 30;
const FINISH_AGAIN: Duration = Duration::from_secs(1);

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
            if is_draining(&node) || node.store_is_away() {
                continue;
            }
            if let Err(error) = work(&linker).await {
                tracing::debug!(%error, "pushes cannot be worked on now");
            }
        }
    });
}

/// Until there is nothing left that this node can do now.
async fn work(linker: &LinkerHandle) -> Result<(), StoreError> {
    let store = linker.store();
    let mut after = String::new();
    loop {
        let open = store.list_records(OPEN.to_owned(), after, OPEN_MAX).await?;
        let Some(last) = open.last() else { return Ok(()) };
        after = last.key.clone();
        let ids = open.iter().filter_map(|record| record.key.strip_prefix(OPEN));
        for id in ids {
            // As long as there is a part of it for this node, and it can be done.
            while !is_draining(linker.node())
                && let Some(claim) = claim(linker, id).await?
                && do_part(linker, id, claim).await?
            {}
        }
    }
}

fn is_draining(node: &Node) -> bool {
    node.draining.load(Ordering::Acquire)
}

/// A part that this node is at.
struct Claim {
    job: Job,
    part: OpenPart,
    /// This turn's.
    lease: Lease,
    /// Another turn was at it, and may have sent some of it.
    was_begun: bool,
}

/// Takes a part of this push, if there is one for this node.
async fn claim(linker: &LinkerHandle, id: &str) -> Result<Option<Claim>, StoreError> {
    let node = linker.node();
    let me = node.me.to_string();
    for _ in 0..ATTEMPTS {
        let now_ms = node.clock.now().unix_ms;
        let found = linker
            .store()
            .read_records(vec![job_key(id), open_key(id)])
            .await?;
        let of = |key: String| found.iter().find(move |record| record.key == key);
        let Some((record, mut open)) =
            of(open_key(id)).and_then(|record| Some((record, read::<Open>(record)?)))
        else {
            return Ok(None);
        };
        let job = match of(job_key(id)) {
            // What a newer version has written is for nodes of that version.
            Some(job) => match read::<Job>(job) {
                Some(job) => job,
                None => return Ok(None),
            },
            None => {
                // It has expired.
                let gone = remove(open_key(id), Expected::Version(record.version));
                linker.store().write_records(vec![gone]).await?;
                return Ok(None);
            }
        };
        let living = living(node);
        let is_gone = |of: &String| living.as_ref().is_some_and(|living| !living.contains(of));
        // Who made it is perhaps so new that it is not heard of here yet; one that died since is not missed sooner.
        let is_settled = job.created + NODE_TIMEOUT.as_millis() as u64 <= now_ms;
        let is_ours = |part: &OpenPart| {
            // Of a node that is gone nobody is online any more, which any node can say.
            let for_us = part
                .node
                .as_ref()
                .is_none_or(|of| *of == me || (is_settled && is_gone(of)));
            // Clocks differ: what a node that lives is at is its own.
            let is_free = |lease: &Lease| lease.until < now_ms && (lease.node == me || is_gone(&lease.node));
            for_us && part.lease.as_ref().is_none_or(is_free)
        };
        let Some(part) = open.parts.iter_mut().find(|part| is_ours(part)) else {
            return Ok(None);
        };
        let was_begun = part.lease.is_some();
        let lease = Lease {
            node: me.clone(),
            run: random_u64(),
            until: now_ms + LEASE.as_millis() as u64,
        };
        part.lease = Some(lease.clone());
        let part = part.clone();
        let expected = Expected::Version(record.version);
        let taken = write(open_key(id), expected, &open, record.expires_ms);
        // Where it was not, another node was quicker, and has taken this part or done one.
        if linker.store().write_records(vec![taken]).await? {
            return Ok(Some(Claim {
                job,
                part,
                lease,
                was_begun,
            }));
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

/// Whether it is done; else it is left to a later turn.
async fn do_part(linker: &LinkerHandle, id: &str, claim: Claim) -> Result<bool, StoreError> {
    let number = claim.part.number;
    let found = linker.store().read_records(vec![part_key(id, number)]).await?;
    let known = found.first().and_then(read::<Part>);
    let found_now = known.is_none();
    let mut part = match (known, &claim.job.target) {
        (Some(part), _) => part,
        (None, target) => Part {
            users: online(linker, target, claim.part.node.as_deref()).await,
            outcomes: String::new(),
        },
    };
    let letters = part.outcomes.chars().chain(std::iter::repeat('p'));
    let before: Vec<Outcome> = letters.take(part.users.len()).map(Outcome::of).collect();
    let sending = send(linker, id, &claim, &part.users, &before);
    let outcomes = renewing(linker, id, &claim, sending).await;
    part.outcomes = outcomes.iter().map(|outcome| outcome.letter()).collect();
    let turn = Turn {
        claim: &claim,
        part: &part,
        outcomes: &outcomes,
        before: &before,
        found_now,
    };
    let mut attempts = 0;
    // What was sent is not to be forgotten for a moment's fault.
    while let Err(error) = finish(linker, id, &turn).await {
        attempts += 1;
        if attempts == FINISH_ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(FINISH_AGAIN).await;
    }
    Ok(!outcomes.contains(&Outcome::Pending))
}

/// Says again and again that this node is at the part, until it is done.
async fn renewing<T>(linker: &LinkerHandle, id: &str, claim: &Claim, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(RENEW_EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                let until = linker.node().clock.now().unix_ms + LEASE.as_millis() as u64;
                let renewed = change(linker, id, |open| {
                    if let Some(lease) =
                        place_of(open, claim).and_then(|place| open.parts[place].lease.as_mut())
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

/// Where the part stands, as long as it is this turn's.
fn place_of(open: &Open, claim: &Claim) -> Option<usize> {
    open.parts.iter().position(|part| {
        let is_this_turns = |lease: &Lease| lease.node == claim.lease.node && lease.run == claim.lease.run;
        part.number == claim.part.number && part.lease.as_ref().is_some_and(is_this_turns)
    })
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

/// What came of a turn.
struct Turn<'a> {
    claim: &'a Claim,
    part: &'a Part,
    outcomes: &'a [Outcome],
    before: &'a [Outcome],
    /// Its users were not known before.
    found_now: bool,
}

/// Writes down what became of a part, and with the last one that the push is done. What is still pending is left to a later turn.
async fn finish(linker: &LinkerHandle, id: &str, turn: &Turn<'_>) -> Result<(), StoreError> {
    let Turn {
        claim,
        part,
        outcomes,
        before,
        found_now,
    } = *turn;
    let number = claim.part.number;
    let expires_ms = claim.job.created + KEPT_MS;
    let is_done = !outcomes.contains(&Outcome::Pending);
    change(linker, id, |open| {
        let Some(place) = place_of(open, claim) else {
            // Another turn is at it, or has done it.
            return Vec::new();
        };
        match is_done {
            true => drop(open.parts.remove(place)),
            false => open.parts[place].lease = None,
        }
        if found_now {
            open.counts.total += outcomes.len() as u64;
        }
        let new = outcomes
            .iter()
            .zip(before)
            .filter(|(_, before)| **before == Outcome::Pending);
        new.for_each(|(outcome, _)| open.counts.note(*outcome));
        let mut writes = vec![write(part_key(id, number), Expected::Anything, part, expires_ms)];
        if open.parts.is_empty() {
            let done = Job {
                counts: Some(open.counts),
                ..claim.job.clone()
            };
            writes.push(write(job_key(id), Expected::Anything, &done, expires_ms));
        }
        writes
    })
    .await
    .map(|_| ())
}

/// Sends to those who have not got it; answers for all. Who cannot be told of now stays pending.
async fn send(
    linker: &LinkerHandle,
    id: &str,
    claim: &Claim,
    users: &[String],
    before: &[Outcome],
) -> Vec<Outcome> {
    let job = &claim.job;
    let mut outcomes = before.to_vec();
    let pending = outcomes.iter().enumerate();
    let to_send: Vec<usize> = pending
        .filter(|(_, outcome)| **outcome == Outcome::Pending)
        .map(|(place, _)| place)
        .collect();
    if claim.was_begun && job.feature() == Feature::Fast {
        // At most once: whoever was at it may have sent it, and nobody knows to whom.
        for place in to_send {
            outcomes[place] = Outcome::Unknown;
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
        if is_draining(linker.node()) {
            break;
        }
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
                Err(SendError::Stopping) => Outcome::Pending,
                Err(SendError::Refused(error)) if error.code == ErrorCode::Unavailable => Outcome::Pending,
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
