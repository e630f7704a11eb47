//! From the configuration to a node: the only place that knows every part.

use std::path::PathBuf;
use std::sync::Arc;

use linker_actors::adapter::auth::for_method;
use linker_actors::adapter::postgres::PostgresOptions;
use linker_actors::adapter::rabbitmq::{
    IngressOptions, LinkOptions, RabbitBus, RabbitIngress, RabbitLinks, RabbitOptions, RabbitUpstream,
    RabbitUpstreamOptions,
};
use linker_actors::adapter::redis::RedisOptions;
use linker_actors::adapter::sqlite::OpenOptions;
use linker_actors::adapter::webhook::WebhookSink;
use linker_actors::core::app::ClientApps;
use linker_actors::core::directory::Directory;
use linker_actors::core::id::NodeInstance;
use linker_actors::core::port::{BusError, UpstreamSink};
use linker_actors::core::session::SessionConfig;
use linker_actors::{Linker, LinkerBuilder, MetaServer, NodeConfig};

use crate::config::{
    BusBackend, Config, MetaSource, Mistake, Mistakes, Place, PresenceBackend, StoreLocation, TracesConfig,
    UpstreamConfig, UpstreamTarget, Wrong,
};
use crate::meta;
use crate::otlp::Otlp;

/// Where the store is.
pub(crate) enum StorePlace<'c> {
    /// In this SQLite file.
    File(PathBuf),
    /// In the PostgreSQL database of this url, which may hold a password.
    Postgres(&'c str),
}

/// Where the store is.
pub(crate) fn store_place(config: &Config) -> StorePlace<'_> {
    match &config.store.location {
        StoreLocation::DataDir => StorePlace::File(config.server.data_dir.join("linker.db")),
        StoreLocation::SqliteFile(path) => StorePlace::File(path.clone()),
        StoreLocation::Postgres(url) => StorePlace::Postgres(url.expose()),
    }
}

/// Whether the logins of each app can be checked.
pub(crate) fn check_logins(config: &Config, apps: &ClientApps) -> Result<(), Mistakes> {
    let place = match (&config.meta, &config.client_apps.place) {
        (_, Some(own)) => own.clone(),
        (Some(MetaSource::File(document)), None) => meta::place(&document.path),
        _ => Place::Default,
    };
    let unfit = apps.iter().enumerate().filter_map(|(index, app)| {
        let error = for_method(&app.auth).err()?;
        Some(Mistake {
            place: place.clone(),
            key: format!("clientApps[{index}]"),
            wrong: Wrong::new(
                format!("{}: {error}", app.app_name),
                "an authUrl or a key that can be used",
            ),
        })
    });
    match unfit.collect::<Vec<_>>() {
        unfit if unfit.is_empty() => Ok(()),
        unfit => Err(Mistakes::new(unfit)),
    }
}

/// Everything but the sockets. Without a `directory` it is a meta server's.
pub(crate) fn builder(
    config: &Config,
    directory: Option<Directory>,
    public_url: String,
) -> Result<LinkerBuilder, Mistakes> {
    let node_config = node_config(config);
    let sessions_per_user = node_config.sessions_per_user;
    let mut builder = Linker::builder()
        .node_name(config.node.name.clone())
        .config(node_config)
        .public_url(public_url)
        .process_use(crate::process_use::process_use);
    // Those that will be used are made by the node, which makes them anew when apps change.
    if let Some(directory) = directory {
        check_logins(config, directory.apps())?;
        builder = builder.directory(directory);
    } else if let Some(MetaSource::Server { url, refresh }) = &config.meta {
        let own_apps = meta::own_apps(config)?;
        check_logins(config, &own_apps)?;
        let meta = MetaServer::new(url, config.node.domain.clone())
            .refresh(*refresh)
            .own_apps(own_apps)
            .keep_in(&config.server.data_dir);
        builder = builder.meta_server(meta);
    }
    builder = match store_place(config) {
        StorePlace::File(path) => {
            let options = OpenOptions {
                migrate: config.store.migrate,
                ..OpenOptions::default()
            };
            builder.sqlite_with(path, options)
        }
        StorePlace::Postgres(url) => {
            let options = PostgresOptions {
                migrate: config.store.migrate,
                ..PostgresOptions::default()
            };
            builder.postgres(url, options)
        }
    };
    let domain = &config.node.domain;
    if let PresenceBackend::Redis(url) = &config.presence {
        let options = RedisOptions::new(domain.clone(), sessions_per_user);
        builder = builder.redis(url.expose(), options);
    }
    if let BusBackend::Rabbit(url) = &config.bus {
        let bus = RabbitBus::open_url(url.expose(), RabbitOptions::new(domain.clone()));
        let refused = |error: BusError| {
            let wrong = Wrong::new(error.to_string(), "amqp://USER:PASSWORD@HOST:PORT/VHOST");
            Mistakes::one(Place::Default, "bus.url", wrong)
        };
        builder = builder.bus(Arc::new(bus.map_err(refused)?));
        let node = NodeInstance {
            name: config.node.name.clone(),
            // Its queue for link states is this process's alone.
            incarnation: getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())),
        };
        let ingress = RabbitIngress::open_url(url.expose(), IngressOptions::new(domain.clone(), node));
        builder = builder.ingress(Arc::new(ingress.map_err(refused)?));
    }
    if let Some(sink) = upstream_sink(config)? {
        let events = config.upstream.events.iter().copied();
        builder = builder.upstream(sink).upstream_events(events);
    }
    let urls = config.links.urls.iter();
    let urls = urls.map(|(domain, url)| (domain.clone(), url.expose().to_owned()));
    let maker = RabbitLinks::new(LinkOptions::new(config.node.name.clone()));
    Ok(builder.links(Arc::new(maker), urls.collect()))
}

