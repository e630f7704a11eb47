//! A part of a crowd that spans several processes and nodes: it stays logged in whatever happens, and writes to
//! random users of the whole when told to.
//!
//! It does what a correct client does: when a connection ends it comes back, to another node perhaps, and sends again
//! what has not been confirmed, under the same references. So in the end everything sent is confirmed, and has arrived.

mod ledger;
mod orders;
mod returning;
mod status;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};

use crate::cli::Feature;
use crate::clients::{Clients, End};
use crate::clock::{MS, SECOND};
use crate::error::LoadError;
use crate::protocol::LoginOptions;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::sockets::ClientId;
use crate::tally::{Latencies, Tally};
use crate::wire::{Incoming, MessageShape, MessageWriter, RunTag, Stamp};

use ledger::{Key, Ledger, UnderWay};
pub(crate) use orders::Order;
use returning::Returning;
pub(crate) use status::{Line, Report, Status};
use status::{count, taken};

const STATUS_EVERY_NS: u64 = SECOND;
/// A message that was refused is sent again after this time.
const AGAIN_AFTER_NS: u64 = SECOND;
/// Seconds' worth of messages that may be without confirmation.
const UNDER_WAY_SECONDS: f64 = 60.0;
/// Messages that have waited for longer are told one by one, but no more than so many.
const OVERDUE_NS: u64 = 10 * SECOND;
const OVERDUE_TOLD_MAX: usize = 5;
/// Tries to find a sender that is logged in.
const SENDER_TRIES: u32 = 16;
/// Messages written in one turn at most.
const SENT_A_TURN_MAX: u32 = 1000;
const OPTIONS: LoginOptions = LoginOptions {
    accepted: false,
    replay: true,
    group: None,
};

/// What a part of a crowd is.
#[derive(Clone, Debug)]
pub(crate) struct CrowdPlan {
    pub(crate) clients: u32,
    /// The first user's number within the crowd, and how many users all parts have together.
    pub(crate) first: u32,
    pub(crate) of: u32,
    /// Users are called `APP-NUMBER`, with this number for the crowd's first.
    pub(crate) app_name: String,
    pub(crate) first_user: u64,
    pub(crate) nodes: Vec<SocketAddr>,
    /// Characters of content.
    pub(crate) size: usize,
}

/// A running part.
pub(crate) struct Crowd {
    plan: CrowdPlan,
    orders: Receiver<Order>,
    tell: Box<dyn FnMut(Line)>,
    writer: MessageWriter,
    random: Random,
    ledger: Ledger,
    returning: Returning,
    refused: VecDeque<(u64, Key)>,
    /// Cumulative weights of the nodes; the last is their sum.
    weights: Vec<u32>,
    rate: f64,
    next_send_ns: f64,
    next_status_ns: u64,
    status: Status,
    /// Delivery, confirmation (as the answer), errors and why connections ended.
    tally: Tally,
    login: Latencies,
    back: Latencies,
    recipient: String,
    ended: bool,
}

impl Crowd {
    /// Takes orders from a channel, whose end is an order to end, and tells what it has to tell by `tell`.
    ///
    /// # Errors
    /// As [`Latencies::new`].
    pub(crate) fn new(
        plan: CrowdPlan,
        tag: RunTag,
        orders: Receiver<Order>,
        tell: Box<dyn FnMut(Line)>,
    ) -> Result<Self, LoadError> {
        let shape = MessageShape {
            feature: Feature::Reliable,
            size: plan.size,
            with_reference: true,
            with_confirmation: true,
            to_group: false,
        };
        Ok(Self {
            writer: MessageWriter::new(tag, shape),
            random: Random::seeded(plan.first),
            ledger: Ledger::new(plan.first, plan.clients),
            returning: Returning::default(),
            refused: VecDeque::new(),
            weights: (1..=plan.nodes.len() as u32).collect(),
            rate: 0.0,
            next_send_ns: 0.0,
            next_status_ns: 0,
            status: Status::default(),
            tally: Tally::new()?,
            login: Latencies::new()?,
            back: Latencies::new()?,
            recipient: String::new(),
            ended: false,
            plan,
            orders,
            tell,
        })
    }

    /// Has all log in, node after node in turn.
    pub(crate) fn open_all(&self, clients: &mut Clients) {
        clients.sockets().keep_no_buffers();
        let nodes = self.plan.nodes.len().max(1) as u32;
        for id in 0..self.plan.clients {
            let node = (self.plan.first + id) % nodes;
            clients.sockets().aim(id, node as u16);
            clients.open(id, &self.user_id(self.plan.first + id), OPTIONS);
        }
    }

