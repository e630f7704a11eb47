//! What must hold in every world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use linker_core::envelope::{Envelope, Kind};
use linker_core::id::{MessageId, SessionId, UserId};
use serde_json::Value;

use super::plan::Plan;

/// For so long a repetition may be answered by a confirmation that came before.
const CONFIRMED_LATELY: Duration = Duration::from_secs(2);

/// A message of a client, as it meant it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) from: UserId,
    pub(crate) reliable: bool,
    pub(crate) confirm: bool,
    pub(crate) content: String,
    pub(crate) frame: String,
    pub(crate) accepted: bool,
    pub(crate) confirmed: u32,
    /// It was sent once more since it was last confirmed.
    pub(crate) asked_again: bool,
    /// When a session first proved it.
    pub(crate) proven_at: Option<Duration>,
    pub(crate) confirmed_at: Option<Duration>,
}

impl Message {
    /// It is one message however often it is sent.
    pub(crate) fn has_reference(&self) -> bool {
        self.reliable && self.frame.contains("\"reference\"")
    }
}

impl Default for Message {
    fn default() -> Self {
        Self {
            from: super::client::user(0),
            reliable: false,
            confirm: false,
            content: String::new(),
            frame: String::new(),
            accepted: false,
            confirmed: 0,
            asked_again: false,
            proven_at: None,
            confirmed_at: None,
        }
    }
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, Default)]
struct Fate {
    /// How often the node took it or recognised it.
    submits: u32,
    /// The sender's connection, and the how-manieth the message was on it.
    order: (usize, u32),
    /// The node that took it.
    place: usize,
    /// A crash may have lost it.
    crashed: bool,
    /// It had to be stored.
    stored: bool,
    /// The node did not take it, or did not keep it.
    refused: bool,
    received: u32,
}

/// A session of a user, as the node saw it.
#[derive(Debug, Default)]
struct Seen {
    replay: bool,
    /// Another session of the user was there at the same time.
    overlapped: bool,
    /// It was live and fell behind.
    fell_behind: bool,
    ended: bool,
    user: Option<UserId>,
    /// Messages that came, in order.
    received: Vec<u32>,
    ids: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(crate) messages: Vec<Message>,
    fates: BTreeMap<(u32, UserId), Fate>,
    sessions: BTreeMap<usize, Seen>,
    submitted: u32,
    ids: BTreeMap<MessageId, (u32, UserId)>,
    pub(crate) events: u64,
    pub(crate) a_router_panicked: bool,
    /// Then what waits in memory for it may come after live messages, also where these follow a replay.
    pub(crate) store_was_away: bool,
    /// Then what sessions held at that time is stored when they give it back, behind later ones.
    pub(crate) an_inbox_was_full: bool,
    /// Something went wrong between nodes: then order is not promised.
    nodes_suffer: bool,
    nodes_seem_dead: bool,
    several_nodes: bool,
}

/// Whether order is asserted for sessions with `replay` where something goes wrong between nodes, too.
fn order_under_faults() -> bool {
    std::env::var_os("ORDER_UNDER_FAULTS").is_some_and(|value| value == "1")
}

