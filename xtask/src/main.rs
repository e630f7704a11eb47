//! `cargo xtask`: the checks of this repository, on any machine, from one command. No product code.

mod bench;
mod browser;
mod ci;
mod crowd;
mod debian;
mod dependency_direction;
mod examples;
mod instructions;
mod keeper;
mod local;
mod peers;
mod private;
mod processes;
mod programs;
mod promtool;
mod services;
mod steps;
mod systemd;
mod test_suite;
mod valgrind;

use std::process::ExitCode;

use self::services::Search;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test       the whole test suite: dependency direction, a browser, Valgrind, promtool and PostgreSQL, Redis and RabbitMQ (found, or
             started, or installed when missing), cargo test, the examples' own checks, instructions
  ci         formatting and lints, then test
  instructions
             counts the instructions of ten fixed paths of the core and compares with linker-core/benches/instructions.json: more
             than 10 % more is an error; with --accept it writes that file anew
  services   finds or starts PostgreSQL, Redis and RabbitMQ as test does, prints their urls, and keeps those that it started until
             it is interrupted; with --private it starts its own whatever there is
  crowd      100 000 users in a domain of 10 nodes, or a million in 52 by --million: logins, idling, messages, a node that dies, a
             rolling restart, and whether anything was lost; --help tells more
  peers [NAME...]
             finds or installs the servers that Linker is compared with (mosquitto, nats, socketio, ejabberd, echo; without a name
             all), starts each on a free port, prints `NAME ready ws=URL pid=PID`, and keeps them until its standard input ends
  bench      measures Linker beside these and writes docs/benchmarks.md; bench --help tells how";

/// Wrong usage, as for the server itself.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => test_suite::run_tests(),
        ["ci"] => ci::run_ci(),
        ["instructions"] => instructions::compare(),
        ["instructions", "--accept"] => instructions::accept(),
        ["services"] => services::hold(Search::Anywhere),
        ["services", "--private"] => services::hold(Search::PrivateOnly),
        ["crowd", "--help"] => {
            println!("{}", crowd::USAGE);
            return ExitCode::SUCCESS;
        }
        ["crowd", options @ ..] => crowd::run(options),
        [crowd::INSIDE, options @ ..] => crowd::inside(options),
        ["bench", words @ ..] => bench::run(words),
        [services::keeping::COMMAND, wanted @ ..] => services::keeping::keep(wanted),
        ["peers", names @ ..] => peers::hold(names),
        [peers::keeping::COMMAND, names @ ..] => peers::keeping::keep(names),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
