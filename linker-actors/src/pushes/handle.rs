//! What a host does with pushes.

use std::collections::HashSet;
use std::sync::Arc;

use linker_core::code::{ErrorCode, FrameError};
use linker_core::envelope::Feature;
use linker_core::id::{AppName, UserId};
use linker_core::port::{Expected, RecordWrite, StoreError};
use serde::Serialize;

use super::records::{
    Job, KEPT_MS, Open, OpenPart, Outcome, Part, Target, job_key, open_key, part_key, part_prefix, read,
    write,
};
use crate::handle::LinkerHandle;
use crate::runtime::ids::random_u64;
use crate::session::WAITS;

/// Users of one push.
const USERS_MAX: usize = 1_000_000;
/// Users of one part of a list.
const PART_USERS: usize = 1000;
/// Parts written in one transaction.
const PARTS_AT_ONCE: usize = 50;
/// Parts read at once.
const PARTS_READ: u32 = 20;

/// To whom a push goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTarget {
    /// To these, wherever they live, now or when they come.
    Users(Vec<UserId>),
    /// To those of this app's users who have a session in this domain when their node comes to it.
    App(AppName),
    /// To all who have a session in this domain.
    All,
}

/// A push to make.
#[derive(Debug, Clone)]
pub struct NewPush {
    /// To whom.
    pub target: PushTarget,
    /// JSON.
    pub content: Box<serde_json::value::RawValue>,
    /// In whose name; without it each app's master's.
    pub from: Option<UserId>,
    /// RELIABLE or FAST.
    pub feature: Feature,
    /// Its id, 1 to 64 of `A-Z a-z 0-9 -`, so that making it again changes nothing; `None`: a new one.
    pub id: Option<String>,
    /// Tells it from others, a digest of it say: made again with the same id and another of these it is [`PushError::OtherRequest`]. `None`: whatever has this id is the same.
    pub fingerprint: Option<String>,
    /// The apps to which who makes it is bound, to be found in its report; empty: to none.
    pub apps: Vec<AppName>,
}

/// How far a push is. Users by what became of their message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// When it was made, ms since the epoch.
    pub created_ms: u64,
    /// All that are known, and one more while nobody is pending and not all nodes have come to it: of a push to who is online it grows until they have.
    pub total: u64,
    /// Delivery was proven, or of FAST handed to a session.
    pub delivered: u64,
    /// On the disk, and delivered when its user comes.
    pub stored: u64,
    /// Handed to the next domain.
    pub forwarded: u64,
    /// FAST, and nobody was there.
    pub dropped: u64,
    /// Refused: the inbox is full, say.
    pub refused: u64,
    /// Not come to yet.
    pub pending: u64,
    /// Every part is done.
    pub is_done: bool,
    /// [`NewPush::apps`].
    pub apps: Vec<AppName>,
}

/// A user who has not got a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    /// Who.
    pub user_id: String,
    /// `pending`, `stored`, `forwarded`, `dropped` or `refused`.
    pub state: &'static str,
}

