//! What has to be true in the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::link::GateMode;

use super::checker::Tally;
use super::world::World;

/// All faults are over: so long it may take until everything is where it belongs.
const QUIET_WITHIN: Duration = Duration::from_secs(150);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl World {
    /// Waits until all is quiet, and looks whether all is as it should be.
    pub(crate) fn settle(mut self) -> Tally {
        let healed_at = self.now;
        loop {
            self.run_until(self.now + LOOK_EVERY);
            let unrest = self.unrest();
            if unrest.is_empty() {
                break;
            }
            assert!(
                self.now < healed_at + QUIET_WITHIN,
                "this never ends: {unrest:#?}"
            );
        }
        let mut tally = Tally {
            quiet_after: self.now - healed_at,
            events: self.handled,
            ..Tally::default()
        };
        self.checker.tally(&mut tally);
        self.checker.check_order(&self.homes, &mut tally);
        tally
    }

    /// What keeps the world from being quiet.
    fn unrest(&mut self) -> Vec<String> {
        let mut unrest = self.checker.missing();
        for place in 0..self.domains.len() {
            self.look_at_domain(place, &mut unrest);
        }
        unrest
    }

    fn look_at_domain(&self, place: usize, unrest: &mut Vec<String>) {
        let domain = &self.domains[place];
        let Some(node) = &domain.node else {
            unrest.push(format!("{place} does not run"));
            return;
        };
        let mut note = |what: &str, count: usize| {
            if count > 0 {
                unrest.push(format!("{place}: {count} {what}"));
            }
        };
        note("rows", domain.store.rows.len());
        note("payloads", domain.ingress.iter().map(|slot| slot.len()).sum());
        note("pending", node.custody.len());
        note("bytes", node.shared.pending_bytes.load(Ordering::Relaxed));
        note("claims", node.shared.claims().held());
        note("held in order", node.reader.sequencer.len());
        note("settling", node.reader.settling.len());
        note("receipts", node.reader.receipts.len());
        note(
            "store ops",
            node.ops.len() + usize::from(node.writer.in_flight.is_some()),
        );
        let down = node.net.neighbours.iter().filter(|neighbour| !neighbour.up.get());
        note("links down", down.count());
        note("under way", node.net.neighbours.iter().map(|n| n.load()).sum());
        for (to, way) in node.net.ways.iter().enumerate() {
            let is_open = way.gate.mode() == GateMode::Open && !way.gate.is_diverting();
            if to != place && way.known.get() && !is_open {
                let (gate, pump) = (&way.gate, &node.pumps[to]);
                unrest.push(format!(
                    "{place}: the way to {to}: {gate:?}, hop {:?}, {pump:?}",
                    way.hop
                ));
            }
        }
    }
}
