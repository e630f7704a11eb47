//! `linker-server meta`: serves the meta document to the nodes of all domains, and its newer versions without a restart.

mod http;
mod served;
mod watch;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;

use self::served::Served;
use super::document::{self, Sound};
use crate::cli::MetaArgs;
use crate::config::{self, Mistakes, ProcessSurroundings, TelemetryConfig, Wrong};
use crate::process::{Failure, exit, listen, stop_signal};
use crate::telemetry;

/// Where the original's meta server listens too.
const PORT: u16 = 9000;

/// The version that is served.
type Current = Arc<ArcSwap<Served>>;

/// Runs the meta server until it is told to stop.
pub(crate) fn run(args: &MetaArgs) -> ExitCode {
    let started = config::telemetry(&ProcessSurroundings).and_then(|telemetry| {
        let bytes = first_version(args)?;
        let sound = document::judge(&args.config, &bytes)?;
        Ok((telemetry, bytes, sound))
    });
    match started {
        Ok((telemetry, bytes, sound)) => {
            exit(actix_rt::System::new().block_on(serve(args, &telemetry, bytes, sound)))
        }
        Err(mistakes) => crate::refuse(&mistakes, crate::MISUSED),
    }
}

fn first_version(args: &MetaArgs) -> Result<Vec<u8>, Mistakes> {
    document::read(&args.config, &ProcessSurroundings).map_err(|error| {
        let wrong = Wrong::new(
            format!("cannot read the file: {error}"),
            "a readable meta document of at most 16MiB",
        );
        Mistakes::one(document::place(&args.config), "", wrong)
    })
}

async fn serve(
    args: &MetaArgs,
    telemetry: &TelemetryConfig,
    bytes: Vec<u8>,
    sound: Sound,
) -> Result<(), Failure> {
    telemetry::start_logs(telemetry).map_err(Failure::at_run_time)?;
    // The file is followed anyway.
    let _ignored = crate::reload::hang_ups().map_err(Failure::at_run_time)?;
    for warning in &sound.warnings {
        tracing::warn!("{warning}");
    }
    let (key, address) = address(args, &sound);
    let (listener, bound) = listen(key, address)?;
    let served = Served::new(&sound).map_err(Failure::at_run_time)?;
    let etag = served.etag.clone();
    let current = Current::new(ArcSwap::from_pointee(served));
    let server = http::start(listener, Arc::clone(&current)).map_err(Failure::at_run_time)?;
    let handle = server.handle();
    actix_rt::spawn(server);
    let watching = actix_rt::spawn(watch::follow(args.config.clone(), bytes, current));
    announce(bound).map_err(Failure::at_run_time)?;
    tracing::info!(address = %bound, file = %args.config.display(), etag, "the meta server is ready");
    stop_signal().await.map_err(Failure::at_run_time)?;
    watching.abort();
    handle.stop(true).await;
    tracing::info!("stopped");
    Ok(())
}

/// Where to listen, and what says so.
fn address(args: &MetaArgs, sound: &Sound) -> (&'static str, SocketAddr) {
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let port = sound.document.server.as_ref().and_then(|server| server.port);
    match (args.bind, port) {
        (Some(bind), _) => ("--bind", bind),
        (None, Some(port)) => ("server.port", local(port)),
        (None, None) => ("--bind", local(PORT)),
    }
}

fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "linker meta ready http://{address}")?;
    out.flush()
}
