//! A network of domains on this machine: the ring of four, with links to cut and heal, and messages to follow on their ways.
//!
//! ```text
//! cargo run -p linker-actors --features redis,rabbitmq,postgres --example domain_network
//! > send ANZ-1 ANZ-3000001 hello
//! > cut 01 02
//! > send ANZ-1 ANZ-3000001 hello again
//! ```
//!
//! It needs PostgreSQL, Redis and RabbitMQ: see `--help`. Each domain has a node of its own in this process, a database, keys in Redis, and a vhost at RabbitMQ where
//! its management API can be had. All of that is removed in the end.
//!
//! With `--check` it sends, cuts and heals by itself, and ends with 0 when every message arrived as it should.

/// A line for whoever looks. Nobody may be looking any more (`| head`): that ends nothing, least of all the removal of what was made.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod check;
mod commands;
mod domain;
mod drawing;
mod journal;
mod management;
mod names;
mod network;
mod options;
mod proxy;
mod services;
mod url;
mod user;
mod users;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use self::journal::Journal;
use self::names::Run;
use self::network::Network;
use self::options::Options;
use self::services::Services;
use self::users::Users;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("domain_network: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Outcome<()> {
    let run = Run::new()?;
    let services = Services::new(options, run);
    let mut network = None;
    // Whatever ends the work, what it has made is removed below.
    let worked = tokio::select! {
        worked = work(options, &services, &mut network) => worked,
        interrupted = interrupted() => interrupted,
    };
    if let Some(network) = network {
        network.stop().await;
    }
    let removed = services.remove().await;
    worked.and(removed)?;
    if options.check {
        say!("ok: both ways round the ring, a domain cut off and back, a user who came later");
    }
    Ok(())
}

async fn work(options: &Options, services: &Services<'_>, network: &mut Option<Network>) -> Outcome<()> {
    let places = services.make().await?;
    say!("{}", services.description());
    let journal = Arc::new(Journal::new(services.run()));
    let network = network.insert(Network::new(services, &places, &journal).await?);
    network.await_links().await?;
    say!("\n{}", drawing::draw(network));
    let changes = network.watch_links();
    let mut users = Users::new(Arc::clone(&journal));
    let worked = if options.check {
        check::run(network, &mut users).await
    } else {
        commands::read(network, &mut users).await
    };
    changes.abort();
    worked
}

async fn interrupted() -> Outcome<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    say!("\ninterrupted: removing what was made");
    Ok(())
}
