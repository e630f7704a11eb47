//! What must hold within one run of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, SessionId, UserId};

use super::plan::Plan;

/// What custody hands to sessions and what sessions prove, while one node lives.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    handed: BTreeSet<(MessageId, SessionId)>,
    proven: BTreeMap<MessageId, Duration>,
    pub(crate) now: Duration,
    /// A proof may be on its way to its router for so long.
    grace: Duration,
    proven_references: BTreeMap<(UserId, UserId, String), MessageId>,
    references: BTreeMap<MessageId, (UserId, UserId, String)>,
    pub(crate) lenient: bool,
    several_nodes: bool,
    /// A node that is cut off may move again what another has proven, and a transaction that was made without an answer is repeated.
    repeats: bool,
    /// A session that was behind could not be handed a row that waits for somebody absent, since its mailbox was full: it waits for a fetch.
    pub(crate) left_for_a_fetch: bool,
    pub(crate) tracing: bool,
}

impl Audit {
    pub(crate) fn new(tracing: bool, plan: &Plan) -> Self {
        Self {
            several_nodes: plan.nodes > 1,
            grace: if plan.nodes > 1 {
                5 * plan.hop
            } else {
                Duration::ZERO
            },
            lenient: plan.nodes_seem_dead(),
            repeats: plan.nodes > 1 && (plan.nodes_suffer() || plan.store_faults > 0),
            tracing,
            ..Self::default()
        }
    }

    pub(crate) fn handed_to_session(&mut self, envelope: &Envelope, session: SessionId) {
        if self.tracing {
            eprintln!(
                "{:>19} {:?} {} is handed to session {session}",
                "", envelope.kind, envelope.id
            );
        }
        if let (Kind::Message, Feature::Reliable, Some(reference)) =
            (envelope.kind, envelope.feature, &envelope.reference)
        {
            let key = (envelope.from, envelope.to, reference.to_string());
            let first = self.proven_references.get(&key);
            let proven_before = first.is_some_and(|first| *first != envelope.id);
            // What was sent by another node before, and is in the store, is not recognised.
            let proven_before = proven_before && !self.several_nodes;
            assert!(
                self.lenient || self.repeats || !proven_before,
                "{reference} was proven and is sent again"
            );
            self.references.insert(envelope.id, key);
        }
        if self.several_nodes && envelope.kind == Kind::Confirmation {
            // Two nodes that were both shown a row, and proved it, both owe its confirmation, under the same id.
            return;
        }
        let again = !self.handed.insert((envelope.id, session));
        let proven = self.proven.get(&envelope.id);
        let proven = proven.is_some_and(|at| *at + self.grace <= self.now);
        assert!(
            self.lenient || !again,
            "{} is handed to session {session} twice",
            envelope.id
        );
        assert!(
            self.lenient || self.repeats || !proven,
            "{} ({:?} to {}) was proven and is handed to session {session}",
            envelope.id,
            envelope.kind,
            envelope.to
        );
    }

    pub(crate) fn given_back(&mut self, id: MessageId, session: SessionId) {
        self.handed.remove(&(id, session));
    }

    pub(crate) fn proven(&mut self, id: MessageId, _: SessionId) {
        self.proven.insert(id, self.now);
        if let Some(key) = self.references.get(&id) {
            self.proven_references.insert(key.clone(), id);
        }
    }
}
