//! Messages from client to client, as fast as they are answered (closed loop) or at a fixed rate (open loop).
//!
//! At a fixed rate a message's time is the one it *should* have been sent at, so that a server (or tester) that
//! falls behind cannot hide it: no coordinated omission.

mod plan;

pub(crate) use plan::{ExchangePlan, Pacing, Recipients};

use crate::clients::{Clients, End};
use crate::clock::MS;
use crate::error::LoadError;
use crate::flight::{Answer, Arrival, Flight, Goal};
use crate::gauges::Reporter;
use crate::protocol::Writer;
use crate::random::Random;
use crate::scenario::{Scenario, TimedPhase, note_end};
use crate::sockets::ClientId;
use crate::tally::Tally;
use crate::wire::{Incoming, Stamp};

/// How often messages that take too long are looked for.
const SWEEP_NS: u64 = 100 * MS;
/// How long to listen for repetitions after the last arrival.
const LINGER_NS: u64 = 300 * MS;
/// A client with more unwritten bytes than this is not given more at a fixed rate.
const BACKLOG_MAX: usize = 1024 * 1024;

/// A running exchange.
pub(crate) struct Exchange {
    plan: ExchangePlan,
    writer: Writer,
    flights: Vec<Flight>,
    /// Places in the window that an error freed, to be filled at the next sweep rather than at once.
    owed: Vec<u32>,
    in_flight: u64,
    random: Random,
    reporter: Reporter,
    tally: Tally,
    phase: TimedPhase,
    /// Set when the windows are filled, or the first message at a fixed rate is due.
    sending_since_ns: Option<u64>,
    paced: u64,
    next_sweep_ns: u64,
    last_event_ns: u64,
}

impl Exchange {
    /// # Errors
    /// As [`Tally::new`].
    pub(crate) fn new(plan: ExchangePlan, writer: Writer, reporter: Reporter) -> Result<Self, LoadError> {
        let senders = plan.user_ids.len();
        Ok(Self {
            writer,
            flights: (0..senders).map(|_| Flight::new(plan.goal)).collect(),
            owed: vec![0; senders],
            in_flight: 0,
            random: Random::new(),
            reporter,
            tally: Tally::new()?,
            phase: TimedPhase::default(),
            sending_since_ns: None,
            paced: 0,
            next_sweep_ns: 0,
            last_event_ns: 0,
            plan,
        })
    }

    /// Has the senders log in.
    pub(crate) fn open_all(&self, clients: &mut Clients) {
        for (id, user_id) in (0..).zip(&self.plan.user_ids) {
            clients.open(id, user_id, self.plan.login_options);
        }
    }

    /// How many messages `sender` has begun.
    pub(crate) fn sent_by(&self, sender: u32) -> u32 {
        self.flights.get(sender as usize).map_or(0, Flight::next_sequence)
    }

