//! Where messages wait.

use std::sync::Arc;

use super::{BoxFuture, Records};
use crate::envelope::Envelope;
use crate::id::{DomainName, MessageId, NodeInstance, UserId};

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// The recipient had no session: until it is fetched.
    Absent,
    /// The recipient's session had fallen behind, or was being replayed to: until it is fed to it.
    Behind,
    /// A node moves it: it is on its way to a session, or waits for the end of a fault. When that node is gone, or the fault has ended, somebody
    /// takes it over ([`Store::take_over`]).
    Fault,
    /// Its recipient lives in another domain: a node hands it over there when there is a way, or when that node is gone another one does
    /// ([`Store::take_over`]).
    Forward,
}

/// A message to keep.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The message.
    pub envelope: Arc<Envelope>,
    /// Why it waits.
    pub reason: WaitReason,
    /// Where its recipient lives, of what waits for [`WaitReason::Forward`]; `None` of all else.
    pub home: Option<DomainName>,
}

/// Changes to make in one transaction: all of them or none: inserts, then `absent`, `behind` and `redirected`, then what is removed.
#[derive(Debug, Clone, Default)]
pub struct StoreBatch {
    /// Rows to add, in this order.
    pub inserts: Vec<Insert>,
    /// Rows to remove; unknown ids are ignored.
    pub deletes: Vec<MessageId>,
    /// Rows to remove whose message another domain has, which took it when it had left so many domains ([`Envelope::hops`]). Where the row's has left more, it has come
    /// back meanwhile, maybe by another node: that row stays. Unknown ids are ignored.
    pub forwarded: Vec<(MessageId, u8)>,
    /// Rows that wait for [`WaitReason::Absent`] from now on, and are nobody's; unknown ids are ignored. Of these and the inserts none is the same.
    pub absent: Vec<MessageId>,
    /// Rows that wait for [`WaitReason::Behind`] from now on, and are nobody's; unknown ids are ignored. Of these, those before and the inserts none is the same.
    pub behind: Vec<MessageId>,
    /// Rows that wait for [`WaitReason::Forward`] to this domain from now on, and are `node`'s; unknown ids, and rows that wait for anything else, are ignored. Of these, those before
    /// and the inserts none is the same.
    pub redirected: Vec<(MessageId, DomainName)>,
    /// The node that makes the changes: inserts with [`WaitReason::Fault`] and [`WaitReason::Forward`] are its own. `None` where there is one node only.
    pub node: Option<NodeInstance>,
    /// A waiting row of the same sender, recipient and reference that arrived at this time (ms since the epoch) or later makes an insert a
    /// [`InsertOutcome::Duplicate`] of the newest such row, also where the inbox is full.
    pub dedupe_since_ms: u64,
    /// Arrival time of the inserts, ms since the epoch.
    pub now_ms: u64,
    /// Messages that may wait for one user ([`crate::envelope::Kind::counts`]); others are always taken.
    pub max_per_user: u64,
}

impl StoreBatch {
    /// There is nothing to change.
    pub fn is_empty(&self) -> bool {
        let Self {
            inserts,
            deletes,
            forwarded,
            absent,
            behind,
            redirected,
            ..
        } = self;
        inserts.is_empty()
            && deletes.is_empty()
            && forwarded.is_empty()
            && absent.is_empty()
            && behind.is_empty()
            && redirected.is_empty()
    }
}

/// What became of an insert whose transaction was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertOutcome {
    /// It is safe.
    Stored,
    /// The same message waits already, under this id; nothing was added.
    Duplicate(MessageId),
    /// The recipient's inbox is full; nothing was added.
    InboxFull,
}

/// Which rows of a user a page is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFilter {
    /// All that wait.
    All,
    /// Those that wait for [`WaitReason::Behind`].
    Behind,
}

/// Asks for the oldest rows of a user.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Whose.
    pub user: UserId,
    /// Only rows with a larger sequence number; 0 for all.
    pub after_seq: u64,
    /// At most so many rows.
    pub max_rows: u32,
    /// Stop after the row with which the costs ([`Envelope::cost`]) exceed this; at least one row comes.
    pub max_bytes: usize,
    /// Which.
    pub filter: PageFilter,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// Arrival order over all rows, from 1.
    pub seq: u64,
    /// The message, exactly as inserted.
    pub envelope: Arc<Envelope>,
    /// Why it waits.
    pub reason: WaitReason,
}

