//! Whether the tester can be believed: every scenario against a small server that is right, and against one that is wrong.

use clap::Parser;

use crate::cli::{Arguments, TargetKind};
use crate::commands::{Bench, name};
use crate::error::LoadError;
use crate::fake_server::{FakeServer, Faults};
use crate::report::{Report, Row};
use crate::target::Target;

const RIGHT: Faults = Faults {
    lose_every: 0,
    repeat_every: 0,
    swap_every: 0,
    refuse_every: 0,
};

/// One check: a command line, what the server does wrong, and what must be found.
struct Check {
    arguments: &'static str,
    faults: Faults,
    finds: fn(&Row) -> bool,
}

/// Nothing went wrong, and something was done.
fn flawless(row: &Row) -> bool {
    row.counts.flawless() && row.work_per_second > 0.0 && row.errors.is_empty() && row.disconnects.is_empty()
}

const CHECKS: &[Check] = &[
    Check {
        arguments: "closed --connections 10 --in-flight 3 --size 100 --feature fast,reliable",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.sent == row.counts.delivered && row.latency.is_some(),
    },
    Check {
        arguments: "closed --connections 10 --threads 2 --feature reliable --confirm",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.sent == row.counts.answered && row.answer.is_some(),
    },
    Check {
        arguments: "open --connections 10 --rate 500 --to itself",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.sent == 500 && row.counts.delivered == 500,
    },
    Check {
        arguments: "seed-table --connections 5,10 --confirm",
        faults: RIGHT,
        // A message every 10 ms per 1000 connections: one a second for ten of them.
        finds: |row| row.counts.flawless() && (1..=2).contains(&row.counts.sent),
    },
    Check {
        arguments: "group --group-size 5 --groups 2 --feature reliable",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.delivered == 5 * row.counts.sent,
    },
    Check {
        arguments: "store --senders 3 --users 10 --in-flight 4",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.answered == row.counts.sent,
    },
    Check {
        arguments: "drain --senders 3 --users 10 --messages 1000 --asking replay --confirm",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.delivered == 1000 && row.counts.confirmed == 1000,
    },
    Check {
        arguments: "drain --senders 3 --users 10 --messages 1000 --asking fetch --page 7 --threads 2",
        faults: RIGHT,
        finds: |row| flawless(row) && row.counts.delivered == 1000,
    },
    Check {
        arguments: "logins --at-once 4 --users 10",
        faults: RIGHT,
        finds: |row| flawless(row) && row.latency.is_some(),
    },
    Check {
        arguments: "closed --connections 4 --in-flight 4 --timeout 1",
        faults: Faults {
            lose_every: 50,
            ..RIGHT
        },
        finds: |row| row.counts.lost > 0 && row.counts.duplicates + row.counts.out_of_order == 0,
    },
    Check {
        arguments: "closed --connections 4 --in-flight 4 --timeout 1 --feature reliable --confirm",
        faults: Faults {
            repeat_every: 50,
            ..RIGHT
        },
        finds: |row| row.counts.duplicates > 0 && row.counts.repeated_answers > 0 && row.counts.lost == 0,
    },
    Check {
        arguments: "closed --connections 2 --in-flight 8 --to itself --timeout 1",
        faults: Faults {
            swap_every: 50,
            ..RIGHT
        },
        finds: |row| row.counts.out_of_order > 0 && row.counts.duplicates == 0,
    },
    Check {
        arguments: "closed --connections 4 --in-flight 4 --feature reliable --confirm",
        faults: Faults {
            refuse_every: 50,
            ..RIGHT
        },
        finds: |row| row.counts.refused > 0 && row.counts.lost == 0 && row.errors.contains_key("UNAVAILABLE"),
    },
    Check {
        arguments: "group --group-size 5 --timeout 1",
        faults: Faults {
            lose_every: 50,
            ..RIGHT
        },
        finds: |row| row.counts.lost > 0,
    },
    Check {
        arguments: "drain --senders 2 --users 4 --messages 1000",
        faults: Faults {
            repeat_every: 0,
            lose_every: 0,
            swap_every: 0,
            refuse_every: 50,
        },
        finds: |row| row.counts.refused == 20 && row.counts.delivered == 980 && row.counts.lost == 0,
    },
];

