//! Making the registry's entries of a node equal to what the node has.

use std::collections::HashSet;

use deadpool_redis::redis::cmd;
use linker_core::id::NodeInstance;
use linker_core::port::{PresenceError, Reconciled, SessionRef};

use super::batch::Line;
use super::entry;
use super::presence::Registry;

/// Sessions that are looked for, or entries that are removed, in one round trip.
const SESSIONS_MAX: usize = 500;
/// Sessions that are registered in one round trip: what a login waits for while all nodes of a large domain do this, is one of these of each.
const REGISTERED_MAX: usize = 100;

impl Registry {
    pub(super) async fn reconcile(
        &self,
        node: NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> Result<Reconciled, PresenceError> {
        let mut line = Line::pooled(self).await?;
        let mut look = cmd("GET");
        look.arg(self.keys.swept(&node));
        let mut answers = line.ask(vec![look]).await?.into_iter();
        let swept: Option<String> = line.read_next(&mut answers)?;
        let entries = self.listed(&mut line, &node).await?;
        let missing = self.missing(&mut line, &node, &sessions, &entries).await?;
        let mut reconciled = Reconciled::default();
        for part in missing.chunks(REGISTERED_MAX) {
            for (session, (first, new, _)) in part.iter().zip(self.put(&mut line, part, 0).await?) {
                reconciled.added += u64::from(new);
                if new && first && swept.is_some() {
                    reconciled.back.push(session.user);
                }
            }
        }
        self.remove_surplus(&mut line, &node, &sessions, &entries, &mut reconciled)
            .await?;
        let mut unmark = cmd("DEL");
        unmark.arg(self.keys.swept(&node));
        line.ask(vec![unmark]).await?;
        Ok(reconciled)
    }

    /// The node's entries, each with its life.
    async fn listed(
        &self,
        line: &mut Line<'_>,
        node: &NodeInstance,
    ) -> Result<Vec<(SessionRef, u64)>, PresenceError> {
        let mut list = cmd("SMEMBERS");
        list.arg(self.keys.entries(node));
        let mut answers = line.ask(vec![list]).await?.into_iter();
        let entries: Vec<String> = line.read_next(&mut answers)?;
        let parsed = entries
            .iter()
            .filter_map(|entry| entry::parse_of_user(node, entry));
        Ok(parsed.collect())
    }

    /// Those of the sessions that are not registered in the node's present life. Looking costs Redis a twentieth of registering once more: where all nodes of a domain have to do this at
    /// once, after Redis was away, their heartbeats would lapse meanwhile, and all would have to do it again.
    async fn missing(
        &self,
        line: &mut Line<'_>,
        node: &NodeInstance,
        sessions: &[SessionRef],
        entries: &[(SessionRef, u64)],
    ) -> Result<Vec<SessionRef>, PresenceError> {
        let life = self.life(node);
        let present = entries.iter().filter(|(_, its)| *its == life);
        let listed: HashSet<&SessionRef> = present.map(|(session, _)| session).collect();
        let mut missing = Vec::new();
        for part in sessions.chunks(SESSIONS_MAX) {
            let looks = part.iter().map(|session| {
                let mut look = cmd("ZSCORE");
                look.arg(self.keys.sessions(&session.user))
                    .arg(entry::member(session, life));
                look
            });
            let answers = line.ask(looks.collect()).await?;
            for (session, answer) in part.iter().zip(answers) {
                let score: Option<f64> = line.read(answer)?;
                if score.is_none() || !listed.contains(session) {
                    missing.push(session.clone());
                }
            }
        }
        Ok(missing)
    }

    async fn remove_surplus(
        &self,
        line: &mut Line<'_>,
        node: &NodeInstance,
        sessions: &[SessionRef],
        entries: &[(SessionRef, u64)],
        reconciled: &mut Reconciled,
    ) -> Result<(), PresenceError> {
        let life = self.life(node);
        let kept: HashSet<&SessionRef> = sessions.iter().collect();
        // What is kept has been given this life before.
        let surplus: Vec<(SessionRef, u64)> = entries
            .iter()
            .filter(|(session, its)| *its != life || !kept.contains(session))
            .cloned()
            .collect();
        let ended = || {
            surplus
                .iter()
                .map(|(session, _)| session)
                .filter(|session| !kept.contains(session))
        };
        let commands = ended().map(|session| self.take(session, &entry::session(session)));
        let answers = line.ask(commands.collect()).await?;
        for (session, answer) in ended().zip(answers) {
            let (member, last): (String, bool) = line.read(answer)?;
            reconciled.removed += u64::from(!member.is_empty());
            if last {
                reconciled.gone.push(session.user);
            }
        }
        line.ask(
            surplus
                .chunks(SESSIONS_MAX)
                .flat_map(|part| self.forget(part))
                .collect(),
        )
        .await?;
        Ok(())
    }
}
