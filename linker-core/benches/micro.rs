//! What the core's steps cost in time: `cargo bench -p linker-core`, with a part of a path's name for those paths alone.
//!
//! Times are of this machine and this moment; that nothing gets slower is watched by counts of instructions (`instructions.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a path that does something else must end the benchmark"
)]

mod paths;

use std::time::Duration;

use criterion::Criterion;

use self::paths::{Path, bus, custody, envelope, frames, network, session};

const PATHS: [&Path; 17] = [
    &frames::MESSAGE_READ,
    &frames::SHORT_MESSAGE_READ,
    &frames::MESSAGE_WRITTEN,
    &session::MESSAGE_IN,
    &session::GROUP_IN,
    &session::DELIVERIES_PROVEN,
    &custody::FAST_HANDED_ON,
    &custody::RELIABLE_PROVEN,
    &custody::ABSENT_STORED,
    &custody::DEDUPE,
    &envelope::WRITTEN,
    &envelope::READ,
    &bus::BATCH_WRITTEN,
    &bus::BATCH_READ,
    &network::NEXT_HOPS,
    &network::NEXT_HOPS_LARGE,
    &network::NEXT_HOP_FOUND,
];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for path in PATHS {
        criterion.bench_function(path.name, |bencher| {
            bencher.iter((path.ready)());
        });
    }
    criterion.final_summary();
}