/// Runs one check and returns what the tester reported.
fn run(check: &Check) -> Result<Report, LoadError> {
    let server =
        FakeServer::start(check.faults).map_err(LoadError::io("starting the server to check against"))?;
    let words = "load_tester --warm-up 0 --seconds 1"
        .split(' ')
        .chain(check.arguments.split(' '));
    let arguments = Arguments::try_parse_from(words).map_err(|error| LoadError::Usage(error.to_string()))?;
    let command = arguments
        .command
        .ok_or_else(|| LoadError::Usage("a check without a scenario".to_owned()))?;
    // The server is in this process, so its memory and CPU are this process's: enough to check that they are read.
    let target = Target::new(TargetKind::Linker, &server.url(), Some(std::process::id()))?;
    let mut report = Report::new(name(&command), false);
    Bench {
        common: &arguments.common,
        target: &target,
        report: &mut report,
    }
    .execute(&command)?;
    Ok(report)
}

/// Runs all checks and tells each result.
///
/// # Errors
/// If one does not find what it must.
pub(crate) fn check() -> Result<(), LoadError> {
    let mut failed = 0;
    for check in CHECKS {
        let report = run(check)?;
        let passed = !report.rows.is_empty() && report.rows.iter().all(check.finds);
        failed += usize::from(!passed);
        println!(
            "{}  {} (server: {:?})",
            if passed { "ok    " } else { "FAILED" },
            check.arguments,
            check.faults
        );
        if !passed {
            println!("{}", report.table());
        }
    }
    if failed > 0 {
        return Err(LoadError::Server(format!(
            "{failed} of {} checks failed",
            CHECKS.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_finds_what_there_is_and_nothing_else() {
        // All at once: each mostly waits for its second to pass.
        std::thread::scope(|scope| {
            let runs: Vec<_> = CHECKS
                .iter()
                .map(|check| (check, scope.spawn(|| run(check))))
                .collect();
            for (check, run) in runs {
                let report = run.join().unwrap().unwrap();
                let passed = !report.rows.is_empty() && report.rows.iter().all(check.finds);
                assert!(
                    passed,
                    "{} with {:?}:\n{}",
                    check.arguments,
                    check.faults,
                    report.table()
                );
            }
        });
    }

    #[test]
    fn idle_sessions_are_weighed_before_and_after_a_burst() {
        let arguments = "idle --sessions 20 --burst 3 --settle 0";
        let report = run(&Check {
            arguments,
            faults: RIGHT,
            finds: flawless,
        })
        .unwrap();
        let stages: Vec<_> = report
            .sessions
            .iter()
            .map(|row| (row.stage, row.sessions))
            .collect();
        assert_eq!(
            stages,
            [("no session yet", 0), ("idle", 20), ("idle after a burst", 20)]
        );
        assert_eq!(report.notes, [""; 0]);
        assert!(report.sessions[1].bytes_per_session.is_some() && report.sessions[2].rss_bytes > 0);
    }

    #[test]
    fn a_server_that_is_not_there_is_one_clear_error() {
        let gone = FakeServer::start(RIGHT).unwrap().url();
        let arguments = Arguments::parse_from(["load_tester", "closed", "--connections", "2"]);
        let target = Target::new(TargetKind::Linker, &gone, None).unwrap();
        let mut report = Report::new("closed", false);
        let result = Bench {
            common: &arguments.common,
            target: &target,
            report: &mut report,
        }
        .execute(&arguments.command.unwrap());
        assert!(matches!(result, Err(LoadError::Login { .. })), "{result:?}");
    }
}
