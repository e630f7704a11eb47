//! Sessions that come and go.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use deadpool_redis::redis::{Cmd, cmd};
use linker_core::id::NodeInstance;
use linker_core::port::{PresenceError, Registered, SessionRef};

use super::batch::Line;
use super::entry;
use super::presence::Registry;

/// Sessions of which the entries are put into the nodes' sets before they are registered, in one round trip.
const SESSIONS_MAX: usize = 500;
/// Dead nodes that a registration is told of: whose sessions go first, should there be too many.
const DEAD_MAX: usize = 16;

/// What a registration answers: was it first, was it new, who was evicted.
pub(super) type Answer = (bool, bool, Vec<String>);

impl Registry {
    pub(super) async fn register(&self, sessions: Vec<SessionRef>) -> Result<Vec<Registered>, PresenceError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let mut line = Line::shared(self).await?;
        let limit = self.sessions_per_user.load(Ordering::Relaxed);
        let mut all = Vec::with_capacity(sessions.len());
        let mut evicted = Vec::new();
        for part in sessions.chunks(SESSIONS_MAX) {
            for (session, (first, _, members)) in part.iter().zip(self.put(&mut line, part, limit).await?) {
                let members = members
                    .iter()
                    .filter_map(|member| entry::parse_member(session.user, member));
                let gone: Vec<(SessionRef, u64)> = members.collect();
                all.push(Registered {
                    first,
                    evicted: gone.iter().map(|(session, _)| session.clone()).collect(),
                });
                evicted.extend(gone);
            }
        }
        let cleanup = line.ask(self.forget(&evicted)).await;
        if let Err(error) = cleanup {
            // What was decided has to be told; entries too many do no harm, and go when their nodes reconcile.
            tracing::debug!(%error, "entries of evicted sessions were not removed");
        }
        Ok(all)
    }

    /// Registers sessions of any nodes, `limit` 0 evicts nobody.
    pub(super) async fn put(
        &self,
        line: &mut Line<'_>,
        sessions: &[SessionRef],
        limit: usize,
    ) -> Result<Vec<Answer>, PresenceError> {
        let dead: Vec<String> = self.living().dead().take(DEAD_MAX).map(entry::of_node).collect();
        let lives: Vec<u64> = sessions.iter().map(|session| self.life(&session.node)).collect();
        let mut commands = Vec::with_capacity(sessions.len() + 2);
        let each = || sessions.iter().zip(lives.iter().copied());
        for (node, entries) in by_node(each()) {
            commands.push(self.list_node(node));
            commands.push(self.change_entries("SADD", node, entries));
        }
        let before = commands.len();
        commands.extend(each().map(|(session, life)| {
            let mut call = self.scripts.register.call(1);
            call.arg(self.keys.sessions(&session.user))
                .arg(entry::session(session))
                .arg(entry::member(session, life))
                .arg(limit)
                .arg(&dead);
            call
        }));
        let answers = line.ask(commands).await?.into_iter().skip(before);
        answers.map(|answer| line.read(answer)).collect()
    }

    pub(super) async fn farewell(&self, sessions: Vec<SessionRef>) -> Result<Vec<bool>, PresenceError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let mut line = Line::shared(self).await?;
        let count = sessions.len();
        let with_life = |session: SessionRef| (self.life(&session.node), session);
        let left = sessions.into_iter().map(with_life);
        let left: Vec<(SessionRef, u64)> = left.map(|(life, session)| (session, life)).collect();
        let takes = left
            .iter()
            .map(|(session, _)| self.take(session, &entry::session(session)));
        let commands = takes.chain(self.forget(&left)).collect();
        let answers = line.ask(commands).await?.into_iter().take(count);
        let mut last = Vec::with_capacity(count);
        let mut of_other_lives = Vec::new();
        for ((session, life), answer) in left.iter().zip(answers) {
            let (member, was_last): (String, bool) = line.read(answer)?;
            last.push(was_last);
            let removed = entry::parse_member(session.user, &member);
            of_other_lives.extend(removed.filter(|(_, its)| its != life));
        }
        if let Err(error) = line.ask(self.forget(&of_other_lives)).await {
            // What was decided has to be told; an entry too many does no harm, and goes when its node reconciles.
            tracing::debug!(%error, "entries of sessions that went were not removed");
        }
        Ok(last)
    }

    /// Removes what is registered as `member` or begins with it.
    pub(super) fn take(&self, session: &SessionRef, member: &str) -> Cmd {
        let mut call = self.scripts.farewell.call(1);
        call.arg(self.keys.sessions(&session.user)).arg(member);
        call
    }

    /// Takes entries of sessions, each in its life, out of their nodes' sets.
    pub(super) fn forget(&self, sessions: &[(SessionRef, u64)]) -> Vec<Cmd> {
        let entries = by_node(sessions.iter().map(|(session, life)| (session, *life)));
        let forget = entries
            .into_iter()
            .map(|(node, entries)| self.change_entries("SREM", node, entries));
        forget.collect()
    }

    fn change_entries(&self, command: &str, node: &NodeInstance, entries: Vec<String>) -> Cmd {
        let mut change = cmd(command);
        change.arg(self.keys.entries(node)).arg(entries);
        change
    }

    pub(super) async fn entries(&self, node: NodeInstance) -> Result<u64, PresenceError> {
        let mut line = Line::shared(self).await?;
        let mut count = cmd("SCARD");
        count.arg(self.keys.entries(&node));
        let mut answers = line.ask(vec![count]).await?.into_iter();
        line.read_next(&mut answers)
    }
}

fn by_node<'a>(
    sessions: impl Iterator<Item = (&'a SessionRef, u64)>,
) -> BTreeMap<&'a NodeInstance, Vec<String>> {
    let mut nodes: BTreeMap<&NodeInstance, Vec<String>> = BTreeMap::new();
    for (session, life) in sessions {
        nodes
            .entry(&session.node)
            .or_default()
            .push(entry::of_user(session, life));
    }
    nodes
}
