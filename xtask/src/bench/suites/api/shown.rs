//! What came of it.

use super::super::{CPU, PER_SECOND};
use super::{
    BY_HTTP, BY_WEBSOCKET, CPU_EACH, DELIVERED, FEATURES, LISTED, LISTED_USERS, MESSAGES, ONLINE, PEAK,
    RESIDENT, SECONDS, SESSIONS, STORED, WATCHED, WATCHED_BY,
};
use crate::bench::page::{Page, bytes, number, ratio};
use crate::bench::results::{Results, Spot};

pub(super) fn render(results: &Results, page: &mut Page) {
    pushes(results, page);
    messages(results, page);
    watched(results, page);
}

fn pushes(results: &Results, page: &mut Page) {
    page.paragraph(
        "**Pushes.** Sessions of one node do nothing; then a push is posted, and asked for until everybody's fate is known: proven by the client, stored, or dropped. First to all \
         who are online, 1000 characters; then 100 characters to a list of users of whom one in a hundred is online. More sessions than these one process cannot have on the machine that this was \
         measured on (20 000 open files).",
    );
    let to_online = FEATURES.iter().map(|(name, _)| (ONLINE, *name));
    let rows: Vec<Vec<String>> = to_online
        .chain([(LISTED, "RELIABLE")])
        .map(|(case, name)| {
            let spot = Spot(case, name, "");
            let value = |figure| number(results.median(spot, figure));
            let above = results.median(spot, PEAK).zip(results.median(spot, RESIDENT));
            vec![
                format!("{case}, {name}"),
                value(LISTED_USERS),
                value(SESSIONS),
                value(SECONDS),
                value(DELIVERED),
                value(STORED),
                value(CPU_EACH),
                bytes(above.map(|(peak, idle)| peak - idle)),
            ]
        })
        .collect();
    let head = [
        "",
        "users",
        "online",
        "seconds to the last",
        "delivered",
        "stored",
        "µs of CPU a user",
        "memory above idle",
    ];
    page.table(&head, &rows);
}

fn messages(results: &Results, page: &mut Page) {
    page.paragraph(
        "**Single messages.** Sixteen senders, each with one RELIABLE message of 1000 characters under way to somebody who is there, by `POST /api/v1/messages` and by WebSocket, with confirmations.",
    );
    let rows: Vec<Vec<String>> = [BY_HTTP, BY_WEBSOCKET]
        .iter()
        .map(|name| {
            let value = |figure| number(results.median(Spot(MESSAGES, name, ""), figure));
            vec![(*name).to_owned(), value(PER_SECOND), value(CPU)]
        })
        .collect();
    page.table(&["", "messages/s", "µs of CPU a message"], &rows);
}

fn watched(results: &Results, page: &mut Page) {
    page.paragraph(
        "**Traces.** 100 connections with ten RELIABLE messages of 100 characters under way each and their confirmations: without `telemetry.otlpUrl`, and with it at several ratios, to a collector that takes everything.",
    );
    let off = Spot(WATCHED, WATCHED_BY[0].0, "");
    let rows: Vec<Vec<String>> = WATCHED_BY
        .iter()
        .map(|(name, _)| {
            let spot = Spot(WATCHED, name, "");
            vec![
                (*name).to_owned(),
                number(results.median(spot, CPU)),
                ratio(results.ratio(spot, off, CPU)),
                number(results.median(spot, PER_SECOND)),
            ]
        })
        .collect();
    page.table(&["", "µs of CPU a message", "of off", "messages/s"], &rows);
}
