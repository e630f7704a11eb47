//! Ten fixed paths, each done so many times, for callgrind to count the instructions of: `cargo xtask instructions`.
//!
//! Without arguments it says which paths there are and how many steps of each make a good count; with a name and a number it does
//! that many steps, and nothing else that grows with their number. Who counts twice as many once more has the steps alone in the difference.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a path that does something else must not be counted"
)]

#[expect(dead_code, reason = "the benchmark has more of them")]
mod paths;

use std::process::ExitCode;

use self::paths::{Path, bus, custody, frames, network, session};

/// Steps so many that a count takes about a second, and that seeds of hash tables and the state of the heap, which differ from run to run, do not matter.
const COUNTED: [(&Path, u64); 10] = [
    (&session::MESSAGE_IN, 1000),
    (&session::GROUP_IN, 20),
    (&session::DELIVERIES_PROVEN, 1000),
    (&frames::MESSAGE_WRITTEN, 5000),
    (&custody::FAST_HANDED_ON, 5000),
    (&custody::RELIABLE_PROVEN, 2000),
    (&custody::ABSENT_STORED, 2000),
    (&bus::BATCH_WRITTEN, 200),
    (&bus::BATCH_READ, 200),
    (&network::NEXT_HOPS, 200),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => {
            for (path, steps) in COUNTED {
                println!("{} {steps}", path.name);
            }
            ExitCode::SUCCESS
        }
        [name, steps] => {
            let found = COUNTED.iter().find(|(path, _)| path.name == *name);
            let (Some((path, _)), Ok(steps)) = (found, steps.parse::<u64>()) else {
                eprintln!("no path {name}, or no number {steps}");
                return ExitCode::from(2);
            };
            let mut step = (path.ready)();
            (0..steps).for_each(|_| step());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions [PATH STEPS]");
            ExitCode::from(2)
        }
    }
}