    fn user_id(&self, user: u32) -> String {
        format!(
            "{}-{}",
            self.plan.app_name,
            self.plan.first_user + u64::from(user)
        )
    }

    fn obey(&mut self, clients: &mut Clients, order: Order, now: u64) {
        match order {
            Order::Rate(rate) => {
                self.rate = rate;
                // Parts that are told at once do not all begin at once.
                let first_gap = f64::from(self.random.below(1000)) / 1000.0 / rate.max(1e-9);
                self.next_send_ns = now as f64 + first_gap * SECOND as f64;
            }
            Order::Nodes(nodes) => {
                clients
                    .sockets()
                    .set_targets(nodes.iter().map(|(address, _)| *address).collect());
                let mut sum = 0_u32;
                self.weights = nodes
                    .iter()
                    .map(|(_, weight)| {
                        sum = sum.saturating_add(*weight);
                        sum
                    })
                    .collect();
            }
            Order::Report => self.report(clients, now),
            Order::End => {
                self.report(clients, now);
                self.ended = true;
            }
        }
    }

    fn report(&mut self, clients: &mut Clients, now: u64) {
        self.tell_status(clients, now);
        let report = Report {
            pinged: clients.take_pinged(),
            delivery: taken(&mut self.tally.delivery),
            confirmation: taken(&mut self.tally.answer),
            login: taken(&mut self.login),
            back: taken(&mut self.back),
            overdue: self.overdue(now),
        };
        (self.tell)(Line::Report(Box::new(report)));
    }

    fn overdue(&self, now: u64) -> Vec<String> {
        let all = self.ledger.overdue(now.saturating_sub(OVERDUE_NS));
        let told = all.take(OVERDUE_TOLD_MAX).map(|((id, sequence), message)| {
            let (from, to) = (self.user_id(self.plan.first + id), self.user_id(message.to));
            let age_ms = now.saturating_sub(message.time_ns) / MS;
            format!("message {sequence} from {from} to {to}, sent {age_ms} ms ago")
        });
        told.collect()
    }

    fn tell_status(&mut self, clients: &mut Clients, now: u64) {
        let oldest_ns = self
            .ledger
            .oldest_ns()
            .map_or(0, |time_ns| now.saturating_sub(time_ns));
        let status = &mut self.status;
        status.ready = clients.ready();
        status.pings = clients.pings();
        status.sent = self.ledger.sent.count;
        status.sent_hashes = format!("{:016x}", self.ledger.sent.hashes);
        status.arrived = self.ledger.arrived.count;
        status.arrived_hashes = format!("{:016x}", self.ledger.arrived.hashes);
        status.under_way = self.ledger.under_way() as u64;
        status.oldest_ms = oldest_ns / MS;
        status.errors.clone_from(&self.tally.errors);
        status.ends.clone_from(&self.tally.disconnects);
        (self.tell)(Line::Status(Box::new(status.clone())));
    }

    fn reconnect_due(&mut self, clients: &mut Clients, now: u64) {
        while let Some(id) = self.returning.next(now) {
            let sum = self.weights.last().copied().unwrap_or(1).max(1);
            let drawn = self.random.below(sum);
            let node = self.weights.partition_point(|until| *until <= drawn);
            clients.sockets().aim(id, node as u16);
            clients.open(id, &self.user_id(self.plan.first + id), OPTIONS);
        }
    }

    fn send_due(&mut self, clients: &mut Clients, now: u64) {
        let under_way_max = (self.rate * UNDER_WAY_SECONDS) as usize + 1000;
        let mut sent = 0;
        while self.rate > 0.0 && self.next_send_ns <= now as f64 && sent < SENT_A_TURN_MAX {
            let due_ns = self.next_send_ns as u64;
            self.next_send_ns += SECOND as f64 / self.rate;
            sent += 1;
            if self.ledger.under_way() >= under_way_max || !self.send_one(clients, due_ns) {
                self.status.skipped += 1;
            }
        }
    }

