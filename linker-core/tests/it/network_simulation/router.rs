//! A router's mailbox, its turns, and what custody wants done.

use std::time::Duration;

use linker_core::custody::{AdoptedForward, Custody, CustodyContext, CustodyEffect, Origin, Settlement};
use linker_core::id::SessionId;
use linker_core::port::Insert;

use super::store::StoreOp;
use super::targets::Targets;
use super::world::{Event, Mail, World, name_of, trace};
use crate::virtual_time::next_id;

const RETRY_AFTER: Duration = Duration::from_millis(2);
const REOFFER_EVERY: Duration = Duration::from_secs(1);

impl World {
    /// Runs one input of custody and carries out what it wants.
    pub(crate) fn custody(
        &mut self,
        input: impl FnOnce(&mut Custody<SessionId>, &mut CustodyContext<'_, Targets<'_>>),
    ) {
        let now = self.clock();
        let at = self.at;
        let node = self.domains[at].node.as_mut().unwrap();
        let mut effects = Vec::new();
        let counter = &mut self.next_id;
        let sessions = Targets { net: &node.net, now };
        input(
            &mut node.custody,
            &mut CustodyContext {
                now,
                sessions: &sessions,
                new_id: &mut || next_id(counter, now),
                effects: &mut effects,
            },
        );
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: CustodyEffect<SessionId>) {
        trace!(self, "{effect:?}");
        match effect {
            CustodyEffect::Insert {
                ticket,
                envelope,
                reason,
                home,
                replaces,
            } => {
                let insert = Insert {
                    envelope,
                    reason,
                    home,
                };
                self.node().ops.push(StoreOp::Insert {
                    ticket,
                    insert,
                    replaces,
                });
            }
            CustodyEffect::Delete { user, id, forwarded } => {
                self.node().ops.push(StoreOp::Delete { user, id, forwarded })
            }
            CustodyEffect::Absent { id } => self.node().ops.push(StoreOp::Absent(id)),
            CustodyEffect::Settled {
                origin,
                settlement,
                confirm,
                ..
            } => match origin {
                Origin::Call(number) => {
                    let is_told = match settlement {
                        Settlement::Stored | Settlement::Forwarded => true,
                        // The confirmation tells.
                        Settlement::Delivered => !confirm,
                        Settlement::Dropped | Settlement::Repeated | Settlement::Refused(_) => false,
                    };
                    if is_told {
                        self.checker.accepted(number);
                    }
                }
                Origin::Arrival(id) => self.settle_receipts(&id),
                Origin::Node | Origin::Session(_) | Origin::Guest(..) => {}
            },
            CustodyEffect::Outcome { .. } | CustodyEffect::Happened { .. } | CustodyEffect::Traced(_) => {}
            CustodyEffect::Behind { .. } | CustodyEffect::Redirect { .. } | CustodyEffect::Tell { .. } => {
                panic!("nobody is behind, there is no application and no other node")
            }
        }
    }

    pub(crate) fn router_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Submit(submission) => self.custody(|custody, cx| custody.submit(*submission, cx)),
            Mail::Arrivals(submissions) => self.custody(|custody, cx| {
                for submission in submissions {
                    custody.submit(submission, cx);
                }
            }),
            Mail::Proven(tickets) => self.custody(|custody, cx| {
                for ticket in tickets {
                    custody.on_proven(ticket, cx);
                }
            }),
            Mail::SessionEnded(session) => {
                self.custody(|custody, cx| custody.on_session_ended(session, cx));
            }
            Mail::Page(user, session, page, asked_at) => self.adopt_page(user, session, page, asked_at),
            Mail::Stored(outcomes) => self.custody(|custody, cx| {
                for (ticket, outcome) in outcomes {
                    custody.on_stored(ticket, outcome, cx);
                }
            }),
            Mail::Faults(rows) => self.custody(|custody, cx| custody.adopt_rows(rows, cx)),
            Mail::Forwarded(tickets) => self.custody(|custody, cx| {
                for ticket in tickets {
                    custody.on_forwarded(ticket, cx);
                }
            }),
            Mail::LinkLost(place) => {
                let net = &self.node().net;
                let (id, epoch) = (net.neighbours[place].id, net.neighbours[place].epoch.get());
                net.epochs.borrow_mut().insert(id, epoch);
                self.custody(|custody, cx| custody.on_link_lost(id, cx));
                self.hop(3, Event::LinkGone(place));
            }
            Mail::WayChanged(place) => {
                self.custody(|custody, cx| custody.on_way_changed(&name_of(place), cx));
            }
            Mail::ForwardRows(rows, place, exhausted) => {
                let mut adopted = AdoptedForward::default();
                self.custody(|custody, cx| adopted = custody.adopt_forward(rows, &name_of(place), cx));
                trace!(self, "rows for {place}: {adopted:?}");
                self.hop(4, Event::PumpAdopted(place, adopted, exhausted));
            }
        }
        self.router_due(Duration::ZERO);
    }

    /// The router has a turn no later than in so long.
    fn router_due(&mut self, after: Duration) {
        let at = self.now + after;
        let node = self.node();
        if node.turn_at.is_none_or(|due| due > at) {
            node.turn_at = Some(at);
            self.schedule(after, Event::Turn);
        }
    }

    pub(crate) fn router_turn(&mut self) {
        let now = self.now;
        if self.node().turn_at.is_none_or(|due| due > now) {
            return;
        }
        self.node().turn_at = None;
        self.custody(|custody, cx| custody.on_tick(cx));
        let node = self.node();
        let is_away = node.shared.store_away.load(std::sync::atomic::Ordering::Relaxed);
        if is_away && node.reoffered_at + REOFFER_EVERY <= now {
            node.reoffered_at = now;
            self.custody(|custody, cx| custody.retry_queued(cx));
        }
        let node = self.node();
        if node.housekept_at + Duration::from_secs(1) <= now {
            node.housekept_at = now;
            node.shared.claims().forget_old(now);
        }
        let ops = std::mem::take(&mut node.ops);
        let due = node.custody.deadline();
        if !ops.is_empty() {
            self.hop(5, Event::StoreOps(ops));
        }
        let due = due.map(|at| at.max(now + RETRY_AFTER));
        let away = is_away.then_some(now + REOFFER_EVERY);
        if let Some(at) = due.into_iter().chain(away).min() {
            self.router_due(at - now);
        }
    }
}
