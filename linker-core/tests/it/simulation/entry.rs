//! What the node knows of a logged-in session, as linker-actors keeps it: its mailbox, its gate, and the table of all of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use linker_core::code::{CloseCode, FrameError};
use linker_core::custody::{Delivery, Offer};
use linker_core::envelope::Feature;
use linker_core::frame::ServerFrame;
use linker_core::id::{SessionId, UserId};
use linker_core::session::SessionPage;

use super::audit::Audit;

pub(crate) enum ToSession {
    Deliver(Delivery),
    Behind,
    Hint,
    Rescan,
    Resume,
    Accepted(Box<ServerFrame>),
    Refused(Box<(FrameError, Option<Box<str>>)>),
    Authenticated,
    Registered(Result<Option<u64>, Box<FrameError>>),
    Page(Option<Box<SessionPage>>),
    Count(Option<u64>),
    FetchGranted,
    Close(CloseCode),
}

/// Why a mailbox did not take a message.
pub(crate) enum PostError {
    Full(ToSession),
    Closed(ToSession),
}

/// Connections that have mail and were not woken yet.
pub(crate) type Bell = Rc<RefCell<Vec<usize>>>;

pub(crate) struct Mailbox {
    pub(crate) queue: RefCell<VecDeque<ToSession>>,
    pub(crate) open: Cell<bool>,
    pub(crate) capacity: usize,
    pub(crate) connection: usize,
    pub(crate) bell: Bell,
}

impl Mailbox {
    pub(crate) fn post(&self, message: ToSession) -> Result<(), PostError> {
        let mut queue = self.queue.borrow_mut();
        if !self.open.get() {
            return Err(PostError::Closed(message));
        }
        if queue.len() >= self.capacity {
            return Err(PostError::Full(message));
        }
        queue.push_back(message);
        self.bell.borrow_mut().push(self.connection);
        Ok(())
    }

    /// Answers of tasks with a place of their own in the mailbox.
    pub(crate) fn post_beyond_bound(&self, message: ToSession) {
        if self.open.get() {
            self.queue.borrow_mut().push_back(message);
            self.bell.borrow_mut().push(self.connection);
        }
    }
}

/// Whether live messages go to the store, and what is still on its way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gate {
    pub(crate) behind: bool,
    pub(crate) replaying: bool,
    /// Messages wait behind the replay: what comes now waits behind them.
    pub(crate) defers: bool,
    pub(crate) diverted: u32,
    pub(crate) diversions: u64,
}

pub(crate) struct Entry {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) mailbox: Rc<Mailbox>,
    pub(crate) max_unproven_bytes: usize,
    pub(crate) gate: Cell<Gate>,
    pub(crate) backlog_bytes: Cell<usize>,
    pub(crate) handed_bytes: Cell<usize>,
    pub(crate) patient_until: Duration,
    pub(crate) since_ms: u64,
    /// Older sessions of the user, and what they had been handed when this one came.
    pub(crate) elders: RefCell<Vec<(Rc<Entry>, usize)>>,
    pub(crate) unsettled_bytes: Cell<usize>,
    pub(crate) paused: Cell<bool>,
    pub(crate) closed: Cell<bool>,
    pub(crate) must_close: Cell<Option<CloseCode>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {} of {}", self.id, self.user)
    }
}

/// As in linker-actors: beyond it a socket waits for what was submitted to be settled.
pub(crate) const SUBMIT_CREDIT_BYTES: usize = 512 * 1024;

impl Entry {
    pub(crate) fn offer(&self, mut delivery: Delivery, forced: bool) -> Offer {
        if self.closed.get() {
            return Offer::Gone;
        }
        let gate = self.gate.get();
        let behind = Offer::Behind {
            replaying: gate.replaying,
        };
        if gate.behind && !delivery.courtesy {
            if !gate.defers {
                return behind;
            }
            delivery.courtesy = true;
        }
        let (cost, courtesy) = (delivery.cost(), delivery.courtesy);
        if courtesy && gate.replaying && delivery.envelope.feature == Feature::Reliable {
            self.gate.set(Gate { defers: true, ..gate });
        }
        let before = self.backlog_bytes.get();
        let fits = forced || before == 0 || before + cost <= self.max_unproven_bytes;
        let posted = match fits {
            true => self.mailbox.post(ToSession::Deliver(delivery)),
            false => Err(PostError::Full(ToSession::Behind)),
        };
        match posted {
            Ok(()) => {
                self.backlog_bytes.set(before + cost);
                self.handed_bytes.set(self.handed_bytes.get() + cost);
                Offer::Taken
            }
            Err(PostError::Full(_)) => {
                if !courtesy {
                    self.fall_behind();
                }
                behind
            }
            Err(PostError::Closed(_)) => Offer::Gone,
        }
    }