    /// A message between two users at random; false if no sender was found.
    fn send_one(&mut self, clients: &mut Clients, due_ns: u64) -> bool {
        for _ in 0..SENDER_TRIES {
            let id = self.random.below(self.plan.clients);
            if clients.outgoing(id).is_none() {
                continue;
            }
            let other = self.random.below(self.plan.of.saturating_sub(1).max(1));
            let to = if other >= self.plan.first + id && self.plan.of > 1 {
                other + 1
            } else {
                other
            };
            let sequence = self.ledger.send(id, to, due_ns);
            self.write(clients, (id, sequence), UnderWay { to, time_ns: due_ns });
            return true;
        }
        false
    }

    fn write(&mut self, clients: &mut Clients, (id, sequence): Key, message: UnderWay) {
        use std::fmt::Write as _;
        self.recipient.clear();
        let number = self.plan.first_user + u64::from(message.to);
        let _ = write!(self.recipient, "{}-{number}", self.plan.app_name);
        if let Some(out) = clients.outgoing(id) {
            let stamp = Stamp {
                sender: self.plan.first + id,
                sequence,
                time_ns: message.time_ns,
            };
            self.writer.append(out, self.recipient.as_bytes(), stamp);
        }
    }

    fn send_again(&mut self, clients: &mut Clients, now: u64) {
        while let Some((due_ns, key)) = self.refused.front().copied()
            && due_ns <= now
        {
            self.refused.pop_front();
            if let Some(message) = self.ledger.unconfirmed_one(key) {
                self.status.resent += 1;
                self.write(clients, key, message);
            }
        }
    }

    fn on_message(&mut self, id: ClientId, stamp: Option<Stamp>, now: u64) {
        let Some(stamp) = stamp else {
            self.status.foreign += 1;
            return;
        };
        if self.ledger.arrive(id, stamp.sender, stamp.sequence) {
            self.tally.delivery.record(now.saturating_sub(stamp.time_ns));
        } else {
            self.status.duplicates += 1;
        }
    }

    fn on_confirmation(&mut self, id: ClientId, stamp: Option<Stamp>, now: u64) {
        let Some(stamp) = stamp else {
            self.status.foreign += 1;
            return;
        };
        match self.ledger.confirm(id, stamp.sender, stamp.sequence) {
            Some(message) => {
                self.status.confirmed += 1;
                let latency_ns = now.saturating_sub(message.time_ns);
                self.tally.answer.record(latency_ns);
            }
            None => self.status.repeated_confirmations += 1,
        }
    }
}

impl Scenario for Crowd {
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, opened_ns: u64, now: u64) {
        self.status.logins += 1;
        self.login.record(now.saturating_sub(opened_ns));
        let Some(since_ns) = self.returning.back(id) else {
            return;
        };
        self.status.returns += 1;
        self.back.record(now.saturating_sub(since_ns));
        let unconfirmed: Vec<_> = self.ledger.unconfirmed(id).collect();
        for (key, message) in unconfirmed {
            self.status.resent += 1;
            self.write(clients, key, message);
        }
    }

    fn on_frame(&mut self, _: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        match frame {
            Incoming::Message(stamp) => self.on_message(id, stamp, now),
            Incoming::Confirmation(stamp) => self.on_confirmation(id, stamp, now),
            Incoming::Error { code, of } => {
                count(&mut self.tally.errors, code);
                if let Some(stamp) = of.filter(|stamp| stamp.sender == self.plan.first + id) {
                    self.refused
                        .push_back((now + AGAIN_AFTER_NS, (id, stamp.sequence)));
                }
            }
            _ => {}
        }
    }

    fn on_closed(&mut self, _: &mut Clients, id: ClientId, end: &End, now: u64) {
        let ends = &mut self.tally.disconnects;
        match end {
            End::Asked => return,
            End::Closed(code) => count(ends, &format!("closed with {code}")),
            End::Broken(why) => count(ends, why),
            End::NotLoggedIn(why) => count(ends, &format!("login: {why}")),
        }
        self.returning.lose(id, &mut self.random, now);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        // One a turn, lest who orders much keeps the clients from their turn.
        match self.orders.try_recv() {
            Ok(order) => self.obey(clients, order, now),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.ended = true,
        }
        self.reconnect_due(clients, now);
        self.send_again(clients, now);
        self.send_due(clients, now);
        if now >= self.next_status_ns {
            self.next_status_ns = now + STATUS_EVERY_NS;
            self.tell_status(clients, now);
        }
        let next_send_ns = if self.rate > 0.0 {
            self.next_send_ns as u64
        } else {
            u64::MAX
        };
        Ok(next_send_ns
            .min(self.next_status_ns)
            .min(self.returning.next_ns()))
    }

    fn finished(&self) -> bool {
        self.ended
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
