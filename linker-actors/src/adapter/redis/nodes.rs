//! Names and heartbeats.

use std::collections::{BTreeMap, HashSet};

use deadpool_redis::redis::{Cmd, cmd};
use linker_core::id::{NodeInstance, NodeName};
use linker_core::port::{Cluster, NodeRecord, PresenceError};

use super::batch::Line;
use super::presence::Registry;
use super::record;

/// What this adapter knows of a node that it beats for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Own {
    /// See [`super`].
    pub(super) life: u64,
    /// The connection by which it beat last.
    connection: Option<u64>,
}

/// All nodes there are.
pub(super) struct Survey {
    pub(super) records: BTreeMap<NodeName, NodeRecord>,
    /// Runs that live no more, of which something may be left.
    pub(super) dead: Vec<NodeInstance>,
}

impl Survey {
    fn living(&self) -> HashSet<NodeInstance> {
        self.records.values().map(|record| record.node.clone()).collect()
    }
}

impl Registry {
    /// The life in which a node's sessions are registered.
    pub(super) fn life(&self, node: &NodeInstance) -> u64 {
        self.own().get(node).map_or(0, |own| own.life)
    }

    pub(super) async fn join(&self, record: NodeRecord) -> Result<(), PresenceError> {
        let known = self.own().get(&record.node).copied();
        let forgotten = known.map_or(0, |own| own.life + 1);
        let mut line = Line::shared(self).await?;
        let life = self.renew(&mut line, &record, forgotten).await?;
        let own = Own {
            life,
            connection: line.number(),
        };
        self.own().insert(record.node, own);
        Ok(())
    }

    pub(super) async fn beat(&self, record: NodeRecord) -> Result<Cluster, PresenceError> {
        let known = self.own().get(&record.node).copied().unwrap_or_default();
        let mut line = Line::shared(self).await?;
        let life = self.renew(&mut line, &record, known.life + 1).await?;
        let survey = self.survey(&mut line).await?;
        // Over another connection it may be another Redis, or the same with an older state.
        let rejoined = life != known.life || known.connection != line.number();
        let own = Own {
            life,
            connection: line.number(),
        };
        self.own().insert(record.node, own);
        let dead = survey.dead.iter().cloned().collect();
        if self.living().beaten(survey.living(), dead) {
            self.tell_all_changed();
        }
        Ok(Cluster {
            nodes: survey.records.into_values().collect(),
            rejoined,
        })
    }

    /// Answers the life that the node has now; `forgotten` if it was not known to live.
    async fn renew(
        &self,
        line: &mut Line<'_>,
        record: &NodeRecord,
        forgotten: u64,
    ) -> Result<u64, PresenceError> {
        let node = &record.node;
        let mut beat = self.scripts.beat.call(1);
        beat.arg(self.keys.heartbeat(&node.name))
            .arg(record::run(node))
            .arg(self.life(node))
            .arg(forgotten)
            .arg(u64::try_from(self.options.node_timeout.as_millis()).unwrap_or(u64::MAX))
            .arg(record::write(record));
        let mut answers = line
            .ask(vec![self.list_node(node), beat])
            .await?
            .into_iter()
            .skip(1);
        let (holder, life): (String, u64) = line.read_next(&mut answers)?;
        match record::instance(&node.name, &holder) {
            Some(holder) if holder != *node => Err(PresenceError::NameTaken(holder)),
            _ => Ok(life),
        }
    }

    /// The least that can be asked.
    pub(super) async fn probe(&self) -> Result<(), PresenceError> {
        let mut line = Line::shared(self).await?;
        line.ask(vec![cmd("PING")]).await?;
        Ok(())
    }

    pub(super) async fn leave(&self, node: NodeInstance) -> Result<(), PresenceError> {
        let mut leave = self.scripts.leave.call(1);
        leave.arg(self.keys.heartbeat(&node.name)).arg(record::run(&node));
        let mut line = Line::shared(self).await?;
        line.ask(vec![leave]).await?;
        Ok(())
    }

    /// Before anything of a node is registered: what is not listed is not swept.
    pub(super) fn list_node(&self, node: &NodeInstance) -> Cmd {
        let mut list = cmd("SADD");
        list.arg(self.keys.nodes()).arg(node.to_string());
        list
    }

    pub(super) async fn survey(&self, line: &mut Line<'_>) -> Result<Survey, PresenceError> {
        let mut list = cmd("SMEMBERS");
        list.arg(self.keys.nodes());
        let mut answers = line.ask(vec![list]).await?.into_iter();
        let listed: Vec<String> = line.read_next(&mut answers)?;
        let listed: Vec<NodeInstance> = listed.iter().filter_map(|node| node.parse().ok()).collect();
        let mut names: Vec<NodeName> = listed.iter().map(|node| node.name.clone()).collect();
        names.sort();
        names.dedup();
        let records = self.heartbeats(line, names).await?;
        let lives = |node: &NodeInstance| records.get(&node.name).is_some_and(|record| record.node == *node);
        let dead = listed.into_iter().filter(|node| !lives(node)).collect();
        Ok(Survey { records, dead })
    }

    /// Who lives under these names.
    pub(super) async fn heartbeats(
        &self,
        line: &mut Line<'_>,
        names: Vec<NodeName>,
    ) -> Result<BTreeMap<NodeName, NodeRecord>, PresenceError> {
        let look = |name: &NodeName| {
            let mut look = cmd("GET");
            look.arg(self.keys.heartbeat(name));
            look
        };
        let answers = line.ask(names.iter().map(look).collect()).await?;
        let mut records = BTreeMap::new();
        for (name, answer) in names.into_iter().zip(answers) {
            let heartbeat: Option<String> = line.read(answer)?;
            let record = heartbeat.and_then(|heartbeat| record::read(&name, &heartbeat));
            records.extend(record.map(|record| (name, record)));
        }
        Ok(records)
    }
}