    pub(crate) fn fall_behind(&self) {
        let gate = self.gate.get();
        if !gate.behind {
            self.gate.set(Gate { behind: true, ..gate });
            let _ = self.mailbox.post(ToSession::Behind);
        }
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.gate.get().behind
    }

    pub(crate) fn try_live(&self, seen: Gate) -> bool {
        let gate = Gate {
            defers: seen.defers,
            ..self.gate.get()
        };
        let live = seen.diverted == 0 && gate == seen;
        if live {
            self.gate.set(Gate {
                behind: false,
                replaying: false,
                defers: false,
                ..seen
            });
        }
        live
    }

    pub(crate) fn divert(&self) -> bool {
        let gate = self.gate.get();
        if gate.behind {
            self.gate.set(Gate {
                diverted: gate.diverted + 1,
                diversions: gate.diversions + 1,
                ..gate
            });
        }
        gate.behind
    }

    pub(crate) fn diverted_is_stored(&self) {
        let gate = self.gate.get();
        assert!(gate.diverted > 0, "{self:?} was not diverted");
        self.gate.set(Gate {
            diverted: gate.diverted - 1,
            ..gate
        });
    }

    pub(crate) fn hold(&self, bytes: usize) {
        self.backlog_bytes.set(self.backlog_bytes.get() + bytes);
        self.handed_bytes.set(self.handed_bytes.get() + bytes);
    }

    /// Whether everything it had been handed by then is proven or given back.
    pub(crate) fn is_done_with(&self, handed: usize) -> bool {
        self.closed.get() || self.handed_bytes.get() - self.backlog_bytes.get() >= handed
    }

    /// Once they are done, one more round gives the other routers the time to hear of it.
    pub(crate) fn waits_for_elders(&self, now: Duration) -> bool {
        let mut elders = self.elders.borrow_mut();
        if elders.is_empty() || !self.is_patient(now) {
            return false;
        }
        elders.retain(|(elder, handed)| !elder.is_done_with(*handed));
        true
    }

    /// Whether its replay waits for what other sessions have.
    pub(crate) fn is_patient(&self, now: Duration) -> bool {
        self.gate.get().replaying && now < self.patient_until
    }

    pub(crate) fn free(&self, bytes: usize) {
        let held = self.backlog_bytes.get();
        assert!(held >= bytes, "{self:?} frees {bytes} bytes of {held}");
        self.backlog_bytes.set(held - bytes);
    }

    /// Whether the session waits for this and must be told to go on.
    pub(crate) fn settled(&self, bytes: usize) -> bool {
        let held = self.unsettled_bytes.get();
        assert!(held >= bytes, "{self:?} settles {bytes} bytes of {held}");
        self.unsettled_bytes.set(held - bytes);
        held - bytes <= SUBMIT_CREDIT_BYTES / 2 && self.paused.replace(false)
    }
}

/// The logged-in sessions of the node, oldest first.
pub(crate) struct Table {
    pub(crate) sessions: RefCell<BTreeMap<UserId, Vec<Rc<Entry>>>>,
    pub(crate) audit: RefCell<Audit>,
}

impl Table {
    pub(crate) fn remove(&self, entry: &Entry) {
        entry.closed.set(true);
        if let Some(sessions) = self.sessions.borrow_mut().get_mut(&entry.user) {
            sessions.retain(|known| known.id != entry.id);
        }
    }

    pub(crate) fn all(&self) -> Vec<Rc<Entry>> {
        self.sessions.borrow().values().flatten().cloned().collect()
    }

    pub(crate) fn of(&self, user: &UserId) -> Vec<Rc<Entry>> {
        self.sessions.borrow().get(user).cloned().unwrap_or_default()
    }
}
