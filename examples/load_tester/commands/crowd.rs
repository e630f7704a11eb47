//! A part of a crowd, driven from outside: orders from standard input, a JSON object a line to standard output.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::Bench;
use crate::cli::CrowdArguments;
use crate::clients::Clients;
use crate::error::LoadError;
use crate::scenario::Scenario;
use crate::scenario::crowd::{Crowd, CrowdPlan, Line, Order};
use crate::target::allow_files;
use crate::wire::RunTag;

impl Bench<'_> {
    pub(super) fn crowd(&mut self, arguments: &CrowdArguments) -> Result<(), LoadError> {
        run(self, arguments, read_orders(), Box::new(|line| tell(&line)))
    }
}

/// Runs until an order or the end of all orders ends it.
fn run(
    bench: &Bench<'_>,
    arguments: &CrowdArguments,
    orders: Receiver<Order>,
    tell: Box<dyn FnMut(Line)>,
) -> Result<(), LoadError> {
    let of = arguments.of.unwrap_or(arguments.clients);
    if u64::from(arguments.first) + u64::from(arguments.clients) > u64::from(of) {
        return Err(LoadError::Usage(format!(
            "--first {} and --clients {} are more than --of {of}",
            arguments.first, arguments.clients
        )));
    }
    if !arguments.source.is_loopback() {
        return Err(LoadError::Usage(format!(
            "--source {}: it must be a loopback address",
            arguments.source
        )));
    }
    allow_files(u64::from(arguments.clients))?;
    let common = bench.common;
    let tag = arguments.tag.map_or_else(RunTag::fresh, RunTag::of);
    let settings = bench.target.client_settings(common, tag);
    let plan = CrowdPlan {
        clients: arguments.clients,
        first: arguments.first,
        of,
        app_name: common.app_name.clone(),
        first_user: common.first_user,
        nodes: settings.targets.clone(),
        size: arguments.size as usize,
    };
    let mut clients = Clients::new(settings, arguments.clients)?;
    clients.sockets().come_from(arguments.source);
    let mut crowd = Crowd::new(plan, tag, orders, tell)?;
    crowd.open_all(&mut clients);
    while !crowd.finished() {
        clients.turn(&mut crowd)?;
    }
    Ok(())
}

/// Reads orders until standard input ends: then nobody wants this part any more.
fn read_orders() -> Receiver<Order> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match Order::parse(&line) {
                Ok(order) => {
                    if sender.send(order).is_err() {
                        return;
                    }
                }
                Err(why) => tell(&Line::Refused(why)),
            }
        }
    });
    receiver
}

