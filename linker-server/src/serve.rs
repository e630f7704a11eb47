//! `serve` and `migrate`: from a configuration to an exit code.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use actix_web::web::Data;
use linker_actors::adapter::postgres;
use linker_actors::adapter::sqlite::{OpenOptions, SqliteStore};
use linker_actors::{Attempts, DataDir, Linker};

use crate::compose::StorePlace;
use crate::config::{Config, ServerConfig, StoreLocation};
use crate::http::{AsyncApi, LoginShared, Tokens, admin, client};
use crate::otlp::{self, Otlp};
use crate::process::{Failure, exit, listen, stop_signal};
use crate::reload::{self, Parts, Reading, Reload, Source};
use crate::telemetry::Telemetry;
use crate::tls::PortTls;
use crate::{compose, login_key, meta};

/// Runs a node until it is told to stop.
pub(crate) fn run(config: Config, source: Source, reading: Reading) -> ExitCode {
    exit(actix_rt::System::new().block_on(serve(config, source, reading)))
}

/// Brings the store's schema up to date.
pub(crate) fn migrate(config: &Config) -> ExitCode {
    let result = actix_rt::System::new().block_on(async {
        let _locked = lock(config)?;
        match compose::store_place(config) {
            StorePlace::File(path) => {
                let options = OpenOptions {
                    migrate: true,
                    ..OpenOptions::default()
                };
                SqliteStore::open(&path, options)
                    .await
                    .map_err(Failure::at_run_time)?;
                println!("{}: the schema is up to date", path.display());
            }
            StorePlace::Postgres(url) => {
                postgres::migrate(url).await.map_err(Failure::at_run_time)?;
                println!("the database of store.url: the schema is up to date");
            }
        }
        Ok(())
    });
    exit(result)
}

fn lock(config: &Config) -> Result<DataDir, Failure> {
    let holder = format!("node {} (process {})", config.node.name, std::process::id());
    DataDir::lock(&config.server.data_dir, &holder).map_err(Failure::at_run_time)
}

async fn serve(config: Config, source: Source, reading: Reading) -> Result<(), Failure> {
    let hang_ups = reload::hang_ups().map_err(Failure::at_run_time)?;
    let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::at_run_time)?;
    if let Err(reason) = crate::allocator::return_memory() {
        tracing::warn!(reason, "memory that is not used may be kept");
    }
    let _locked = lock(&config)?;
    let (ws_listener, ws_address) = listen("server.bind", config.server.bind)?;
    let (admin_listener, admin_address) = listen("server.adminBind", config.server.admin_bind)?;
    let (directory, warnings) = meta::directory(&config, config.server.public_url_at(ws_address), &reading)
        .map_err(Failure::misuse)?;
    for warning in warnings.into_iter().chain(config.server.warnings()) {
        tracing::warn!("{warning}");
    }
    let public_url = config.server.public_url_at(ws_address);
    let protocol = AsyncApi::new(&public_url).map_err(Failure::at_run_time)?;
    let builder = compose::builder(&config, directory, public_url.clone()).map_err(Failure::misuse)?;
    let tokens = login_key::token_options(&config).map_err(Failure::at_run_time)?;
    otlp::describe();
    let traces = config.telemetry.traces.as_ref();
    let otlp = traces.map(|traces| Otlp::start(traces, &config.node)).transpose();
    let otlp = otlp.map_err(Failure::at_run_time)?;
    let linker = compose::with_traces(builder, traces.zip(otlp.as_ref()))
        .session_tokens(tokens)
        .start()
        .await
        .map_err(Failure::at_run_time)?;
    if let StoreLocation::SqliteFile(path) = &config.store.location {
        tracing::info!(file = %path.display(), "the store is outside of the data folder");
    }
    let login = LoginShared {
        linker: Data::new(linker.handle()),
        attempts: Data::new(Attempts::new(config.login.per_second_per_address)),
    };
    let tokens = Data::new(Tokens::new(&config.server));
    let tls = PortTls::new(&config.server).map_err(Failure::misuse)?;
    let telling_ends = actix_rt::spawn(tls.clone().keep_telling_ends());
    let admin_server = admin::start(
        admin_listener,
        tokens.clone(),
        login.clone(),
        protocol.clone(),
        telemetry.clone(),
        tls.admin.clone(),
    )
    .map_err(Failure::at_run_time)?;
    let clients = tls.clients.clone();
    let client_server = client::start(ws_listener, &config, &linker, &login, &protocol, clients)
        .map_err(Failure::at_run_time)?;
    let (admin_handle, client_handle) = (admin_server.handle(), client_server.handle());
    actix_rt::spawn(admin_server);
    actix_rt::spawn(client_server);
    announce(&config.server, ws_address, admin_address).map_err(Failure::at_run_time)?;
    tracing::info!(node.name = %config.node.name, domain.name = %config.node.domain, ws = %ws_address, admin = %admin_address, "ready");
    let parts = Parts {
        linker: linker.handle(),
        tokens,
        attempts: login.attempts,
        tls,
        telemetry,
        public_url,
    };
    let reload = actix_rt::spawn(Reload::new(source, reading, config, parts).run(hang_ups));
    stop_signal().await.map_err(Failure::at_run_time)?;
    reload.abort();
    telling_ends.abort();
    tracing::info!("draining");
    // No new connections from here on; those that are open are the sessions', which end by themselves.
    linker.refuse_connections();
    client_handle.pause().await;
    let safe = stop(linker, || client_handle.stop(false)).await;
    admin_handle.stop(false).await;
    if let Some(otlp) = otlp {
        otlp.stop();
    }
    if safe {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped when the time for it was over, before everything was proven or stored");
    }
    Ok(())
}

/// Drains the node, then ends the threads its sessions ran on.
async fn stop<F: Future<Output = ()>>(linker: Linker, end_workers: impl FnOnce() -> F) -> bool {
    let safe = linker.stop().await;
    end_workers().await;
    safe
}

fn announce(config: &ServerConfig, ws: SocketAddr, admin: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (ws_scheme, admin_scheme) = (config.ws_scheme(), config.admin_scheme());
    writeln!(
        out,
        "linker ready ws={ws_scheme}://{ws}/ws admin={admin_scheme}://{admin}"
    )?;
    out.flush()
}
