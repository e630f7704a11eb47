//! RELIABLE messages for users who are away: stored with an fsync, and drained when those come back.

use anyhow::Result;

use super::{CPU, PER_SECOND, Suite};
use crate::bench::contender::Contender;
use crate::bench::load::Load;
use crate::bench::page::{Limit, Page, number, ratio};
use crate::bench::plot::{Bar, bars};
use crate::bench::results::{Results, Spot};
use crate::bench::running::Bench;

pub(super) const SUITE: Suite = Suite {
    name: "durable",
    title: "Storing for absent users",
    round,
    render,
};

const STORE: &str = "store";
const DRAIN: &str = "drain";
const PACED: &str = "accepted at 10 000/s";
const SQLITE: &str = "Linker, SQLite";
const POSTGRES: &str = "Linker, PostgreSQL";
const MOSQUITTO: &str = "Mosquitto (in memory)";
const SQLITE_LIMIT: &str = "SQLite alone";
const POSTGRES_LIMIT: &str = "PostgreSQL alone";
const FSYNC: &str = "fsyncIsOn";
const ACCEPTED_P99: &str = "answer.p99Ms";
const ACCEPTED_P50: &str = "answer.p50Ms";

fn round(bench: &mut Bench) -> Result<()> {
    let seconds = bench.seconds();
    let sizes = "--senders 16 --users 1000 --size 1000";
    let messages = bench.count(200_000, 5_000);
    let scenarios = [
        (STORE, format!("store {sizes} --in-flight 256 {seconds}")),
        (
            DRAIN,
            format!("drain {sizes} --in-flight 256 --messages {messages} {seconds}"),
        ),
        (PACED, format!("store {sizes} --rate 10000 {seconds}")),
    ];
    for (case, scenario) in &scenarios {
        let load =
            |bench: &Bench, name| Load::new(case, name, &bench.programs, scenario).with(&["--keep-awake"]);
        let sqlite = load(bench, SQLITE).on(Contender::Linker, &bench.programs);
        bench.databases()?.settle()?;
        let _ = bench.run(&sqlite);
        if *case == STORE {
            limit(bench, SQLITE_LIMIT, "sqlite");
        }
        on_postgres(bench, &load(bench, POSTGRES))?;
        if *case == STORE {
            limit(bench, POSTGRES_LIMIT, "postgres");
        }
        let mosquitto = load(bench, MOSQUITTO).on(Contender::Mosquitto, &bench.programs);
        let _ = bench.run(&mosquitto);
    }
    Ok(())
}

/// A fresh database each time: what waits from before would be part of the cost.
fn on_postgres(bench: &mut Bench, load: &Load) -> Result<()> {
    let database = bench.databases()?.make()?;
    bench.databases()?.settle()?;
    let fsync = bench.databases()?.setting("fsync")? == "on";
    let store = ("LINKER__STORE__URL", database.url());
    let command = bench.programs.linker(&[(store.0, &store.1)]);
    let load = load.clone().spawning(&command);
    let _ = bench.run_with(&load, |bench, load| {
        let mut sample = bench.take(load)?;
        sample.add(FSYNC, f64::from(u8::from(fsync)));
        Ok(sample)
    });
    Ok(())
}

/// What the database does with rows of the same size when nothing else is asked of it.
fn limit(bench: &mut Bench, name: &str, kind: &str) {
    let seconds = bench.options.seconds;
    let words = format!("{kind} --size 1000 --users 1000 --seconds {seconds}");
    let load = Load::of(STORE, name, &bench.programs.store_limit, &words);
    if kind == "sqlite" {
        let _ = bench.run(&load);
        return;
    }
    let Ok(database) = bench.databases().and_then(|databases| databases.make()) else {
        return;
    };
    let load = load.with(&["--url", &database.url()]);
    let _ = bench.run(&load);
}

