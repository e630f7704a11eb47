//! What was sent, what was promised, what arrived: and whether the promises of PROTOCOL.md,
//! Delivery, were kept.

use std::collections::{BTreeMap, BTreeSet};

use super::Frame;

/// Sender and recipient.
type Way = (String, String);

/// Records over a whole test, across crashes and reconnections.
#[derive(Default)]
pub(crate) struct Checker {
    sent: BTreeMap<Way, Vec<String>>,
    promised: BTreeSet<(Way, String)>,
    sent_again: BTreeSet<(Way, String)>,
    received: BTreeMap<Way, Vec<(String, String)>>,
}

impl Checker {
    /// A message was written to the socket for the first time.
    pub(crate) fn sent(&mut self, from: &str, to: &str, reference: &str) {
        self.sent
            .entry(way(from, to))
            .or_default()
            .push(reference.to_owned());
    }

    /// The sender has sent it again under the same reference, after a crash.
    pub(crate) fn sent_again(&mut self, from: &str, to: &str, reference: &str) {
        self.sent_again.insert((way(from, to), reference.to_owned()));
    }

    /// The sender got `MESSAGE_ACCEPTED` or `MESSAGE_CONFIRMATION`.
    pub(crate) fn promised(&mut self, from: &str, to: &str, reference: &str) {
        self.promised.insert((way(from, to), reference.to_owned()));
    }

    /// The recipient got this frame, live or fetched; other types than `MESSAGE` are passed over.
    pub(crate) fn received(&mut self, to: &str, frame: &Frame) {
        if frame.kind() != "MESSAGE" {
            return;
        }
        let from = frame["data"]["from"]
            .as_str()
            .expect("a MESSAGE says who it is from");
        let reference = frame["reference"]
            .as_str()
            .expect("all messages of a checked run have references");
        self.received_as(to, from, reference, frame.id());
    }

    /// As [`Checker::received`], spelled out.
    pub(crate) fn received_as(&mut self, to: &str, from: &str, reference: &str, id: &str) {
        let arrival = (reference.to_owned(), id.to_owned());
        self.received.entry(way(from, to)).or_default().push(arrival);
    }

    /// How many promises there were: a run without any proves nothing.
    pub(crate) fn promises(&self) -> usize {
        self.promised.len()
    }

    /// Whether anything was sent at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Everything at once.
    pub(crate) fn verify(&self) {
        self.verify_all_but_order();
        self.verify_order();
    }

    /// What holds also where a part of the way was lost, and what was on it is sent again later.
    pub(crate) fn verify_all_but_order(&self) {
        self.verify_nothing_lost();
        self.verify_nothing_invented();
        self.verify_repetitions();
    }

    /// Every message that was accepted or confirmed has been received.
    pub(crate) fn verify_nothing_lost(&self) {
        let lost = self.lost();
        assert!(
            lost.is_empty(),
            "{} of {} promises broken: {lost:?}",
            lost.len(),
            self.promised.len()
        );
    }

    /// What was promised and has not been received so far.
    pub(crate) fn lost(&self) -> Vec<&(Way, String)> {
        self.promised
            .iter()
            .filter(|(way, reference)| !self.arrivals(way).iter().any(|(arrived, _)| arrived == reference))
            .collect()
    }

    /// The first arrivals of each way are in the order sent.
    pub(crate) fn verify_order(&self) {
        for (way, sent) in &self.sent {
            let mut seen = BTreeSet::new();
            let firsts = self
                .arrivals(way)
                .iter()
                .filter(|(reference, _)| seen.insert(reference));
            let places: Vec<usize> = firsts
                .map(|(reference, _)| sent.iter().position(|one| one == reference).expect("it was sent"))
                .collect();
            let disorder = places.windows(2).position(|pair| pair[0] > pair[1]);
            let around = disorder.map(|at| &places[at.saturating_sub(8)..(at + 16).min(places.len())]);
            assert!(
                disorder.is_none(),
                "{way:?}: not in the order sent, at {disorder:?}: {around:?}"
            );
        }
    }

    /// A message came twice only under the same id, or because its sender sent it twice.
    pub(crate) fn verify_repetitions(&self) {
        for (way, arrivals) in &self.received {
            let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
            for (reference, id) in arrivals {
                let known = ids.insert(reference, id).is_none_or(|before| before == id);
                let excused = self.sent_again.contains(&(way.clone(), reference.clone()));
                assert!(
                    known || excused,
                    "{way:?}: {reference} came again under the new id {id}"
                );
            }
        }
    }

    /// Nothing came twice at all: what holds where no connection and no process ended.
    pub(crate) fn verify_no_repetitions(&self) {
        for (way, arrivals) in &self.received {
            let distinct: BTreeSet<_> = arrivals.iter().map(|(reference, _)| reference).collect();
            assert_eq!(distinct.len(), arrivals.len(), "{way:?}: something came twice");
        }
    }

    fn verify_nothing_invented(&self) {
        for (way, arrivals) in &self.received {
            let sent = self.sent.get(way).map(Vec::as_slice).unwrap_or_default();
            let invented = arrivals.iter().find(|(reference, _)| !sent.contains(reference));
            assert!(invented.is_none(), "{way:?}: {invented:?} was never sent");
        }
    }

    fn arrivals(&self, way: &Way) -> &[(String, String)] {
        self.received.get(way).map(Vec::as_slice).unwrap_or_default()
    }
}

fn way(from: &str, to: &str) -> Way {
    (from.to_owned(), to.to_owned())
}
