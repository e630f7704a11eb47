//! What comes in from other domains: kept in order until it is safe, put back into order, or made to wait.

use std::cell::Cell;
use std::rc::Rc;

use linker_core::custody::{Origin, Submission};
use linker_core::envelope::Envelope;
use linker_core::id::MessageId;
use linker_core::link::settling::pause;

use super::node::{Item, Owed, sequencer};
use super::wire::Payload;
use super::world::{Entry, Event, Mail, World, trace};

impl World {
    /// A neighbour's payload is on disk.
    pub(crate) fn ingress_takes(&mut self, wire: usize, payload: &Payload) {
        self.at = self.wires[wire].to;
        self.next_entry += 1;
        let entry = Entry {
            number: self.next_entry,
            messages: Rc::clone(&payload.messages),
        };
        let domain = &mut self.domains[self.at];
        domain.ingress[payload.slot].push_back(entry);
        if let Some(node) = &domain.node {
            let opening = node.reader.opening;
            self.hop(6, Event::IngressReads(payload.slot, self.next_entry, opening));
        }
    }

    /// All that is there comes, again if it came before.
    pub(crate) fn open_ingress(&mut self) {
        let reader = &mut self.node().reader;
        reader.opening += 1;
        let opening = reader.opening;
        for slot in 0..self.domains[self.at].ingress.len() {
            let entries = self.domains[self.at].ingress[slot].iter();
            let numbers: Vec<u64> = entries.map(|entry| entry.number).collect();
            for number in numbers {
                self.hop(6, Event::IngressReads(slot, number, opening));
            }
        }
    }

    pub(crate) fn lose_ingress(&mut self) {
        let now = self.clock();
        let reader = &mut self.node().reader;
        reader.sequencer = sequencer(now);
        reader.settling.clear();
        self.open_ingress();
    }

    pub(crate) fn ingress_reads(&mut self, slot: usize, number: u64, opening: u32) {
        if self.node().reader.opening != opening {
            return;
        }
        let entries = &self.domains[self.at].ingress[slot];
        let Some(entry) = entries.iter().find(|entry| entry.number == number) else {
            return;
        };
        let messages = Rc::clone(&entry.messages);
        let owed = Rc::new(Owed {
            left: Cell::new(messages.len() + 1),
            slot,
            number,
            opening,
        });
        let now = self.now;
        let mut ready = Vec::new();
        for envelope in messages.iter() {
            self.checker.crosses(envelope);
            trace!(self, "comes in: {} {:?}", envelope.id, envelope.trail);
            let node = self.domains[self.at].node.as_mut().unwrap();
            let item = Item {
                envelope: Envelope::clone(envelope),
                owed: Rc::clone(&owed),
            };
            let directory = node.net.directory.borrow();
            let own = directory.own_domain();
            let goes_on = directory.home_away_of(&envelope.to).is_some();
            let trail = envelope.trail.as_deref();
            if goes_on {
                match pause(trail.map_or(&[][..], |trail| &trail.path), own) {
                    None => ready.push(item),
                    Some(wait) => {
                        node.reader.next += 1;
                        node.reader.settling.insert((now + wait, node.reader.next), item);
                    }
                }
            } else {
                let after = trail.and_then(|trail| trail.after);
                node.reader
                    .sequencer
                    .accept(envelope.id, after, item, now, &mut ready);
            }
        }
        self.submit_items(ready);
        self.settle_owed(&owed);
        self.reader_is_due();
    }

    fn reader_is_due(&mut self) {
        let now = self.now;
        let reader = &mut self.node().reader;
        let settled = reader.settling.first_key_value().map(|((at, _), _)| *at);
        let due = [reader.sequencer.deadline(), settled].into_iter().flatten().min();
        if let Some(at) = due
            && reader.due_at.is_none_or(|known| known > at)
        {
            reader.due_at = Some(at);
            self.schedule(at.saturating_sub(now), Event::ReaderDue);
        }
    }

    pub(crate) fn reader_due(&mut self) {
        let (now, at) = (self.now, self.at);
        let reader = &mut self.node().reader;
        if reader.due_at.is_none_or(|due| due > now) {
            return;
        }
        reader.due_at = None;
        let mut items = Vec::new();
        reader.sequencer.due(now, &mut items);
        let too_long = items.len();
        while let Some(first) = reader.settling.first_entry().filter(|first| first.key().0 <= now) {
            items.push(first.remove());
        }
        for item in &items[..too_long] {
            self.checker.waited_too_long(&item.envelope);
            trace!(self, "{at} waits no longer: {:?}", item.envelope);
        }
        self.submit_items(items);
        self.reader_is_due();
    }

    /// Hands messages to the router, whose they are from then on.
    fn submit_items(&mut self, items: Vec<Item>) {
        let mut submissions = Vec::new();
        for Item { envelope, owed } in items {
            let id = envelope.id;
            let reader = &mut self.node().reader;
            let known = reader.receipts.entry(id).or_default();
            known.push(owed);
            if known.len() > 1 {
                continue;
            }
            if self.node().shared.proven_lately().contains(&id) {
                self.settle_receipts(&id);
                continue;
            }
            submissions.push(Submission {
                envelope,
                origin: Origin::Arrival(id),
                accepted: false,
            });
        }
        if !submissions.is_empty() {
            self.mail(Mail::Arrivals(submissions));
        }
    }

    /// The message is safe.
    pub(crate) fn settle_receipts(&mut self, id: &MessageId) {
        for owed in self.node().reader.receipts.remove(id).into_iter().flatten() {
            self.settle_owed(&owed);
        }
    }

    fn settle_owed(&mut self, owed: &Owed) {
        owed.left.set(owed.left.get() - 1);
        if owed.left.get() == 0 {
            let after = self.rng.up_to(self.plan.hop);
            self.schedule(after, Event::IngressAcks(owed.slot, owed.number, owed.opening));
        }
    }

    pub(crate) fn ingress_acks(&mut self, slot: usize, number: u64, opening: u32) {
        if self.node().reader.opening == opening {
            self.domains[self.at].ingress[slot].retain(|entry| entry.number != number);
        }
    }
}