/// The oldest rows, in the order of their sequence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<StoredRow>,
    /// No row that fits the request was left out.
    pub exhausted: bool,
}

/// A row that was looked for by its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The message.
    pub envelope: Arc<Envelope>,
    /// Why it waits.
    pub reason: WaitReason,
    /// Where it goes, of what waits for [`WaitReason::Forward`].
    pub home: Option<DomainName>,
}

/// Asks for rows that a node moved and does not move any more.
#[derive(Debug, Clone)]
pub struct TakeOver {
    /// Whose they become.
    pub node: Option<NodeInstance>,
    /// Nodes that live and go on moving theirs.
    pub spared: Vec<NodeInstance>,
    /// Rows that wait for [`WaitReason::Forward`] to this domain; without it those that wait for [`WaitReason::Fault`].
    pub home: Option<DomainName>,
    /// Rows with this reason and a larger sequence number.
    pub after_seq: u64,
    /// At most so many rows.
    pub max_rows: u32,
    /// Stop after the row with which the costs ([`Envelope::cost`]) exceed this; at least one row comes.
    pub max_bytes: usize,
}

/// A message that arrived lately and may be repeated by its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeatable {
    /// The message.
    pub id: MessageId,
    /// Its sender.
    pub from: UserId,
    /// Its recipient.
    pub to: UserId,
    /// The sender's reference.
    pub reference: Box<str>,
    /// When it arrived, ms since the epoch.
    pub arrived_ms: u64,
}

/// Asks how many rows wait for a user.
#[derive(Debug, Clone)]
pub struct CountRequest {
    /// Whose.
    pub user: UserId,
    /// Rows not to count, whether they exist or not.
    pub except: Vec<MessageId>,
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is away, full or read-only: try again when it is back. Nothing was changed.
    #[error("the store is away: {0}")]
    Away(String),
    /// The answer was lost: the transaction may have been committed. Repeating the same batch is safe: an id that is there already is `Stored`.
    #[error("the store did not answer: {0}")]
    Uncertain(String),
}

/// Keeps messages until their delivery is proven. All methods may be called at once; `apply` by one caller at a time.
pub trait Store: Records {
    /// Makes the changes and answers, in the order of the inserts, once they are on disk. Inserting an id that is there already is `Stored` and
    /// changes nothing, unless the message has left more domains than the one there ([`Envelope::hops`]): then it takes that one's place, also where the inbox is full, and where that
    /// one waits for [`WaitReason::Forward`] also for its own reason, and as its own node's. Of events ([`crate::envelope::Kind::is_event`]) to one recipient about one user only the newest, by arrival, is kept; the others
    /// are `Stored` all the same.
    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>>;

    /// The oldest rows of a user.
    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// Rows that wait for [`WaitReason::Fault`], or for [`WaitReason::Forward`] to `home`, and whose node is none of `spared` become `node`'s, oldest first. Each is told to one of those who
    /// ask at the same time, if they spare each other; rows that another one is just taking or changing are passed over, also where the page is
    /// `exhausted`: ask again now and then.
    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// How many rows wait for [`WaitReason::Forward`], by domain, leaving out those of the nodes `spared`. Domains for which none waits may be left out.
    fn backlog(&self, spared: Vec<NodeInstance>)
    -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>>;

    /// The next `max` users for whom anything waits, in the order of the texts of their ids, behind `after`; from the first without it.
    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>>;

    /// These users live elsewhere by now. With a domain, all that waits for the user waits for [`WaitReason::Forward`] to it from now on; without one, what waits for
    /// [`WaitReason::Forward`] waits for [`WaitReason::Fault`]. What is changed by that is nobody's; what waits so already stays as it is.
    /// Every user is named once. Not one transaction: after an error some may have moved, and repeating it is safe.
    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The row of this id, whoever's it is.
    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>>;

    /// How many rows wait for each of these users, kinds of all sorts included.
    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>>;

    /// Removes up to `max_rows` of the oldest rows that arrived before `before_ms`, and tells which, oldest first; the oldest by when they arrived, or by when
    /// their messages were made. Called now and then, it is also
    /// where an adapter does its housekeeping.
    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>>;

    /// The newest rows that arrived at `since_ms` or later and can be repeated ([`Envelope::dedupe_reference`]), at most `max_rows`, newest
    /// first and without their bodies: what a node that starts must recognise.
    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>>;

    /// The node stops: nothing more is asked. Whatever can be tidied up is.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Whether a write would be taken now; changes nothing that can be seen.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