/// Where what clients send to the application is handed over.
pub(crate) fn upstream_sink(config: &Config) -> Result<Option<Arc<dyn UpstreamSink>>, Mistakes> {
    let UpstreamConfig { target, timeout, .. } = &config.upstream;
    let refused = |error: String, allowed: &str| {
        Mistakes::one(Place::Default, "upstream.url", Wrong::new(error, allowed))
    };
    let sink: Arc<dyn UpstreamSink> = match target {
        None => return Ok(None),
        Some(UpstreamTarget::Rabbit(url)) => {
            let options = RabbitUpstreamOptions {
                confirm_timeout: *timeout,
                ..RabbitUpstreamOptions::new(config.node.domain.clone(), config.node.name.clone())
            };
            let sink = RabbitUpstream::open_url(url.expose(), options)
                .map_err(|error| refused(error.to_string(), "amqp://USER:PASSWORD@HOST:PORT/VHOST"))?;
            Arc::new(sink)
        }
        Some(UpstreamTarget::Webhook { url, secret }) => {
            let sink = WebhookSink::new(url.expose(), secret.expose().as_bytes(), *timeout)
                .map_err(|error| refused(error.to_string(), "http://HOST/PATH or https://HOST/PATH"))?;
            Arc::new(sink)
        }
    };
    Ok(Some(sink))
}

/// With traces, where they go somewhere.
pub(crate) fn with_traces(builder: LinkerBuilder, traces: Option<(&TracesConfig, &Otlp)>) -> LinkerBuilder {
    match traces {
        Some((config, otlp)) => builder.tracing(config.ratio.as_f64(), otlp.sink()),
        None => builder,
    }
}

pub(crate) fn node_config(config: &Config) -> NodeConfig {
    let Config {
        server,
        reliable,
        limits,
        heartbeat,
        ..
    } = config;
    let bytes = |size: crate::config::ByteSize| size.as_bytes() as usize;
    NodeConfig {
        session: SessionConfig {
            auth_timeout: limits.auth_timeout,
            messages_per_second: limits.messages_per_second,
            message_burst: limits.message_burst,
            max_violations: limits.max_violations,
            max_unproven_bytes: bytes(limits.max_unproven_bytes),
            stall_timeout: limits.stall_timeout,
            heartbeat_interval: heartbeat.interval,
            heartbeat_timeout: heartbeat.timeout,
            confirmation_enabled: reliable.confirmation_enabled,
            ..SessionConfig::default()
        },
        sessions_per_user: limits.sessions_per_user as usize,
        sessions_per_app: limits.sessions_per_app as usize,
        messages_per_second_per_user: limits.messages_per_second_per_user,
        messages_per_second_per_app: limits.messages_per_second_per_app,
        logins_per_second_per_address: limits.logins_per_second_per_address,
        max_frame_bytes: bytes(limits.max_frame_bytes),
        max_pending_bytes: bytes(limits.max_pending_bytes),
        max_connections: limits.max_connections as usize,
        max_connections_per_address: limits.max_connections_per_address as usize,
        allowed_origins: server.allowed_origins.clone(),
        commit_window: reliable.commit_window,
        dedupe_window: reliable.dedupe_window,
        retention_max_age: reliable.retention.max_age,
        retention_max_per_user: reliable.retention.max_per_user,
        drain_timeout: server.drain_timeout,
        weight: config.node.weight,
    }
}