fn render(results: &Results, page: &mut Page) {
    page.paragraph(
        "1000 characters, 16 senders with 256 under way, 1000 absent users. Every accepted message is on the disk (SQLite: WAL with `synchronous=FULL`; PostgreSQL: \
         `synchronous_commit=on`). *Alone* is the raw limit of the same database in the same run: rows of the same size in large batches, nothing else asked of it (the \
         example `store_limit`: one writer of 1000 rows at a time on SQLite, four of 500 by `UNNEST` on PostgreSQL). Here nothing is pinned: server, database and tester share all cores. What earlier \
         loads have written is on the disk (`CHECKPOINT`, `sync`) before one of Linker's begins: otherwise its commits wait for that.",
    );
    if results.worst(Spot(STORE, POSTGRES, ""), FSYNC) == Some(0.0) {
        page.paragraph("**PostgreSQL ran with `fsync=off`: its figures are not of durable storage.**");
    }
    let stored = |name, figure| results.median(Spot(STORE, name, ""), figure);
    let of_limit = |name, limit| results.ratio(Spot(STORE, name, ""), Spot(STORE, limit, ""), PER_SECOND);
    let rows: Vec<Vec<String>> = [
        (SQLITE, SQLITE_LIMIT),
        (SQLITE_LIMIT, SQLITE_LIMIT),
        (POSTGRES, POSTGRES_LIMIT),
        (POSTGRES_LIMIT, POSTGRES_LIMIT),
        (MOSQUITTO, ""),
    ]
    .iter()
    .map(|(name, limit)| {
        let paced = |figure| number(results.median(Spot(PACED, name, ""), figure));
        vec![
            (*name).to_owned(),
            number(stored(name, PER_SECOND)),
            ratio(of_limit(name, limit)),
            number(stored(name, CPU)),
            paced(ACCEPTED_P50),
            paced(ACCEPTED_P99),
            number(results.median(Spot(DRAIN, name, ""), PER_SECOND)),
        ]
    })
    .collect();
    let head = [
        "",
        "stored/s",
        "of the raw limit",
        "server CPU, µs each",
        "accepted at 10 000/s: p50, ms",
        "p99, ms",
        "drained/s",
    ];
    page.table(&head, &rows);
    picture(results, page);
    let least = |least| Limit::AtLeast(least, "/s");
    page.mark(
        "stored, PostgreSQL",
        least(45_000.0),
        stored(POSTGRES, PER_SECOND),
    );
    page.mark("stored, SQLite", least(30_000.0), stored(SQLITE, PER_SECOND));
    for name in [POSTGRES, SQLITE] {
        let spot = |case| Spot(case, name, "");
        let accepted = results.median(spot(PACED), ACCEPTED_P99);
        page.mark(
            &format!("accepted at 10 000/s, p99, {name}"),
            Limit::AtMost(20.0, "ms"),
            accepted,
        );
        let drained = results.median(spot(DRAIN), PER_SECOND);
        page.mark(&format!("drained, {name}"), least(100_000.0), drained);
    }
    page.quote(
        "stored a second with an fsync, of what PostgreSQL alone can",
        of_limit(POSTGRES, POSTGRES_LIMIT),
    );
    page.quote(
        "stored a second with an fsync, of what SQLite alone can",
        of_limit(SQLITE, SQLITE_LIMIT),
    );
}

fn picture(results: &Results, page: &mut Page) {
    let drawn: Vec<Bar> = [
        (SQLITE, 0),
        (SQLITE_LIMIT, 1),
        (POSTGRES, 0),
        (POSTGRES_LIMIT, 1),
        (MOSQUITTO, 2),
    ]
    .iter()
    .filter_map(|(name, colour)| {
        Some(Bar {
            name: (*name).to_owned(),
            value: results.median(Spot(STORE, name, ""), PER_SECOND)?,
            colour: *colour,
        })
    })
    .collect();
    let title = "Messages stored for absent users";
    page.picture(
        "durable",
        title,
        bars(
            title,
            "messages of 1000 characters a second (more is better)",
            &drawn,
            None,
        ),
    );
}
