//! What became of each message, told by everybody who sees something of it: clients and links.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::Outcome;
use crate::names::{Run, shown};

/// Messages that are remembered; of older ones nothing is shown any more.
const MESSAGES_MAX: usize = 1000;

const PREFIX: &str = "way-";
const NUMBER_LEN: usize = 8;
/// Bytes of every reference.
pub(crate) const MARK_LEN: usize = PREFIX.len() + 8 + 1 + NUMBER_LEN;

/// How references of this run look: of one length, so that they are found in bytes that pass by.
#[derive(Debug, Clone)]
pub(crate) struct Mark(String);

impl Mark {
    /// `run`: 8 letters.
    pub(crate) fn new(run: &str) -> Self {
        Self(format!("{PREFIX}{run}-"))
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn reference(&self, message: u32) -> String {
        format!("{}{message:0NUMBER_LEN$x}", self.0)
    }

    pub(crate) fn number_in(&self, reference: &[u8]) -> Option<u32> {
        let number = reference.strip_prefix(self.prefix())?;
        u32::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
    }
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    sent: Instant,
    /// The directions of links that it passed, in order.
    pub(crate) way: Vec<(usize, usize)>,
    pub(crate) accepted: Option<Duration>,
    /// After how long, and as which of all that were delivered.
    pub(crate) delivered: Option<(Duration, u64)>,
    /// The way of the confirmation.
    way_back: Vec<(usize, usize)>,
    pub(crate) confirmed: Option<Duration>,
    refused: Option<String>,
}

#[derive(Debug, Default)]
struct Entries {
    messages: BTreeMap<u32, Message>,
    sent: u32,
    delivered: u64,
}

/// All messages of this run.
#[derive(Debug)]
pub(crate) struct Journal {
    mark: Mark,
    entries: Mutex<Entries>,
    changes: watch::Sender<()>,
}

impl Journal {
    pub(crate) fn new(run: Run) -> Self {
        Self {
            mark: Mark::new(&run.to_string()),
            entries: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    /// Another message: its number and its reference.
    pub(crate) fn sent(&self) -> (u32, String) {
        let mut entries = self.entries();
        entries.sent += 1;
        let number = entries.sent;
        let message = Message {
            sent: Instant::now(),
            way: Vec::new(),
            accepted: None,
            delivered: None,
            way_back: Vec::new(),
            confirmed: None,
            refused: None,
        };
        entries.messages.insert(number, message);
        if entries.messages.len() > MESSAGES_MAX {
            entries.messages.pop_first();
        }
        (number, self.mark.reference(number))
    }

    /// It was seen on a link, or, once it is delivered, its confirmation was.
    pub(crate) fn passed(&self, number: u32, direction: (usize, usize)) {
        self.note(number, |message, after| {
            let is_back = message.delivered.is_some();
            let way = if is_back {
                &mut message.way_back
            } else {
                &mut message.way
            };
            way.push(direction);
            let what = if is_back {
                "its confirmation"
            } else {
                "the message"
            };
            let (from, to) = direction;
            format!("{what} goes from {} to {}, {after}", shown(from), shown(to))
        });
    }

    /// The sender was told that it is safe.
    pub(crate) fn accepted(&self, reference: &str) {
        self.note_of(reference, |message, after| {
            message.accepted = Some(message.sent.elapsed());
            format!("accepted, {after}")
        });
    }

    /// The recipient has it.
    pub(crate) fn delivered(&self, reference: &str, user: &str, content: &str) {
        let nth = {
            let mut entries = self.entries();
            entries.delivered += 1;
            entries.delivered
        };
        self.note_of(reference, |message, after| {
            let again = if message.delivered.is_some() { " again" } else { "" };
            message.delivered.get_or_insert((message.sent.elapsed(), nth));
            format!(
                "{user} has it{again}, {after}, by {}: {content}",
                way(&message.way)
            )
        });
    }

    /// The sender was told that the recipient has it.
    pub(crate) fn confirmed(&self, reference: &str) {
        self.note_of(reference, |message, after| {
            message.confirmed = Some(message.sent.elapsed());
            format!("confirmed, {after}, by {}", way(&message.way_back))
        });
    }

    /// The sender was told that it is not taken.
    pub(crate) fn refused(&self, reference: &str, why: &str) {
        self.note_of(reference, |message, _| {
            message.refused = Some(why.to_owned());
            format!("refused: {why}")
        });
    }

    /// Waits until all is true of a message that is wanted; then says how it stands.
    pub(crate) async fn until(&self, number: u32, wanted: impl Fn(&Message) -> bool) -> Outcome<Message> {
        let mut changes = self.changes.subscribe();
        loop {
            let message = self.entries().messages.get(&number).cloned();
            let message = message.ok_or("a message is forgotten")?;
            if let Some(why) = message.refused {
                return Err(format!("#{number} was refused: {why}").into());
            }
            if wanted(&message) {
                return Ok(message);
            }
            changes.changed().await?;
        }
    }

    /// How a message stands now.
    pub(crate) fn message(&self, number: u32) -> Outcome<Message> {
        let message = self.entries().messages.get(&number).cloned();
        message.ok_or_else(|| "a message is forgotten".into())
    }

    fn note_of(&self, reference: &str, note: impl FnOnce(&mut Message, String) -> String) {
        if let Some(number) = self.mark.number_in(reference.as_bytes()) {
            self.note(number, note);
        }
    }

    fn note(&self, number: u32, note: impl FnOnce(&mut Message, String) -> String) {
        let mut entries = self.entries();
        let Some(message) = entries.messages.get_mut(&number) else {
            return;
        };
        let after = format!("{:.1} ms", message.sent.elapsed().as_secs_f64() * 1e3);
        // Still locked, so that lines come in the order in which things were noted.
        say!("#{number:<3} {}", note(message, after));
        drop(entries);
        self.changes.send_replace(());
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `01 – 02 – 03`; what went apart, or twice, is shown as the links it took.
fn way(links: &[(usize, usize)]) -> String {
    let Some((first, _)) = links.first() else {
        return "no link".into();
    };
    let name = |domain: usize| format!("{:02}", domain + 1);
    let follow = links.windows(2).all(|pair| pair[0].1 == pair[1].0);
    let are_new = links.iter().map(|(_, to)| to).collect::<HashSet<_>>().len() == links.len();
    if follow && are_new {
        let rest = links.iter().map(|(_, to)| format!(" – {}", name(*to)));
        return std::iter::once(name(*first)).chain(rest).collect();
    }
    let links = links
        .iter()
        .map(|(from, to)| format!("{} – {}", name(*from), name(*to)));
    links.collect::<Vec<_>>().join(", ")
}
