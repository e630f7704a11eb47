//! Making the registry's entries of a node equal to what the node has.

use std::collections::HashSet;

use deadpool_redis::redis::cmd;
use linker_core::id::NodeInstance;
use linker_core::port::{PresenceError, Reconciled, SessionRef};

use super::batch::Line;
use super::entry;
use super::presence::Registry;

/// Sessions in one round trip.
const SESSIONS_MAX: usize = 500;

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
        let mut reconciled = Reconciled::default();
        for part in sessions.chunks(SESSIONS_MAX) {
            for (session, (first, new, _)) in part.iter().zip(self.put(&mut line, part, 0).await?) {
                reconciled.added += u64::from(new);
                if new && first && swept.is_some() {
                    reconciled.back.push(session.user);
                }
            }
        }
        self.remove_surplus(&mut line, &node, &sessions, &mut reconciled)
            .await?;
        let mut unmark = cmd("DEL");
        unmark.arg(self.keys.swept(&node));
        line.ask(vec![unmark]).await?;
        Ok(reconciled)
    }

    async fn remove_surplus(
        &self,
        line: &mut Line<'_>,
        node: &NodeInstance,
        sessions: &[SessionRef],
        reconciled: &mut Reconciled,
    ) -> Result<(), PresenceError> {
        let mut list = cmd("SMEMBERS");
        list.arg(self.keys.entries(node));
        let mut answers = line.ask(vec![list]).await?.into_iter();
        let entries: Vec<String> = line.read_next(&mut answers)?;
        let life = self.life(node);
        let kept: HashSet<&SessionRef> = sessions.iter().collect();
        let entries = entries
            .iter()
            .filter_map(|entry| entry::parse_of_user(node, entry));
        // What is kept has been given this life before.
        let surplus: Vec<(SessionRef, u64)> = entries
            .filter(|(session, its)| *its != life || !kept.contains(session))
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