    /// For a scenario that goes on counting where this one ends.
    pub(crate) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// For a scenario that goes on where this one ends.
    pub(crate) fn reporter_mut(&mut self) -> (&mut Reporter, &Tally) {
        (&mut self.reporter, &self.tally)
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    fn choose(&mut self, sender: u32) -> u32 {
        let count = self.flights.len() as u32;
        match self.plan.recipients {
            Recipients::Itself => sender,
            Recipients::Other => {
                let other = self.random.below(count.saturating_sub(1).max(1));
                if other >= sender {
                    (other + 1) % count.max(1)
                } else {
                    other
                }
            }
            Recipients::Elsewhere { addresses } => {
                // Client `i` is at address `i % addresses`.
                let further = 1 + self.random.below(addresses.saturating_sub(1).max(1));
                let address = (sender % addresses + further) % addresses;
                address + addresses * self.random.below((count / addresses).max(1))
            }
            Recipients::Absent { count: share } => {
                let turn = self.sent_by(sender) % share.max(1);
                turn * count + sender
            }
        }
    }

    fn recipient_id(&self, recipient: u32) -> &str {
        let ids = match self.plan.recipients {
            Recipients::Absent { .. } => &self.plan.absent_ids,
            Recipients::Itself | Recipients::Other | Recipients::Elsewhere { .. } => &self.plan.user_ids,
        };
        ids.get(recipient as usize).map_or("", String::as_str)
    }

    fn may_send(&self, now: u64) -> bool {
        now < self.phase.until_ns() && self.tally.counts.sent < self.plan.messages_max
    }

    /// Sends one message of `sender`'s; without a connection, or at the end, nothing.
    fn send(&mut self, clients: &mut Clients, sender: u32, time_ns: u64) {
        let recipient = self.choose(sender);
        let Some(out) = clients.outgoing(sender) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(sender as usize) else {
            return;
        };
        let sequence = flight.start(recipient, time_ns);
        if self.plan.goal == Goal::Sent {
            // Nothing more comes of it, and the end is not to come before the last readings are taken.
            self.last_event_ns = time_ns;
        } else {
            self.in_flight += 1;
        }
        self.tally.counts.sent += 1;
        let stamp = Stamp {
            sender,
            sequence,
            time_ns,
        };
        self.writer
            .append(out, self.recipient_id(recipient).as_bytes(), stamp);
    }

    fn send_next(&mut self, clients: &mut Clients, sender: u32, now: u64) {
        if matches!(self.plan.pacing, Pacing::Window(_)) && self.may_send(now) {
            self.send(clients, sender, now);
        }
    }

    fn fill_windows(&mut self, clients: &mut Clients, now: u64) {
        let Pacing::Window(window) = self.plan.pacing else {
            return;
        };
        for sender in 0..self.flights.len() as u32 {
            for _ in 0..window {
                self.send_next(clients, sender, now);
            }
        }
    }

    /// Sends what is due at a fixed rate and returns when the next one is.
    fn send_due(&mut self, clients: &mut Clients, since_ns: u64, now: u64) -> u64 {
        let Pacing::Every {
            interval_ns,
            in_flight_max,
        } = self.plan.pacing
        else {
            return u64::MAX;
        };
        loop {
            let due_ns = since_ns + (self.paced as f64 * interval_ns) as u64;
            if due_ns > now || !self.may_send(due_ns) {
                return due_ns;
            }
            let sender = (self.paced % self.flights.len().max(1) as u64) as u32;
            self.paced += 1;
            if self.phase.measures(due_ns) {
                self.tally.send_delay.record(now - due_ns);
            }
            if self.in_flight >= in_flight_max || clients.backlog(sender) > BACKLOG_MAX {
                self.tally.counts.skipped += 1;
            } else {
                self.send(clients, sender, due_ns);
            }
        }
    }

    fn on_message(&mut self, clients: &mut Clients, id: ClientId, stamp: Option<Stamp>, now: u64) {
        let counts = &mut self.tally.counts;
        let Some(stamp) = stamp else {
            counts.foreign += 1;
            return;
        };
        let Some(flight) = self.flights.get_mut(stamp.sender as usize) else {
            counts.misdelivered += 1;
            return;
        };
        let slot_freed = match flight.arrived(stamp.sequence, id) {
            Arrival::InOrder { slot_freed } => slot_freed,
            Arrival::OutOfOrder { slot_freed } => {
                counts.out_of_order += 1;
                slot_freed
            }
            Arrival::Late => {
                counts.late += 1;
                counts.lost -= 1;
                counts.delivered += 1;
                return;
            }
            Arrival::Duplicate => {
                counts.duplicates += 1;
                return;
            }
            Arrival::Misdelivered => {
                counts.misdelivered += 1;
                return;
            }
        };
        counts.delivered += 1;
        self.last_event_ns = now;
        let latency_ns = now.saturating_sub(stamp.time_ns);
        self.reporter.latency(latency_ns);
        if self.phase.measures(stamp.time_ns) {
            self.tally.delivery.record(latency_ns);
        }
        if slot_freed {
            self.in_flight -= 1;
            self.send_next(clients, stamp.sender, now);
        }
    }

    fn on_answer(&mut self, clients: &mut Clients, id: ClientId, of: Option<Stamp>, now: u64) {
        let Some(of) = of else {
            self.tally.counts.foreign += 1;
            return;
        };
        let counts = &mut self.tally.counts;
        if of.sender != id {
            counts.misdelivered += 1;
            return;
        }
        let Some(flight) = self.flights.get_mut(of.sender as usize) else {
            return;
        };
        match flight.answered(of.sequence) {
            Answer::First {
                time_ns,
                proven,
                slot_freed,
            } => {
                counts.answered += 1;
                counts.answered_too_early += u64::from(!proven);
                self.last_event_ns = now;
                let latency_ns = now.saturating_sub(time_ns);
                if self.plan.goal == Goal::Answer {
                    self.reporter.latency(latency_ns);
                }
                if self.phase.measures(time_ns) {
                    self.tally.answer.record(latency_ns);
                }
                if slot_freed {
                    self.in_flight -= 1;
                    self.send_next(clients, of.sender, now);
                }
            }
            Answer::Repeated => counts.repeated_answers += 1,
            Answer::Late => {
                counts.unanswered -= 1;
                counts.answered += 1;
            }
        }
    }

    fn on_error(&mut self, code: &str, of: Option<Stamp>) {
        *self.tally.errors.entry(code.to_owned()).or_default() += 1;
        let Some(of) = of else { return };
        let Some(flight) = self.flights.get_mut(of.sender as usize) else {
            return;
        };
        if flight.refused(of.sequence) {
            self.tally.counts.refused += 1;
            self.in_flight -= 1;
            if let Some(owed) = self.owed.get_mut(of.sender as usize) {
                *owed += 1;
            }
        }
    }

    fn sweep(&mut self, clients: &mut Clients, before_ns: u64, now: u64) {
        for sender in 0..self.flights.len() {
            let Some(flight) = self.flights.get_mut(sender) else {
                break;
            };
            let expired = flight.expire(before_ns);
            self.tally.counts.lost += expired.lost;
            self.tally.counts.unanswered += expired.unanswered;
            self.in_flight -= u64::from(expired.slots_freed);
            let owed = self.owed.get_mut(sender).map(std::mem::take).unwrap_or(0);
            for _ in 0..owed + expired.slots_freed {
                self.send_next(clients, sender as u32, now);
            }
        }
    }

    fn finish_if_quiet(&mut self, clients: &mut Clients, now: u64) {
        let enough = self.tally.counts.sent >= self.plan.messages_max;
        if now < self.phase.until_ns() && !(enough && self.in_flight == 0) {
            return;
        }
        self.phase.cool(now);
        let given_up_ns = self.phase.until_ns() + self.plan.timeout_ns;
        if (self.in_flight == 0 && now >= self.last_event_ns + LINGER_NS) || now >= given_up_ns {
            self.sweep(clients, u64::MAX, now);
            self.phase.end();
        }
    }

    /// Does what is due, without showing it; returns when something is due again.
    ///
    /// # Errors
    /// If a client could not log in.
    pub(crate) fn step(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.tally.refuse_failed_login()?;
        let mut wake_ns = u64::MAX;
        if let Some(start_ns) = self.reporter.start_ns() {
            self.phase
                .advance(start_ns, self.plan.warm_up_ns, self.plan.measure_ns, now);
            if now >= start_ns {
                if self.sending_since_ns.is_none() {
                    self.sending_since_ns = Some(start_ns);
                    self.fill_windows(clients, now);
                }
                if now >= self.next_sweep_ns {
                    self.next_sweep_ns = now + SWEEP_NS;
                    self.sweep(clients, now.saturating_sub(self.plan.timeout_ns), now);
                }
                wake_ns = self.send_due(clients, start_ns, now);
                self.finish_if_quiet(clients, now);
            } else {
                wake_ns = start_ns;
            }
        }
        Ok(wake_ns)
    }
}

impl Scenario for Exchange {
    fn on_ready(&mut self, _: &mut Clients, _: ClientId, _: u64, _: u64) {}

    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        match frame {
            Incoming::Message(stamp) => self.on_message(clients, id, stamp, now),
            Incoming::Confirmation(of) if self.plan.goal == Goal::ArrivalAndAnswer => {
                self.on_answer(clients, id, of, now);
            }
            Incoming::Accepted(of) if self.plan.goal == Goal::Answer => self.on_answer(clients, id, of, now),
            Incoming::Acknowledged(of)
                if matches!(self.plan.goal, Goal::Answer | Goal::ArrivalAndReceipt) =>
            {
                self.on_answer(clients, id, of, now);
            }
            Incoming::Confirmation(_) => self.tally.counts.confirmed += 1,
            Incoming::Error { code, of } => self.on_error(code, of),
            Incoming::Accepted(_)
            | Incoming::Acknowledged(_)
            | Incoming::LoginReply { .. }
            | Incoming::FetchComplete { .. }
            | Incoming::Other(_) => {}
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(&mut self.tally, clients, id, end);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        let wake_ns = self.step(clients, now)?;
        let counts = &self.tally.counts;
        self.reporter
            .publish(self.phase.number(), clients, counts, self.in_flight, now);
        Ok(wake_ns)
    }

    fn finished(&self) -> bool {
        self.phase.ended()
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
