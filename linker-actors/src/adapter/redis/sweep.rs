//! Removing what dead nodes left.

use std::time::Duration;

use deadpool_redis::redis::cmd;
use linker_core::id::{NodeInstance, UserId};
use linker_core::port::PresenceError;

use super::batch::Line;
use super::entry;
use super::presence::Registry;
use super::record;

/// So long is remembered that something of a node was swept, should it come back.
const SWEPT_KEPT: Duration = Duration::from_secs(24 * 3600);

impl Registry {
    pub(super) async fn sweep(&self, max: u32) -> Result<Vec<UserId>, PresenceError> {
        let mut gone = Vec::new();
        if max == 0 {
            return Ok(gone);
        }
        let mut line = Line::pooled(self).await?;
        let mut room = max as usize;
        for node in self.survey(&mut line).await?.dead {
            if room == 0 {
                break;
            }
            let swept = self.sweep_node(&mut line, &node, room, &mut gone).await;
            match swept {
                Ok(entries) => room = room.saturating_sub(entries),
                // Who was found gone is told to nobody else.
                Err(_) if !gone.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Answers how many entries it looked at.
    async fn sweep_node(
        &self,
        line: &mut Line<'_>,
        node: &NodeInstance,
        max: usize,
        gone: &mut Vec<UserId>,
    ) -> Result<usize, PresenceError> {
        let mut remains = self.scripts.remains.call(2);
        remains
            .arg(self.keys.heartbeat(&node.name))
            .arg(self.keys.entries(node))
            .arg(record::run(node))
            .arg(max);
        let mut answers = line.ask(vec![remains]).await?.into_iter();
        let (dead, entries): (bool, Vec<String>) = line.read_next(&mut answers)?;
        if !dead {
            return Ok(0);
        }
        if entries.is_empty() {
            self.unlist(line, node).await?;
            return Ok(0);
        }
        let mut mark = cmd("SET");
        mark.arg(self.keys.swept(node))
            .arg(1)
            .arg("EX")
            .arg(SWEPT_KEPT.as_secs());
        let mut commands = vec![mark];
        let parsed = || {
            entries
                .iter()
                .filter_map(|entry| entry::parse_of_user(node, entry))
        };
        // Exactly these, in the life that has ended: whatever the node registers from now on is another.
        commands.extend(parsed().map(|(session, life)| self.take(&session, &entry::member(&session, life))));
        let taken = line.ask(commands).await?.into_iter().skip(1);
        for ((session, _), answer) in parsed().zip(taken) {
            let (_, last): (String, bool) = line.read(answer)?;
            if last {
                gone.push(session.user);
            }
        }
        let mut forget = cmd("SREM");
        forget.arg(self.keys.entries(node)).arg(&entries);
        line.ask(vec![forget]).await?;
        Ok(entries.len())
    }

    /// Nothing is left of it, unless it has just come back.
    async fn unlist(&self, line: &mut Line<'_>, node: &NodeInstance) -> Result<(), PresenceError> {
        let mut unlist = cmd("SREM");
        unlist.arg(self.keys.nodes()).arg(node.to_string());
        line.ask(vec![unlist]).await?;
        let records = self.heartbeats(line, vec![node.name.clone()]).await?;
        if records.values().any(|record| record.node == *node) {
            line.ask(vec![self.list_node(node)]).await?;
        }
        Ok(())
    }
}
