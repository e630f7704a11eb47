//! The stock Linker node: a thin launcher around linker-actors.

mod allocator;
mod cli;
mod compose;
mod config;
mod http;
mod login_key;
mod meta;
mod otlp;
mod process;
mod process_use;
mod reload;
mod serve;
mod telemetry;
mod tls;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::{Config, Mistakes, Overrides, ProcessSurroundings};
use reload::Source;
use tls::PortTls;

/// Exit code of a failure at run time, and of `check` when it found mistakes.
const FAILED: u8 = 1;
/// Exit code of wrong usage or configuration.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().into_command() {
        Command::Serve(args) => {
            let source = Source::new(args.config.clone(), args.overrides());
            let reading = source.begin();
            match source.load(&reading) {
                Ok(config) => serve::run(config, source, reading),
                Err(mistakes) => refuse(&mistakes, MISUSED),
            }
        }
        Command::Check(args) => match check(&args.config) {
            Ok(warnings) => {
                warnings
                    .iter()
                    .for_each(|warning| eprintln!("warning: {warning}"));
                println!("{}: no mistakes", args.config.display());
                ExitCode::SUCCESS
            }
            Err(mistakes) => refuse(&mistakes, FAILED),
        },
        Command::Migrate(args) => match load(Some(&args.config), &Overrides::default()) {
            Ok(config) => serve::migrate(&config),
            Err(mistakes) => refuse(&mistakes, MISUSED),
        },
        Command::Meta(args) => meta::run(&args),
    }
}

/// All that can be wrong without starting anything; answers what is only odd.
fn check(file: &Path) -> Result<Vec<String>, Mistakes> {
    let config = load(Some(file), &Overrides::default())?;
    let (directory, mut warnings) = meta::directory(&config, String::new(), &ProcessSurroundings)?;
    warnings.extend(config.server.warnings());
    // What is wrong with a pair has been told.
    warnings.extend(PortTls::new(&config.server).iter().flat_map(PortTls::warnings));
    let apps = match &directory {
        Some(directory) => directory.apps(),
        // Those of the meta document are checked when it comes.
        None => &meta::own_apps(&config)?,
    };
    compose::check_logins(&config, apps)?;
    compose::upstream_sink(&config)?;
    Ok(warnings)
}

fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, Mistakes> {
    config::load(file, overrides, &ProcessSurroundings)
}

fn refuse(mistakes: &Mistakes, code: u8) -> ExitCode {
    eprintln!("{mistakes}");
    ExitCode::from(code)
}
