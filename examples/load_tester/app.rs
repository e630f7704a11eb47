//! The program: servers started, scenario run on each, report written.

use std::process::ExitCode;

use clap::Parser;

use crate::check::check;
use crate::cli::{Arguments, Command, Common, TargetKind};
use crate::commands::{Bench, name};
use crate::error::LoadError;
use crate::report::Report;
use crate::server_process::{ServerProcess, Spinners, keep_off, spin, usable_cores};
use crate::target::Target;

/// Exit codes: 0 it ran, 1 it could not, 2 wrong usage.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.spin {
        spin();
        return ExitCode::SUCCESS;
    }
    let result = match &arguments.command {
        _ if arguments.check => check(),
        Some(command) => load(&arguments.common, command),
        None => Err(LoadError::Usage(
            "name a scenario, or --check; --help tells them all".to_owned(),
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, LoadError::Usage(_)) {
                2
            } else {
                1
            })
        }
    }
}

fn load(common: &Common, command: &Command) -> Result<(), LoadError> {
    let cores = usable_cores()?;
    if let Some(core) = common.server_cpu {
        keep_off(core)?;
    }
    let _spinners = if common.keep_awake {
        Some(Spinners::start(&cores)?)
    } else {
        None
    };
    let mut report = Report::new(name(command), common.keep_awake);
    if common.with_echo {
        let echo = ServerProcess::start(&echo_command()?, common.server_cpu)?;
        let target = Target::new(TargetKind::Echo, &echo.url, Some(echo.pid()))?;
        Bench {
            common,
            target: &target,
            report: &mut report,
        }
        .execute(command)?;
    }
    let server = match &common.spawn {
        Some(start) => Some(ServerProcess::start(start, common.server_cpu)?),
        None => None,
    };
    let (url, pid) = match &server {
        Some(server) => (server.url.as_str(), Some(server.pid())),
        None => (common.url.as_str(), common.pid),
    };
    let target = Target::new(common.target, url, pid)?.and_nodes(&common.other_url)?;
    let result = Bench {
        common,
        target: &target,
        report: &mut report,
    }
    .execute(command);
    // What was measured before a failure is still worth having.
    report.compare_with_echo();
    print!("{}", report.table());
    if let Some(file) = &common.json {
        let text = format!("{:#}\n", report.json());
        std::fs::write(file, text).map_err(LoadError::io("writing the JSON file"))?;
    }
    result
}

/// The echo example, built beside this program.
fn echo_command() -> Result<String, LoadError> {
    let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
    let echo = program.with_file_name("echo_server");
    if !echo.exists() {
        let built = "build it: cargo build --release -p linker-actors --example echo_server";
        return Err(LoadError::Server(format!(
            "--with-echo: {} is not there; {built}",
            echo.display()
        )));
    }
    Ok(format!("'{}' --bind 127.0.0.1:0", echo.display()))
}
