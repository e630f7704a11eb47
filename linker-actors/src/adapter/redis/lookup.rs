//! Looking users up: whoever asks at the same time is answered by the same round trip.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use deadpool_redis::redis::cmd;
use linker_core::id::{NodeInstance, NodeName, UserId};
use linker_core::port::{PresenceError, SessionRef};
use tokio::sync::{mpsc, oneshot};

use super::batch::Line;
use super::entry;
use super::living::Seen;
use super::presence::Registry;

/// Users in one round trip.
const USERS_MAX: usize = 100;
/// Calls that wait for their round trip; the next one waits for room.
pub(super) const WAITING_MAX: usize = 1024;

type Found = HashMap<UserId, Vec<SessionRef>>;

/// Somebody asks for users.
pub(super) struct Ask {
    pub(super) users: Vec<UserId>,
    pub(super) answer: oneshot::Sender<Result<Vec<Vec<SessionRef>>, PresenceError>>,
}

/// Answers who asks, until nobody can ask any more.
pub(super) async fn answer(registry: Arc<Registry>, mut asks: mpsc::Receiver<Ask>) {
    while let Some(first) = asks.recv().await {
        let mut count = first.users.len();
        let mut together = vec![first];
        while count < USERS_MAX
            && let Ok(next) = asks.try_recv()
        {
            count += next.users.len();
            together.push(next);
        }
        // Whoever waited too long has gone.
        together.retain(|ask| !ask.answer.is_closed());
        let users: HashSet<UserId> = together.iter().flat_map(|ask| &ask.users).copied().collect();
        let found = registry.find(users.into_iter().collect()).await;
        for ask in together {
            let pick = |found: &Found| {
                let each = ask.users.iter();
                each.map(|user| found.get(user).cloned().unwrap_or_default())
                    .collect()
            };
            // Nobody waits for it any more, perhaps.
            let _ = ask.answer.send(found.as_ref().map(pick).map_err(Clone::clone));
        }
    }
}

impl Registry {
    async fn find(&self, users: Vec<UserId>) -> Result<Found, PresenceError> {
        let mut found = Found::with_capacity(users.len());
        if users.is_empty() {
            return Ok(found);
        }
        let mut line = Line::shared(self).await?;
        let mut entries = Vec::with_capacity(users.len());
        for part in users.chunks(USERS_MAX) {
            let looks = part.iter().map(|user| {
                let mut look = cmd("ZRANGE");
                look.arg(self.keys.sessions(user)).arg(0).arg(-1);
                look
            });
            let answers = line.ask(looks.collect()).await?;
            for (user, answer) in part.iter().zip(answers) {
                let members: Vec<String> = line.read(answer)?;
                let members = members.iter();
                entries.extend(members.filter_map(|member| entry::parse_member(*user, member)));
            }
        }
        let absent = self.absent(&mut line, &entries).await?;
        for (session, _) in entries {
            if !absent.contains(&session.node) {
                found.entry(session.user).or_default().push(session);
            }
        }
        Ok(found)
    }

    /// Nodes of these entries that live no more. Those not known to live are looked at: it may be our knowledge that is old.
    async fn absent(
        &self,
        line: &mut Line<'_>,
        entries: &[(SessionRef, u64)],
    ) -> Result<HashSet<NodeInstance>, PresenceError> {
        let doubtful: BTreeSet<NodeInstance> = {
            let living = self.living();
            let nodes = entries.iter().map(|(session, _)| &session.node);
            let doubtful = nodes.filter(|node| !living.is_alive(node, self.options.node_timeout));
            doubtful.cloned().collect()
        };
        if doubtful.is_empty() {
            return Ok(HashSet::new());
        }
        let names: BTreeSet<NodeName> = doubtful.iter().map(|node| node.name.clone()).collect();
        let records = self.heartbeats(line, names.into_iter().collect()).await?;
        let lives = |node: &NodeInstance| records.get(&node.name).is_some_and(|record| record.node == *node);
        let (alive, dead): (Vec<_>, Vec<_>) = doubtful.into_iter().partition(lives);
        let (mut back, mut died) = (false, HashSet::new());
        {
            let mut living = self.living();
            for node in alive {
                back |= living.seen(node, true) == Seen::Back;
            }
            for node in &dead {
                if living.seen(node.clone(), false) == Seen::Died {
                    died.insert(node.clone());
                }
            }
        }
        if back {
            self.tell_all_changed();
        }
        self.bequeath(line, entries, &died).await?;
        Ok(dead.into_iter().collect())
    }

    /// Makes sure that what dead nodes left is found by whoever sweeps, also if they are not listed any more.
    async fn bequeath(
        &self,
        line: &mut Line<'_>,
        entries: &[(SessionRef, u64)],
        died: &HashSet<NodeInstance>,
    ) -> Result<(), PresenceError> {
        let left = entries.iter().filter(|(session, _)| died.contains(&session.node));
        let commands = left.flat_map(|(session, life)| {
            let mut add = cmd("SADD");
            add.arg(self.keys.entries(&session.node))
                .arg(entry::of_user(session, *life));
            [self.list_node(&session.node), add]
        });
        line.ask(commands.collect()).await?;
        Ok(())
    }
}