fn tell(line: &Line) {
    let Ok(text) = serde_json::to_string(line) else {
        return;
    };
    // Whoever listened may be gone; then the input ends too.
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};
    use crate::fake_server::{FakeServer, Faults};
    use crate::report::Report;
    use crate::scenario::crowd::Status;
    use crate::target::Target;

    /// Runs a crowd in two parts, has it write until so many messages were sent, and answers with the last status of both.
    fn crowd(faults: Faults, messages: u64) -> [Status; 2] {
        let server = FakeServer::start(faults).unwrap();
        let url = server.url();
        thread::scope(|scope| {
            let parts = [0, 10].map(|first| {
                let (orders, receiver) = channel();
                let lines = Arc::new(Mutex::new(Vec::new()));
                let (told, url) = (Arc::clone(&lines), url.clone());
                let thread = scope.spawn(move || {
                    let words = format!("load_tester crowd --clients 10 --of 20 --tag 7 --first {first}");
                    let arguments = Arguments::parse_from(words.split(' '));
                    let Some(Command::Crowd(crowd)) = arguments.command else {
                        panic!("not a crowd");
                    };
                    let target =
                        Target::new(arguments.common.target, &url, Some(std::process::id())).unwrap();
                    let bench = Bench {
                        common: &arguments.common,
                        target: &target,
                        report: &mut Report::new("crowd", false),
                    };
                    let tell = move |line| told.lock().unwrap().push(line);
                    run(&bench, &crowd, receiver, Box::new(tell)).unwrap();
                });
                (orders, lines, thread)
            });
            let last = |lines: &Mutex<Vec<Line>>| {
                let lines = lines.lock().unwrap();
                lines.iter().rev().find_map(|line| match line {
                    Line::Status(status) => Some(Status::clone(status)),
                    _ => None,
                })
            };
            let until = |reached: &dyn Fn(&Status) -> bool| {
                let deadline = Instant::now() + Duration::from_secs(20);
                for (_, lines, _) in &parts {
                    while !last(lines).is_some_and(|status| reached(&status)) {
                        assert!(Instant::now() < deadline, "{:?}", last(lines));
                        thread::sleep(Duration::from_millis(10));
                    }
                }
            };
            let order = |order: &Order| {
                for (orders, _, _) in &parts {
                    orders.send(order.clone()).unwrap();
                }
            };
            until(&|status| status.ready == 10);
            order(&Order::Rate(2000.0));
            until(&|status| status.sent >= messages);
            order(&Order::Rate(0.0));
            if faults.lose_every == 0 {
                until(&|status| status.under_way == 0);
            }
            order(&Order::End);
            parts.map(|(_, lines, thread)| {
                thread.join().unwrap();
                last(&lines).unwrap()
            })
        })
    }

    fn hashes([one, two]: &[Status; 2]) -> (u64, u64) {
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let sum = |of: fn(&Status) -> &str| number(of(one)).wrapping_add(number(of(two)));
        (
            sum(|status| &status.sent_hashes),
            sum(|status| &status.arrived_hashes),
        )
    }

    #[test]
    fn what_two_parts_send_to_each_other_arrives_once_and_is_confirmed() {
        let parts = crowd(Faults::default(), 200);
        for part in &parts {
            assert!(part.sent >= 200 && part.confirmed == part.sent, "{part:?}");
            assert_eq!((part.duplicates, part.foreign, part.resent), (0, 0, 0));
        }
        let (sent, arrived) = hashes(&parts);
        assert_eq!(sent, arrived);
        assert_eq!(parts[0].sent + parts[1].sent, parts[0].arrived + parts[1].arrived);
    }

    #[test]
    fn what_is_lost_or_repeated_shows() {
        let faults = Faults {
            lose_every: 10,
            ..Faults::default()
        };
        let parts = crowd(faults, 100);
        assert!(parts[0].under_way + parts[1].under_way > 0, "{parts:?}");
        let (sent, arrived) = hashes(&parts);
        assert_ne!(sent, arrived);
        let faults = Faults {
            repeat_every: 10,
            ..Faults::default()
        };
        let parts = crowd(faults, 100);
        assert!(parts[0].duplicates + parts[1].duplicates > 0, "{parts:?}");
    }

    #[test]
    fn what_is_refused_is_sent_again_until_it_is_taken() {
        let faults = Faults {
            refuse_every: 10,
            ..Faults::default()
        };
        let parts = crowd(faults, 100);
        assert!(
            parts
                .iter()
                .all(|part| part.resent > 0 && part.errors["UNAVAILABLE"] > 0)
        );
        let (sent, arrived) = hashes(&parts);
        assert_eq!(sent, arrived);
    }

    #[test]
    fn more_clients_than_the_crowd_has_are_refused() {
        let arguments = Arguments::parse_from(["load_tester", "crowd", "--of", "5", "--clients", "6"]);
        let target = Target::new(arguments.common.target, "ws://127.0.0.1:1/ws", Some(1)).unwrap();
        let result = Bench {
            common: &arguments.common,
            target: &target,
            report: &mut Report::new("crowd", false),
        }
        .execute(&arguments.command.unwrap());
        assert!(matches!(result, Err(LoadError::Usage(_))));
    }
}