/// Why a push is not made, or not told of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// What a message would be refused for.
    #[error("{0}")]
    Refused(FrameError),
    /// Another push was made with this id.
    #[error("another push was made with this id")]
    OtherRequest,
    /// No push of this id is kept.
    #[error("no push of this id is kept")]
    Unknown,
    /// It is not done yet.
    #[error("the push is not done yet")]
    Running,
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LinkerHandle {
    /// Makes a push, and answers its id once it is safe in the store.
    ///
    /// # Errors
    /// [`PushError`]; nothing is sent.
    pub async fn push(&self, push: NewPush) -> Result<String, PushError> {
        if self.node().admission.is_waiting() {
            return Err(PushError::Refused(FrameError::new(ErrorCode::Unavailable, WAITS)));
        }
        if let Some(from) = &push.from {
            self.node()
                .directory()
                .check_sender(from)
                .map_err(PushError::Refused)?;
        }
        let now_ms = self.node().clock.now().unix_ms;
        let expires_ms = now_ms + KEPT_MS;
        let id = match push.id {
            Some(id) => {
                let id = checked_id(id)?;
                match self.read_push(&id).await {
                    Ok((job, _)) => return same_push(id, &job, push.fingerprint.as_ref()),
                    Err(PushError::Unknown) => id,
                    Err(error) => return Err(error),
                }
            }
            None => format!("{:016x}{:016x}", random_u64(), random_u64()),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut open = Open::default();
        let target = match push.target {
            PushTarget::Users(users) => {
                let users = self.checked_users(&users, push.from.as_ref())?;
                open.counts.total = users.len() as u64;
                parts.extend(users.chunks(PART_USERS).map(|users| Part {
                    users: users.iter().map(ToString::to_string).collect(),
                    outcomes: String::new(),
                }));
                open.parts
                    .extend((0..parts.len() as u32).map(|number| open_part(number, None)));
                Target::List
            }
            PushTarget::App(app) => {
                self.check_sender(&[app], push.from.as_ref())?;
                open.parts = self.parts_of_nodes();
                Target::App(app.to_string())
            }
            PushTarget::All => {
                let apps: Vec<AppName> = self
                    .node()
                    .directory()
                    .apps()
                    .iter()
                    .map(|app| app.app_name)
                    .collect();
                self.check_sender(&apps, push.from.as_ref())?;
                open.parts = self.parts_of_nodes();
                Target::All
            }
        };
        let job = Job {
            content: push.content,
            fast: push.feature == Feature::Fast,
            from: push.from.map(|from| from.to_string()),
            target,
            created: now_ms,
            counts: None,
            parts: open.parts.len() as u32,
            fingerprint: push.fingerprint.clone(),
            apps: push.apps.iter().map(ToString::to_string).collect(),
        };
        let numbered: Vec<(u32, Part)> = (0..).zip(parts).collect();
        for some in numbered.chunks(PARTS_AT_ONCE) {
            let new = |(number, part): &(u32, Part)| {
                write(part_key(&id, *number), Expected::Nothing, part, expires_ms)
            };
            if self.write(some.iter().map(new).collect()).await? {
                continue;
            }
            // Another request of this id is being carried out, or was given up half-way: what is there stays.
            for one in some {
                self.write(vec![new(one)]).await?;
            }
        }
        // It is there once this is, with all its parts.
        let begin = vec![
            write(job_key(&id), Expected::Nothing, &job, expires_ms),
            write(open_key(&id), Expected::Nothing, &open, expires_ms),
        ];
        if self.write(begin).await? {
            self.node().wake_pushes();
            return Ok(id);
        }
        // Another request of this id was faster.
        let (first, _) = self.read_push(&id).await?;
        same_push(id, &first, push.fingerprint.as_ref())
    }

    /// How far a push is, for a day.
    ///
    /// # Errors
    /// [`PushError::Unknown`], [`PushError::Store`].
    pub async fn push_report(&self, id: &str) -> Result<PushReport, PushError> {
        let (job, open) = self.read_push(id).await?;
        Ok(report(&job, open.as_ref()))
    }

    /// Pushes that are kept, by id, at most `max` behind `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pushes(&self, after: &str, max: u32) -> Result<Vec<(String, PushReport)>, StoreError> {
        let prefix = job_key("");
        let store = self.store();
        let (from, behind) = (
            prefix.clone(),
            if after.is_empty() {
                String::new()
            } else {
                job_key(after)
            },
        );
        let listed = self
            .ask(async move { store.list_records(from, behind, max).await })
            .await?;
        let ids: Vec<String> = listed
            .iter()
            .filter_map(|record| Some(record.key.strip_prefix(&prefix)?.to_owned()))
            .collect();
        let store = self.store();
        let keys = ids.iter().map(|id| open_key(id)).collect();
        let open = self.ask(async move { store.read_records(keys).await }).await?;
        let reports = listed.iter().zip(ids).filter_map(|(record, id)| {
            let job: Job = read(record)?;
            let key = open_key(&id);
            let open: Option<Open> = open.iter().find(|open| open.key == key).and_then(read);
            Some((id, report(&job, open.as_ref())))
        });
        Ok(reports.collect())
    }

    /// The next users who have not got it, part by part: from part `part` on, which is 0 at first. Answers them and the part to go on with, if there is one.
    ///
    /// # Errors
    /// [`PushError::Unknown`], [`PushError::Store`].
    pub async fn push_undelivered(
        &self,
        id: &str,
        part: u32,
    ) -> Result<(Vec<Undelivered>, Option<u32>), PushError> {
        if part == 0 {
            self.read_push(id).await?;
        }
        let (store, prefix) = (self.store(), part_prefix(id));
        let after = match part.checked_sub(1) {
            Some(before) => part_key(id, before),
            None => String::new(),
        };
        let parts = self
            .ask(async move { store.list_records(prefix, after, PARTS_READ).await })
            .await?;
        let last = parts.last().and_then(|record| number_of(&record.key));
        let next = last
            .filter(|_| parts.len() == PARTS_READ as usize)
            .map(|last| last + 1);
        let parts = parts.iter().filter_map(read::<Part>);
        let undelivered = parts.flat_map(|part| {
            let outcomes = part.outcomes;
            let mut letters = outcomes.chars().collect::<Vec<_>>().into_iter();
            part.users.into_iter().filter_map(move |user_id| {
                let state = match Outcome::of(letters.next().unwrap_or('p')) {
                    Outcome::Delivered => return None,
                    Outcome::Pending => "pending",
                    Outcome::Stored => "stored",
                    Outcome::Forwarded => "forwarded",
                    Outcome::Dropped | Outcome::Unknown => "dropped",
                    Outcome::Refused => "refused",
                };
                Some(Undelivered { user_id, state })
            })
        });
        Ok((undelivered.collect(), next))
    }

    /// Sends a push that is done again to those who were not there and those who were refused; what is stored or forwarded is on its way already. Answers to how many.
    ///
    /// # Errors
    /// [`PushError::Running`] while it is not done, [`PushError::Unknown`], [`PushError::Store`].
    pub async fn retry_push(&self, id: &str) -> Result<u64, PushError> {
        let store = self.store();
        let keys = vec![job_key(id), open_key(id)];
        let found = self.ask(async move { store.read_records(keys).await }).await?;
        let of = |key: String| found.iter().find(move |record| record.key == key);
        let job_record = of(job_key(id)).ok_or(PushError::Unknown)?;
        let mut job: Job = read(job_record).ok_or(PushError::Unknown)?;
        if job.counts.is_none() || of(open_key(id)).is_some() {
            return Err(PushError::Running);
        }
        let mut open = Open::default();
        let (mut lost, mut after) = (0, String::new());
        loop {
            let (store, from, behind) = (self.store(), part_prefix(id), after.clone());
            let parts = self
                .ask(async move { store.list_records(from, behind, PARTS_READ).await })
                .await?;
            let Some(last) = parts.last() else { break };
            after = last.key.clone();
            let mut writes = Vec::new();
            for record in &parts {
                let (Some(mut part), Some(number)) = (read::<Part>(record), number_of(&record.key)) else {
                    continue;
                };
                let before = lost;
                let mut outcomes: Vec<Outcome> = part.outcomes.chars().map(Outcome::of).collect();
                for outcome in &mut outcomes {
                    if outcome.is_lost() {
                        *outcome = Outcome::Pending;
                    }
                    lost += u64::from(*outcome == Outcome::Pending);
                    open.counts.total += 1;
                    open.counts.note(*outcome);
                }
                if lost > before {
                    part.outcomes = outcomes.iter().map(|outcome| outcome.letter()).collect();
                    let expected = Expected::Version(record.version);
                    writes.push(write(record.key.clone(), expected, &part, record.expires_ms));
                    open.parts.push(open_part(number, None));
                }
            }
            // Another retry is at it.
            if !self.write(writes).await? {
                return Err(PushError::Running);
            }
        }
        if lost == 0 {
            return Ok(0);
        }
        job.counts = None;
        job.target = Target::List;
        let again = vec![
            write(
                job_key(id),
                Expected::Version(job_record.version),
                &job,
                job_record.expires_ms,
            ),
            write(open_key(id), Expected::Nothing, &open, job_record.expires_ms),
        ];
        if !self.write(again).await? {
            return Err(PushError::Running);
        }
        self.node().wake_pushes();
        Ok(lost)
    }

    async fn read_push(&self, id: &str) -> Result<(Job, Option<Open>), PushError> {
        let (store, keys) = (self.store(), vec![job_key(id), open_key(id)]);
        let found = self.ask(async move { store.read_records(keys).await }).await?;
        let of = |key: String| found.iter().find(move |record| record.key == key);
        let job = of(job_key(id)).and_then(read).ok_or(PushError::Unknown)?;
        Ok((job, of(open_key(id)).and_then(read)))
    }

    async fn write(&self, writes: Vec<RecordWrite>) -> Result<bool, StoreError> {
        let store = self.store();
        self.ask(async move { store.write_records(writes).await }).await
    }

    /// On the runtime of backends.
    async fn ask<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.node()
            .backend
            .spawn(asking)
            .await
            .unwrap_or_else(|error| Err(StoreError::Away(error.to_string())))
    }

    /// Each once, and each somebody who may be written to.
    fn checked_users(&self, users: &[UserId], from: Option<&UserId>) -> Result<Vec<UserId>, PushError> {
        if users.is_empty() {
            return Err(field("to", "must name at least one user"));
        }
        if users.len() > USERS_MAX {
            return Err(PushError::Refused(FrameError::new(
                ErrorCode::TooManyRecipients,
                format!("`to` names {} users; {USERS_MAX} are allowed", users.len()),
            )));
        }
        let directory = Arc::clone(&self.node().directory());
        let mut seen = HashSet::with_capacity(users.len());
        let mut once = Vec::with_capacity(users.len());
        for (index, user) in users.iter().enumerate() {
            if !seen.insert(*user) {
                continue;
            }
            let app = directory.app_of(user.app());
            let master = app.and_then(|app| app.master);
            let from = from.or(master.as_ref());
            if from.is_none() && app.is_some() {
                return Err(no_sender(user.app()));
            }
            if let Err(error) = directory.check_recipient(from.unwrap_or(user), user) {
                return Err(PushError::Refused(FrameError::new(
                    ErrorCode::from(&error),
                    format!("to[{index}]: {user}: {error}"),
                )));
            }
            once.push(*user);
        }
        Ok(once)
    }

    /// Whether there is somebody in whose name these apps' users can be written to.
    fn check_sender(&self, apps: &[AppName], from: Option<&UserId>) -> Result<(), PushError> {
        let directory = self.node().directory();
        for name in apps {
            let Some(app) = directory.app_of(name) else {
                return Err(PushError::Refused(FrameError::new(
                    ErrorCode::UnknownUser,
                    format!("no client app has the users of {name}"),
                )));
            };
            if from.is_none() && app.master.is_none() {
                return Err(no_sender(name));
            }
        }
        Ok(())
    }

    /// One for each node that lives: it alone knows who is there.
    fn parts_of_nodes(&self) -> Vec<OpenPart> {
        let node = self.node();
        let others = node.cluster.as_ref().map(|cluster| cluster.members.load_full());
        let others = others.iter().flat_map(|members| members.iter());
        let others = others
            .filter(|record| record.node != node.me)
            .map(|record| record.node.to_string());
        (0..)
            .zip(std::iter::once(node.me.to_string()).chain(others))
            .map(|(number, node)| open_part(number, Some(node)))
            .collect()
    }
}

