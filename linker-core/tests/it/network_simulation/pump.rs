//! Hands over what waits in the store for one domain, oldest first, until nothing is left and the way is open.

use std::time::Duration;

use linker_core::custody::AdoptedForward;
use linker_core::link::{DrainStep, Draining, GateMode};
use linker_core::port::{Page, WaitReason};

use super::world::{Event, Mail, World, name_of, trace};

const LOOK_AGAIN: Duration = Duration::from_millis(10);
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Messages on their way to the neighbour with which the next page is read, and with which a way is tried to be opened.
const LOAD_MAX: usize = 64;
const LOAD_LITTLE: usize = 16;

impl World {
    fn hop_is_up(&mut self, place: usize) -> Option<usize> {
        let net = &self.node().net;
        let hop = net.ways[place].hop.get();
        hop.filter(|hop| net.neighbours[*hop].up.get())
    }

    /// Looks whether there is anything to do, or goes on with it.
    pub(crate) fn pump_runs(&mut self, place: usize) {
        if self.node().pumps[place].draining.is_some() {
            self.pump_goes_on(place);
            return;
        }
        loop {
            let hop = self.hop_is_up(place);
            let node = self.node();
            let way = &node.net.ways[place];
            if way.gate.mode() != GateMode::Open && hop.is_some() {
                node.pumps[place].draining = Some(Draining::begin(&way.gate));
                node.pumps[place].turns = way.turns.get();
                self.pump_goes_on(place);
                return;
            }
            if !way.changed.replace(false) {
                node.pumps[place].busy = false;
                return;
            }
        }
    }

    fn pump_ends(&mut self, place: usize, after: Duration) {
        self.node().pumps[place].draining = None;
        self.schedule(after, Event::PumpRuns(place));
    }

    fn pump_goes_on(&mut self, place: usize) {
        let Some(hop) = self.hop_is_up(place) else {
            self.pump_ends(place, Duration::ZERO);
            return;
        };
        let node = self.node();
        let way = &node.net.ways[place];
        if node.pumps[place].turns != way.turns.get() {
            node.pumps[place].turns = way.turns.get();
            node.pumps[place].draining = Some(Draining::begin(&way.gate));
        }
        if node.net.neighbours[hop].load() > LOAD_MAX {
            self.schedule(LOOK_AGAIN, Event::PumpRuns(place));
            return;
        }
        let after = self.store_takes();
        self.schedule(after, Event::PumpReads(place));
    }

    pub(crate) fn pump_reads(&mut self, place: usize) {
        let rows = self.plan.page_rows;
        let after = match &self.node().pumps[place].draining {
            Some(draining) => draining.after_seq(),
            None => return,
        };
        let domain = &self.domains[self.at];
        let page = (!domain.store_is_away).then(|| {
            let home = Some(name_of(place));
            domain.store.page(after, rows, |row| {
                row.reason == WaitReason::Forward && row.home == home
            })
        });
        let after = self.store_takes();
        self.schedule(after, Event::PumpHas(place, page));
    }

    pub(crate) fn pump_has(&mut self, place: usize, page: Option<Page>) {
        match page {
            None => self.pump_ends(place, ASK_AGAIN),
            Some(page) if page.rows.is_empty() => {
                self.pump_adopted(place, AdoptedForward::default(), page.exhausted);
            }
            Some(page) => self.mail(Mail::ForwardRows(page.rows, place, page.exhausted)),
        }
    }

    pub(crate) fn pump_adopted(&mut self, place: usize, adopted: AdoptedForward, exhausted: bool) {
        let node = self.node();
        // As of the hop that was there when the page was asked for; another one begins anew all the same.
        let hop = node.net.ways[place].hop.get();
        let is_light = hop.is_none_or(|hop| node.net.neighbours[hop].load() <= LOAD_LITTLE);
        let gate = &node.net.ways[place].gate;
        let Some(draining) = &mut node.pumps[place].draining else {
            return;
        };
        match draining.on_page(gate, adopted, exhausted, is_light) {
            DrainStep::Page => self.pump_goes_on(place),
            DrainStep::PageSoon => self.schedule(LOOK_AGAIN, Event::PumpRuns(place)),
            DrainStep::Done => self.pump_ends(place, Duration::ZERO),
            DrainStep::Opened => {
                trace!(self, "the way to {place} is open");
                self.mail(Mail::WayChanged(place));
                self.pump_ends(place, Duration::ZERO);
            }
        }
    }
}
