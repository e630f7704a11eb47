//! What presence is told.

use std::sync::Arc;

use actix::Message;
use linker_core::id::{SessionId, UserId};
use linker_core::port::{PresenceError, Reconciled, Registered};

use crate::session::SessionEntry;

/// One session came or went.
#[derive(Clone)]
pub(crate) enum PresenceOp {
    Register(Arc<SessionEntry>),
    Farewell(Arc<SessionEntry>),
}

impl PresenceOp {
    /// The session that waits to be registered.
    pub(crate) fn registering(&self) -> Option<SessionId> {
        match self {
            Self::Register(entry) => Some(entry.id),
            Self::Farewell(_) => None,
        }
    }
}

/// Answers of the registry, in the order asked.
pub(crate) enum PresenceAnswer {
    Batch { coming: Coming, going: Going },
    Reconciled(Result<Reconciled, PresenceError>),
}

/// Sessions that came, and what waits for their users where that is known.
pub(crate) struct Coming {
    pub(crate) entries: Vec<Arc<SessionEntry>>,
    pub(crate) registered: Result<Vec<Registered>, PresenceError>,
    pub(crate) missing: Option<Vec<u64>>,
}

/// Sessions that went, and whether each was its user's last.
pub(crate) struct Going {
    pub(crate) entries: Vec<Arc<SessionEntry>>,
    pub(crate) last: Result<Vec<bool>, PresenceError>,
}

/// For the presence actor. On `Full` it waits in the sender's outlet.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum PresenceMail {
    /// A router: what came up in one turn, in order.
    Ops(Vec<PresenceOp>),
    /// The cluster: these users have no session any more, since their node is dead.
    Gone(Vec<UserId>),
    /// The cluster: the registry may not have what it should.
    /// `was_unknown`: it may not have known them for a while.
    Reconcile { was_unknown: bool },
    /// Itself: the registry has answered.
    Answer(PresenceAnswer),
}