fn number_of(key: &str) -> Option<u32> {
    key.rsplit_once('/')?.1.parse().ok()
}

/// Answers the id where the push that has it is the one that is made again.
fn same_push(id: String, first: &Job, fingerprint: Option<&String>) -> Result<String, PushError> {
    let differs = |(first, again): (&String, &String)| first != again;
    match first.fingerprint.as_ref().zip(fingerprint).is_some_and(differs) {
        true => Err(PushError::OtherRequest),
        false => Ok(id),
    }
}

fn open_part(number: u32, node: Option<String>) -> OpenPart {
    OpenPart {
        number,
        node,
        lease: None,
    }
}

/// `open`: as long as it is not done.
fn report(job: &Job, open: Option<&Open>) -> PushReport {
    let counts = open.map(|open| open.counts).or(job.counts).unwrap_or_default();
    // Whoever waits until nothing is pending is not to stop before it has begun.
    let is_begun = counts.pending() > 0 || open.is_none_or(|open| open.parts.is_empty());
    let not_come_to = u64::from(!is_begun);
    PushReport {
        created_ms: job.created,
        total: counts.total + not_come_to,
        delivered: counts.delivered,
        stored: counts.stored,
        forwarded: counts.forwarded,
        dropped: counts.dropped,
        refused: counts.refused,
        pending: counts.pending() + not_come_to,
        is_done: open.is_none(),
        apps: job.apps.iter().filter_map(|app| app.parse().ok()).collect(),
    }
}

fn checked_id(id: String) -> Result<String, PushError> {
    let is_good = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_good {
        true => Ok(id),
        false => Err(field("id", "must be 1 to 64 letters, digits and hyphens")),
    }
}

fn field(name: &str, wrong: &'static str) -> PushError {
    PushError::Refused(FrameError::field(name, wrong))
}

fn no_sender(app: &AppName) -> PushError {
    PushError::Refused(FrameError::new(
        ErrorCode::InvalidField,
        format!("`from`: the app {app} has no master, so a sender must be given"),
    ))
}
