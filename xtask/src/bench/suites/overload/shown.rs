//! What came of it.

use super::super::{P50, P99, PER_SECOND};
use super::{
    AFTER, ALONE_P99, BACK_AFTER, BEFORE, CARRIED, DROPPED, FEATURES, FLOOD, PEAK, READERS, TWICE, slow_case,
};
use crate::bench::page::{Limit, Page, bytes, number, ratio};
use crate::bench::results::{Results, Spot};

/// `limits.maxUnprovenBytes`, and what a client may have of output it does not read.
const BOUND_OF_A_READER: f64 = (1024.0 + 64.0) * 1024.0;

pub(super) fn render(results: &Results, page: &mut Page) {
    twice(results, page);
    slow(results, page);
    flood(results, page);
}

fn twice(results: &Results, page: &mut Page) {
    page.paragraph(
        "**Twice what it carries.** First a closed load of 1000 connections with 16 messages of 1000 characters under way finds what the node carries; then twice that rate is offered. \
         Senders are slowed by their sockets: what the tester could not send, with two seconds' worth under way, was *held back*. Memory is resident, before and up to 30 s after.",
    );
    let rows: Vec<Vec<String>> = FEATURES
        .iter()
        .map(|(name, _)| {
            let spot = Spot(TWICE, name, "");
            let value = |figure| number(results.median(spot, figure));
            vec![
                (*name).to_owned(),
                value(CARRIED),
                value(PER_SECOND),
                value(P50),
                value(P99),
                value("latency.maxMs"),
                value("counts.skipped"),
                number(results.worst(spot, "counts.lost")),
                number(results.worst(spot, DROPPED)),
            ]
        })
        .collect();
    let head = [
        "",
        "carried/s",
        "delivered/s at twice that",
        "p50, ms",
        "p99, ms",
        "longest, ms",
        "held back",
        "lost",
        "dropped by /metrics",
    ];
    page.table(&head, &rows);
    memory(results, page, &[(TWICE.to_owned(), String::new())]);
    for (name, _) in FEATURES {
        let spot = Spot(TWICE, name, "");
        let what = format!("{name} at twice the load");
        page.mark(
            &format!("{what}, longest latency"),
            Limit::AtMost(10_000.0, "ms"),
            results.worst(spot, "latency.maxMs"),
        );
        page.stopped_by(
            "nothing is lost or dropped, so whatever is sent faster than it can be delivered waits: its sessions fall behind and are fed from the store, at the speed at which it is written \
             and read at the same time. The latency is bounded by how much may wait (`reliable.retention.maxPerUser`), not by a time",
        );
        let back = results.ratio_of(spot, AFTER, BEFORE);
        page.mark(
            &format!("{what}, memory after it, of before"),
            Limit::AtMost(1.1, ""),
            back,
        );
    }
    let lost = results.worst(Spot(TWICE, "RELIABLE", ""), "counts.lost");
    page.mark("RELIABLE at twice the load, lost", Limit::AtMost(0.0, ""), lost);
    let fast = Spot(TWICE, "FAST", "");
    let uncounted = results
        .worst(fast, "counts.lost")
        .zip(results.worst(fast, DROPPED));
    let uncounted = uncounted.map(|(lost, dropped)| (lost - dropped).max(0.0));
    page.mark(
        "FAST at twice the load, lost without being counted",
        Limit::AtMost(0.0, ""),
        uncounted,
    );
}

fn memory(results: &Results, page: &mut Page, cases: &[(String, String)]) {
    let rows: Vec<Vec<String>> = cases
        .iter()
        .flat_map(|(case, shown)| FEATURES.iter().map(move |(name, _)| (case, shown, name)))
        .map(|(case, shown, name)| {
            let spot = Spot(case, name, "");
            let size = |figure| bytes(results.median(spot, figure));
            vec![
                format!("{name}{shown}"),
                size(BEFORE),
                size(PEAK),
                size(AFTER),
                ratio(results.ratio_of(spot, AFTER, BEFORE)),
                number(results.median(spot, BACK_AFTER)),
            ]
        })
        .collect();
    page.table(
        &[
            "memory",
            "before",
            "peak",
            "after",
            "after / before",
            "after how long, s",
        ],
        &rows,
    );
}

fn slow(results: &Results, page: &mut Page) {
    let [few, many] = READERS;
    page.paragraph(&format!(
        "**Readers that do not read.** {few} and then {many} clients log in and never read again, while 16 senders write to them, 20 000 messages/s of 1000 characters in all. What the node holds for each is bounded by \
         `limits.maxUnprovenBytes` (1 MiB) and 64 KiB of output; what is RELIABLE beyond that goes to the store, what is FAST is dropped. What one reader costs is the difference between the two peaks by the readers \
         between them: the store's caches are there once."
    ));
    let cases = READERS.map(|readers| (slow_case(readers), format!(", {readers} readers")));
    memory(results, page, &cases);
    for (name, _) in FEATURES {
        let peak = |readers| results.median(Spot(&slow_case(readers), name, ""), PEAK);
        let grown = peak(many).zip(peak(few));
        let each = grown.map(|(many_peak, few_peak)| (many_peak - few_peak) / f64::from(many - few) / 1024.0);
        let most = Limit::AtMost(BOUND_OF_A_READER / 1024.0, "KiB");
        page.mark(
            &format!("memory for a {name} reader that does not read"),
            most,
            each,
        );
    }
}

fn flood(results: &Results, page: &mut Page) {
    page.paragraph(
        "**A flood to absent users.** 200 users write to each other, 2 000 messages/s of 1000 characters, alone and then while 16 others store for absent users as fast as they are let.",
    );
    let rows: Vec<Vec<String>> = FEATURES
        .iter()
        .map(|(name, _)| {
            let spot = Spot(FLOOD, name, "");
            let value = |figure| number(results.median(spot, figure));
            vec![
                (*name).to_owned(),
                value(ALONE_P99),
                value(P99),
                ratio(results.ratio_of(spot, P99, ALONE_P99)),
                value(CARRIED),
            ]
        })
        .collect();
    page.table(
        &[
            "",
            "p99 alone, ms",
            "p99 beside the flood, ms",
            "ratio",
            "flood stored/s",
        ],
        &rows,
    );
}
