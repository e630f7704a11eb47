//! One sender, whose group messages go to many.

use std::collections::VecDeque;

use crate::clients::{Clients, End};
use crate::clock::MS;
use crate::error::LoadError;
use crate::gauges::Reporter;
use crate::protocol::{LoginOptions, Writer};
use crate::scenario::{Scenario, TimedPhase, note_end};
use crate::sockets::ClientId;
use crate::stream_check::{Heard, StreamCheck};
use crate::tally::Tally;
use crate::wire::{Incoming, Stamp};

/// How long to listen for repetitions after the last arrival.
const LINGER_NS: u64 = 300 * MS;

/// What a group run shall do.
#[derive(Clone, Debug)]
pub(crate) struct GroupPlan {
    /// The sender, then the members of the first group, of the second, and so on.
    pub(crate) user_ids: Vec<String>,
    pub(crate) groups: u32,
    pub(crate) group_size: u32,
    /// Group messages under way at once.
    pub(crate) window: u32,
    /// How a message names each of the groups.
    pub(crate) recipients: Vec<Vec<u8>>,
    /// Number of the first group; no other group of the run has it or the following ones.
    pub(crate) first_group: u32,
    pub(crate) warm_up_ns: u64,
    pub(crate) measure_ns: u64,
    pub(crate) timeout_ns: u64,
}

/// A group message that some members have not got yet.
#[derive(Debug)]
struct UnderWay {
    /// Its number among all; group `number % groups`, whose message `number / groups` it is.
    number: u32,
    time_ns: u64,
    missing: u32,
}

/// A running group scenario. Client 0 is the sender.
pub(crate) struct Group {
    plan: GroupPlan,
    writer: Writer,
    /// One for each member, in the order of the clients after the sender.
    checks: Vec<StreamCheck>,
    under_way: VecDeque<UnderWay>,
    next_number: u32,
    reporter: Reporter,
    tally: Tally,
    phase: TimedPhase,
    last_event_ns: u64,
}

impl Group {
    /// # Errors
    /// As [`Tally::new`].
    pub(crate) fn new(plan: GroupPlan, writer: Writer, reporter: Reporter) -> Result<Self, LoadError> {
        let members = plan.user_ids.get(1..).unwrap_or_default();
        Ok(Self {
            writer,
            checks: members.iter().map(|_| StreamCheck::default()).collect(),
            under_way: VecDeque::new(),
            next_number: 0,
            reporter,
            tally: Tally::new()?,
            phase: TimedPhase::default(),
            last_event_ns: 0,
            plan,
        })
    }

    /// Has all log in.
    pub(crate) fn open_all(&self, clients: &mut Clients) {
        for (id, user_id) in (0_u32..).zip(&self.plan.user_ids) {
            let member = id.checked_sub(1);
            let group = member.map(|member| self.plan.first_group + member / self.plan.group_size.max(1));
            let options = LoginOptions {
                group,
                ..LoginOptions::default()
            };
            clients.open(id, user_id, options);
        }
    }

    fn fill_window(&mut self, clients: &mut Clients, now: u64) {
        while self.under_way.len() < self.plan.window as usize && now < self.phase.until_ns() {
            let number = self.next_number;
            let Some(recipients) = self.plan.recipients.get((number % self.plan.groups) as usize) else {
                return;
            };
            let Some(out) = clients.outgoing(0) else { return };
            self.writer.append(
                out,
                recipients,
                Stamp {
                    sender: 0,
                    sequence: number,
                    time_ns: now,
                },
            );
            self.next_number += 1;
            self.tally.counts.sent += 1;
            self.under_way.push_back(UnderWay {
                number,
                time_ns: now,
                missing: self.plan.group_size,
            });
        }
    }

    fn on_message(&mut self, clients: &mut Clients, id: ClientId, stamp: Option<Stamp>, now: u64) {
        let Some(stamp) = stamp else {
            self.tally.counts.foreign += 1;
            return;
        };
        let (group, groups) = (stamp.sequence % self.plan.groups, self.plan.groups);
        let member = id.wrapping_sub(1);
        let at_member = member / self.plan.group_size == group && stamp.sequence < self.next_number;
        let Some(check) = self.checks.get_mut(member as usize).filter(|_| at_member) else {
            self.tally.counts.misdelivered += 1;
            return;
        };
        match check.hear(stamp.sequence / groups) {
            Heard::Next => {}
            Heard::OutOfOrder => self.tally.counts.out_of_order += 1,
            Heard::Duplicate => {
                self.tally.counts.duplicates += 1;
                return;
            }
        }
        self.tally.counts.delivered += 1;
        self.last_event_ns = now;
        let latency_ns = now.saturating_sub(stamp.time_ns);
        self.reporter.latency(latency_ns);
        if self.phase.measures(stamp.time_ns) {
            self.tally.delivery.record(latency_ns);
        }
        let Some(entry) = self
            .under_way
            .iter_mut()
            .find(|entry| entry.number == stamp.sequence)
        else {
            return;
        };
        entry.missing -= 1;
        if entry.missing == 0 {
            // Its last member: the group message as a whole is done.
            if self.phase.measures(entry.time_ns) {
                self.tally.answer.record(now.saturating_sub(entry.time_ns));
            }
            self.under_way.retain(|entry| entry.missing > 0);
            self.fill_window(clients, now);
        }
    }

    /// Gives up group messages that some members never got, so that the window does not stay full.
    fn expire(&mut self, now: u64) {
        let timeout_ns = self.plan.timeout_ns;
        self.under_way
            .retain(|entry| now.saturating_sub(entry.time_ns) < timeout_ns);
    }

    fn finish_if_quiet(&mut self, now: u64) {
        if now < self.phase.until_ns() {
            return;
        }
        let quiet = self.under_way.is_empty() && now >= self.last_event_ns + LINGER_NS;
        if quiet || now >= self.phase.until_ns() + self.plan.timeout_ns {
            let groups = self.plan.groups;
            for (member, check) in (0..).zip(&self.checks) {
                let group: u32 = member / self.plan.group_size;
                let sent = (self.next_number + groups - 1 - group) / groups;
                self.tally.counts.lost += check.lost(sent);
            }
            self.phase.end();
        }
    }
}

impl Scenario for Group {
    fn on_ready(&mut self, _: &mut Clients, _: ClientId, _: u64, _: u64) {}

    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        match frame {
            Incoming::Message(stamp) => self.on_message(clients, id, stamp, now),
            Incoming::Error { code, .. } => {
                *self.tally.errors.entry(code.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(&mut self.tally, clients, id, end);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.tally.refuse_failed_login()?;
        if let Some(start_ns) = self.reporter.start_ns().filter(|start_ns| *start_ns <= now) {
            self.phase
                .advance(start_ns, self.plan.warm_up_ns, self.plan.measure_ns, now);
            self.expire(now);
            self.fill_window(clients, now);
            self.finish_if_quiet(now);
        }
        let (counts, under_way) = (&self.tally.counts, self.under_way.len() as u64);
        self.reporter
            .publish(self.phase.number(), clients, counts, under_way, now);
        Ok(u64::MAX)
    }

    fn finished(&self) -> bool {
        self.phase.ended()
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
