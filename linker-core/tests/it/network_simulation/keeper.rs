//! Link states: what a domain tells the others, what they tell, and the ways that follow from it.

use std::time::Duration;

use linker_core::id::DomainName;
use linker_core::network::LinkState;

use super::world::{Event, World, name_of, place_of, trace};

impl World {
    /// Looks whether anything has aged.
    pub(crate) fn tick(&mut self) {
        // In a large network less often, lest it costs more than all else.
        let every = Duration::from_millis(250) * (1 + self.plan.domains as u32 / 20);
        self.schedule(every, Event::Tick);
        let now = self.now;
        let next = self.node().keeper.states.next_change(now);
        if next.is_some_and(|at| at <= now) {
            self.look();
        }
    }

    pub(crate) fn words(&mut self, from: usize, states: Vec<LinkState>) {
        let node = self.node();
        node.keeper.words.push_back((from, states));
        node.net.ring(super::node::Ring::Look);
    }

    pub(crate) fn look(&mut self) {
        let now = self.clock();
        let topology = std::sync::Arc::clone(&self.topology);
        let node = self.node();
        node.keeper.looking = false;
        if std::mem::take(&mut node.keeper.directory) {
            node.keeper.states.retain(&topology);
            node.net.stray_all();
        }
        for (from, states) in std::mem::take(&mut node.keeper.words) {
            let mut news = Vec::new();
            let mut newer = Vec::new();
            let known = &mut self.node().keeper.states;
            for state in states {
                match known.receive(state.clone(), now) {
                    true => news.push(state),
                    false => newer.extend(known.newer_than(&state, now.elapsed)),
                }
            }
            self.flood(Some(from), news);
            if !newer.is_empty() {
                let mut places = 0..self.node().net.neighbours.len();
                if let Some(place) = places.find(|place| self.leads_to(*place) == from) {
                    self.tell(place, newer);
                }
            }
        }
        let own_down = self.own_down();
        let node = self.node();
        if let Some(word) = node.keeper.states.originate(own_down.clone(), now) {
            self.flood(None, vec![word]);
        }
        for place in std::mem::take(&mut self.node().keeper.came_up) {
            let known = self.node().keeper.states.known(now.elapsed);
            self.tell(place, known);
        }
        self.set_hops(&own_down);
    }

    fn leads_to(&self, place: usize) -> usize {
        self.wires[self.domains[self.at].wires[place]].to
    }

    fn own_down(&mut self) -> Vec<DomainName> {
        let down = self
            .node()
            .net
            .neighbours
            .iter()
            .filter(|neighbour| !neighbour.up.get());
        let mut down: Vec<DomainName> = down.map(|neighbour| name_of(neighbour.to)).collect();
        down.sort();
        down
    }

    fn flood(&mut self, but: Option<usize>, news: Vec<LinkState>) {
        if news.is_empty() {
            return;
        }
        for place in 0..self.node().net.neighbours.len() {
            if Some(self.leads_to(place)) != but {
                self.tell(place, news.clone());
            }
        }
    }

    fn tell(&mut self, place: usize, states: Vec<LinkState>) {
        let neighbour = &self.node().net.neighbours[place];
        let wire = neighbour.wire;
        if neighbour.up.get() {
            self.send_states(wire, states);
        }
    }

    fn set_hops(&mut self, own_down: &[DomainName]) {
        let now = self.now;
        let topology = std::sync::Arc::clone(&self.topology);
        let node = self.node();
        let neighbours = &node.net.neighbours;
        if neighbours.iter().any(|neighbour| neighbour.losing.get()) {
            // It tells when it is done.
            return;
        }
        let down = node.keeper.states.down(&topology, own_down, now);
        let known: Vec<usize> = (0..node.net.ways.len())
            .filter(|way| node.net.ways[*way].known.get())
            .collect();
        let set_by = (down, known);
        if node.keeper.set_by.as_ref() != Some(&set_by) {
            node.keeper.hops = node.keeper.hops.with_links_down(&set_by.0);
        }
        let mut changes = Vec::new();
        for way in &set_by.1 {
            let hop = node
                .keeper
                .hops
                .next_hops()
                .next_hop(&name_of(*way))
                .map(place_of);
            let hop = hop.and_then(|hop| neighbours.iter().position(|neighbour| neighbour.to == hop));
            let hop = hop.filter(|hop| neighbours[*hop].up.get());
            if node.net.ways[*way].hop.get() != hop {
                node.net.set_hop(*way, hop);
                changes.push((*way, hop.map(|hop| neighbours[hop].to)));
            }
        }
        node.keeper.set_by = Some(set_by);
        for (way, hop) in changes {
            trace!(self, "the way to {way} is by {hop:?}");
        }
    }
}