fn number_in(content: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(content).ok()?;
    let digits = text.strip_prefix(r#"{"n":"#)?.split(',').next()?;
    digits.parse().ok()
}

impl Checker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            several_nodes: plan.nodes > 1,
            nodes_suffer: plan.nodes_suffer(),
            nodes_seem_dead: plan.nodes_seem_dead(),
            ..Self::default()
        }
    }

    /// The node has taken a message from a client, or recognises it.
    pub(crate) fn submitted(&mut self, envelope: &Envelope, session: SessionId, place: usize, now: Duration) {
        self.submitted += 1;
        if !matches!(envelope.kind, Kind::Message | Kind::GroupMessage) {
            return;
        }
        let number = number_in(&envelope.content).expect("a number");
        let fate = self.fates.entry((number, envelope.to)).or_default();
        self.ids.insert(envelope.id, (number, envelope.to));
        fate.submits += 1;
        let message = &mut self.messages[number as usize];
        // While a confirmation is on its way, what it is for waits in the store still, and is not confirmed twice.
        let lately = message.confirmed_at.is_some_and(|at| at + CONFIRMED_LATELY > now);
        message.asked_again = fate.submits > 1 && !lately;
        fate.crashed = false;
        fate.place = place;
        fate.order = (session.0 as usize, self.submitted);
    }

    pub(crate) fn stored(&mut self, envelope: &Envelope) {
        let number = number_in(&envelope.content);
        if let Some(fate) = number.and_then(|number| self.fates.get_mut(&(number, envelope.to))) {
            fate.stored = true;
        }
    }

    /// A node was killed, and with it these connections.
    pub(crate) fn crashed(&mut self, place: usize, connections: &[usize]) {
        for fate in self.fates.values_mut().filter(|fate| fate.place == place) {
            fate.crashed = true;
        }
        for connection in connections {
            if let Some(seen) = self.sessions.get_mut(connection) {
                seen.ended = true;
            }
        }
    }

    pub(crate) fn registered(&mut self, user: UserId, session: SessionId, replay: bool) {
        let mut overlapped = false;
        for other in self.sessions.values_mut() {
            if other.user == Some(user) && !other.ended {
                other.overlapped = true;
                overlapped = true;
            }
        }
        let seen = self.sessions.entry(session.0 as usize).or_default();
        seen.user = Some(user);
        seen.replay = replay;
        seen.overlapped = overlapped;
    }

    pub(crate) fn fell_behind(&mut self, connection: usize) {
        if let Some(seen) = self.sessions.get_mut(&connection) {
            seen.fell_behind = true;
        }
    }

    pub(crate) fn left(&mut self, _: UserId, session: SessionId) {
        if let Some(seen) = self.sessions.get_mut(&(session.0 as usize)) {
            seen.ended = true;
        }
    }

    /// A client has read a message.
    pub(crate) fn received(&mut self, user: UserId, connection: usize, frame: &Value, json: &str) {
        let number = frame["data"]["content"]["n"].as_u64().expect("a number") as u32;
        let message = &self.messages[number as usize];
        assert_eq!(frame["data"]["from"], message.from.to_string(), "{json}");
        assert!(json.contains(&message.content), "the content changed: {json}");
        let fate = self
            .fates
            .get_mut(&(number, user))
            .expect("it was sent to this user");
        fate.received += 1;
        let seen = self.sessions.entry(connection).or_default();
        let id = frame["id"].as_str().expect("an id").to_owned();
        let again = !seen.ids.insert(id);
        assert!(
            !again || self.a_router_panicked || self.nodes_seem_dead,
            "connection {connection} got message {number} twice"
        );
        if !again {
            self.check_order(user, connection, number);
        }
        if let Some(seen) = self.sessions.get_mut(&connection) {
            seen.received.push(number);
        }
    }

    /// Messages of one sender to one recipient with the same feature come in the order sent.
    fn check_order(&self, user: UserId, connection: usize, number: u32) {
        let Some(seen) = self.sessions.get(&connection) else {
            return;
        };
        let fate = &self.fates[&(number, user)];
        if self.a_router_panicked || fate.submits != 1 || (self.nodes_suffer && !order_under_faults()) {
            return;
        }
        let excused = seen.overlapped || self.store_was_away || self.an_inbox_was_full;
        // Known limits of several nodes: what one held for a session that moved on, and what came to one that turned out to be behind.
        let limits = self.several_nodes && !order_under_faults();
        let excused = excused || limits && seen.fell_behind;
        let strict = seen.replay && !excused;
        for &earlier in &seen.received {
            let before = &self.fates[&(earlier, user)];
            let same = before.submits == 1
                && before.order.0 == fate.order.0
                && self.messages[earlier as usize].reliable == self.messages[number as usize].reliable;
            let moved = limits && (before.received > 1 || fate.received > 1);
            let live = !self.nodes_suffer && !before.stored && !fate.stored && !seen.overlapped;
            if same && before.order.1 > fate.order.1 {
                assert!(
                    !(live || strict && !moved),
                    "connection {connection} got message {earlier} before message {number}, which was sent first"
                );
            }
        }
    }

    pub(crate) fn accepted(&mut self, user: UserId, number: u32) {
        let message = &mut self.messages[number as usize];
        assert_eq!(message.from, user, "somebody else's message was accepted");
        message.accepted = true;
    }

    pub(crate) fn confirmed(&mut self, user: UserId, number: u32, now: Duration) {
        let received = self
            .fates
            .range((number, super::client::user(0))..)
            .take_while(|((of, _), _)| *of == number)
            .any(|(_, fate)| fate.received > 0);
        let message = &mut self.messages[number as usize];
        assert_eq!(message.from, user, "somebody else's message was confirmed");
        assert!(message.confirm, "message {number} was confirmed unasked");
        assert!(received, "message {number} was confirmed and never received");
        message.confirmed += 1;
        message.asked_again = false;
        message.confirmed_at = Some(now);
    }

    /// A session has proven something.
    pub(crate) fn proven(&mut self, id: MessageId, now: Duration) {
        if let Some((number, _)) = self.ids.get(&id) {
            self.messages[*number as usize].proven_at.get_or_insert(now);
        }
    }

    /// Whoever is connected since before a message was proven has its confirmation by now, and need do nothing for it. `since`: since when a user is.
    pub(crate) fn confirmed_who_stayed(&self, since: impl Fn(UserId) -> Option<Duration>) {
        for (number, message) in self.messages.iter().enumerate() {
            let stayed = |proven| since(message.from).is_some_and(|since| since < proven);
            // Sent again by another node, it may have been proven as another message than the one that waits.
            let of_it = self.fates.iter().filter(|((of, _), _)| *of as usize == number);
            let once = of_it.map(|(_, fate)| fate.submits).sum::<u32>() == 1;
            let owed = once && message.confirm && message.reliable;
            let due = owed && message.proven_at.is_some_and(stayed);
            assert!(
                !due || message.confirmed > 0,
                "message {number} was proven, and its sender was not told though it is there"
            );
        }
    }

    /// A client has read that a message of its own was not taken, or not kept.
    pub(crate) fn told_of_refusal(&mut self, number: u32) {
        for ((of, _), fate) in &mut self.fates {
            fate.refused |= *of == number;
        }
        self.messages[number as usize].asked_again = false;
    }

    /// Whether this is a repetition of what its recipient has had.
    pub(crate) fn has_had(&self, envelope: &Envelope) -> bool {
        if let Some(number) = number_in(&envelope.content) {
            let fate = self.fates.get(&(number, envelope.to));
            return fate.is_some_and(|fate| fate.received > 0);
        }
        let reference = envelope
            .reference
            .as_deref()
            .and_then(|text| text.strip_prefix('r'));
        let number = reference.and_then(|digits| digits.parse::<usize>().ok());
        let message = number.and_then(|number| self.messages.get(number));
        envelope.kind == Kind::Confirmation && message.is_some_and(|message| message.confirmed > 0)
    }

    /// A repetition gets no word of its own: what is told of the first, by whichever node has that, is told of both.
    pub(crate) fn is_one_with_the_first(&mut self, id: MessageId) {
        if let Some((number, _)) = self.ids.get(&id) {
            self.messages[*number as usize].asked_again = false;
        }
    }

    /// The node has told, or tried to tell, that it did not take a message.
    pub(crate) fn refused(&mut self, id: MessageId) {
        let Some(key) = self.ids.get(&id) else {
            return;
        };
        self.messages[key.0 as usize].asked_again = false;
        if let Some(fate) = self.fates.get_mut(key) {
            fate.refused = true;
        }
    }

    /// Everybody has come back and has been sent everything but what is `fetchable` still.
    pub(crate) fn at_the_end(&self, fetchable: &[MessageId]) {
        let waiting: BTreeSet<_> = fetchable.iter().filter_map(|id| self.ids.get(id)).collect();
        let waits = |(id, _): &(&MessageId, _)| fetchable.contains(&id.of_confirmation());
        let unread: BTreeSet<_> = self.ids.iter().filter(waits).map(|(_, key)| key).collect();
        for ((number, to), fate) in &self.fates {
            let message = &self.messages[*number as usize];
            if !message.reliable {
                continue;
            }
            let told = message.accepted || message.confirmed > 0;
            let due = told || (!fate.crashed && !fate.refused);
            assert!(
                !due || fate.received > 0 || waiting.contains(&(*number, *to)),
                "message {number} to {to} was never received (accepted {}, {fate:?})",
                message.accepted
            );
            let owed = message.confirm
                && fate.received > 0
                && !waiting.contains(&(*number, *to))
                && !unread.contains(&(*number, *to))
                && (message.accepted || (!fate.crashed && !fate.refused));
            assert!(
                !owed || message.confirmed > 0,
                "message {number} to {to} was delivered and never confirmed ({fate:?})"
            );
            assert!(
                !owed || !message.asked_again,
                "message {number} to {to} was sent again and not confirmed again ({fate:?})"
            );
        }
    }
}
