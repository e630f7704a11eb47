//! A changed configuration comes into force while the node runs: on SIGHUP, and when one of the files changes of which it was made. All of it or nothing.

mod changes;
mod files;
mod source;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use linker_actors::core::directory::Directory;
use linker_actors::{Attempts, LinkerHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::changes::Changes;
use self::files::Files;
pub(crate) use self::source::{Reading, Source};
use crate::config::{Config, MetaSource, Mistakes, TlsConfig};
use crate::http::Tokens;
use crate::telemetry::Telemetry;
use crate::tls::{PairFault, PortTls, Tls};
use crate::{compose, meta};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The parts of a node that can be given other settings.
pub(crate) struct Parts {
    pub(crate) linker: LinkerHandle,
    pub(crate) tokens: Data<Tokens>,
    pub(crate) attempts: Data<Attempts<IpAddr>>,
    pub(crate) tls: PortTls,
    pub(crate) telemetry: Telemetry,
    /// What clients are told to connect to.
    pub(crate) public_url: String,
}

/// Keeps a node to its configuration.
pub(crate) struct Reload {
    source: Arc<Source>,
    files: Files,
    /// In force.
    config: Config,
    /// What stood in the document of `meta.file` that is in force.
    document: Option<[u8; 32]>,
    parts: Parts,
}

/// A configuration that was found to be sound, and what goes along with it.
struct Sound {
    changes: Changes,
    /// That of the node's own files; `None`: it is a meta server's.
    directory: Option<Directory>,
    warnings: Vec<String>,
}

/// Asks to be told of SIGHUP, which ends a process that has not asked.
pub(crate) fn hang_ups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Reload {
    /// `reading` is what `config`, in force already, was made of.
    pub(crate) fn new(source: Source, reading: Reading, config: Config, parts: Parts) -> Self {
        let files = reading.files();
        Self {
            source: Arc::new(source),
            document: document(&config, &files),
            files,
            config,
            parts,
        }
    }

    /// Goes on until the node ends.
    pub(crate) async fn run(mut self, mut hang_ups: Signal) {
        loop {
            let asked = tokio::select! {
                told = hang_ups.recv() => told.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if asked {
                tracing::info!("reading the configuration again, as SIGHUP asks");
            } else if self.have_files_changed().await {
                tracing::info!("reading the configuration again, its files have changed");
            } else {
                continue;
            }
            self.reload().await;
        }
    }

    async fn have_files_changed(&mut self) -> bool {
        let mut files = self.files.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let changed = files.have_changed();
            (files, changed)
        });
        match looked.await {
            Ok((files, changed)) => {
                self.files = files;
                changed
            }
            Err(_) => false,
        }
    }

    async fn reload(&mut self) {
        let (source, running) = (Arc::clone(&self.source), self.config.clone());
        let public_url = self.parts.public_url.clone();
        let read = tokio::task::spawn_blocking(move || {
            let reading = source.begin();
            let sound = judge(&source, &reading, &running, public_url);
            (sound, reading.files())
        });
        let (sound, files) = match read.await {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the configuration failed, the one in force stays");
                return;
            }
        };
        let former = std::mem::take(&mut self.files);
        match sound {
            Ok(sound) => {
                self.files = files;
                self.apply(sound).await;
            }
            Err(mistakes) => {
                self.files = former.and(files);
                for mistake in mistakes.to_string().lines() {
                    tracing::error!("{mistake}");
                }
                tracing::error!("the new configuration is refused, the one in force stays");
            }
        }
    }

    async fn apply(&mut self, sound: Sound) {
        let Changes {
            config,
            mut applied,
            needs_restart,
        } = sound.changes;
        let document = document(&config, &self.files);
        let document_changed = document != self.document;
        let apps_changed = config.client_apps.apps != self.config.client_apps.apps;
        if let Some(directory) = sound.directory.filter(|_| apps_changed || document_changed) {
            if let Err(error) = self.parts.linker.set_directory(directory).await {
                tracing::error!(%error, "the new configuration is refused, the one in force stays");
                return;
            }
            if document_changed {
                applied.push("meta.file");
            }
            self.document = document;
        }
        if let Err(error) = self.put_in_force(&config).await {
            tracing::error!(%error, "the new configuration is in force in part only");
            return;
        }
        self.config = config;
        for warning in sound.warnings.iter().filter(|_| document_changed) {
            tracing::warn!("{warning}");
        }
        for key in &needs_restart {
            tracing::warn!(key, "{key} changed: needs a restart");
        }
        if applied.is_empty() {
            tracing::info!("the configuration in force stays as it is");
        } else {
            tracing::info!(changed = applied.join(", "), "a new configuration is in force");
        }
    }

    /// Nothing of it fails for what a configuration can say: that has been looked at.
    async fn put_in_force(&self, config: &Config) -> anyhow::Result<()> {
        let parts = &self.parts;
        if config.telemetry.level != self.config.telemetry.level {
            parts.telemetry.set_level(&config.telemetry.level)?;
        }
        show(&parts.tls.clients, &config.server.tls)?;
        show(&parts.tls.admin, &config.server.admin_tls)?;
        parts.tls.tell_ends();
        parts.tokens.replace(&config.server);
        parts.attempts.set_per_second(config.login.per_second_per_address);
        parts.linker.set_config(compose::node_config(config)).await?;
        Ok(())
    }
}

/// What was read from `meta.file`, as a digest.
fn document(config: &Config, files: &Files) -> Option<[u8; 32]> {
    match &config.meta {
        Some(MetaSource::File(file)) => files.content(&file.path),
        _ => None,
    }
}

fn show(tls: &Option<Tls>, config: &Option<TlsConfig>) -> Result<(), PairFault> {
    match (tls, config) {
        (Some(tls), Some(config)) => tls.show(config),
        _ => Ok(()),
    }
}

/// Reads everything that `check` looks at.
fn judge(
    source: &Source,
    reading: &Reading,
    running: &Config,
    public_url: String,
) -> Result<Sound, Mistakes> {
    let changes = Changes::between(running, source.load(reading)?);
    let config = &changes.config;
    let (directory, warnings) = meta::directory(config, public_url, reading)?;
    match &directory {
        Some(directory) => compose::check_logins(config, directory.apps())?,
        None => compose::check_logins(config, &*meta::own_apps(config)?)?,
    }
    Ok(Sound {
        changes,
        directory,
        warnings,
    })
}
