//! `presence`, `bus`, `store`: what a node leans on.

use std::path::PathBuf;

use linker_actors::adapter::postgres::PostgresStore;
use linker_actors::adapter::rabbitmq::RabbitBus;
use linker_actors::adapter::redis::RedisPresence;

use super::mistake::Wrong;
use super::reader::Section;
use super::secret::Secret;

/// Where sessions are registered (`presence.url`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum PresenceBackend {
    /// `memory`: in this process.
    #[default]
    Memory,
    /// `redis://…`, `rediss://…`: in Redis, for all nodes of the domain. It may hold a password.
    Redis(Secret),
}

/// What carries messages between the nodes of a domain (`bus.url`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum BusBackend {
    /// `memory`: there is one node.
    #[default]
    Memory,
    /// `amqp://…`, `amqps://…`: over RabbitMQ. It may hold a password.
    Rabbit(Secret),
}

/// Where RELIABLE messages wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreConfig {
    /// `url`; default `sqlite`.
    pub(crate) location: StoreLocation,
    /// `migrate`: whether a start brings the schema up to date; default true.
    pub(crate) migrate: bool,
}

/// Which store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StoreLocation {
    /// `sqlite`: an SQLite file in `server.dataDir`.
    #[default]
    DataDir,
    /// `sqlite:PATH`: the SQLite file of that path.
    SqliteFile(PathBuf),
    /// `postgres://…`: a PostgreSQL database, which all nodes of a domain share. It may hold a password.
    Postgres(Secret),
}

impl PresenceBackend {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        const ALLOWED: &str = "memory, redis://HOST or rediss://HOST";
        let parse = |text: &str| match text {
            "memory" => Ok(Self::Memory),
            _ => {
                let url = whole_url(text, &["redis", "rediss"], ALLOWED)?;
                match RedisPresence::check_url(text) {
                    Ok(()) => Ok(Self::Redis(url)),
                    Err(_) => Err(Wrong::new(
                        "not a url of a Redis",
                        "redis://USER:PASSWORD@HOST:PORT/DATABASE, all but the host left out or not, the database a number, and nothing after it",
                    )),
                }
            }
        };
        url(section, ALLOWED, parse)
    }
}

impl BusBackend {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        const ALLOWED: &str = "memory, amqp://HOST or amqps://HOST";
        let parse = |text: &str| match text {
            "memory" => Ok(Self::Memory),
            _ => broker_url(text, ALLOWED).map(Self::Rabbit),
        };
        url(section, ALLOWED, parse)
    }
}

/// `url`, or the content of `urlFile`: a url may have a password in it.
fn url<T: Default>(section: &mut Section<'_>, allowed: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> T {
    let given = section.parsed("url", allowed, &parse);
    let mut from_file = None;
    section.secret_file("urlFile", |text| {
        from_file = Some(parse(text)?);
        Ok(())
    });
    if section.has("url") && section.has("urlFile") {
        section.wrong(
            "urlFile",
            Wrong::new("url is given too", "url or urlFile, not both"),
        );
    }
    given.or(from_file).unwrap_or_default()
}

/// What one node of several cannot do without: they find each other in the registry, speak over the bus and share the store.
pub(super) fn check_together(
    root: &mut Section<'_>,
    presence: &PresenceBackend,
    bus: &BusBackend,
    store: &StoreConfig,
) {
    let redis = matches!(presence, PresenceBackend::Redis(_));
    let rabbit = matches!(bus, BusBackend::Rabbit(_));
    let postgres = matches!(store.location, StoreLocation::Postgres(_));
    let several = "presence.url, bus.url and store.url of one kind: memory, memory and sqlite or postgres; or redis, amqp and postgres";
    if redis && !rabbit {
        root.wrong(
            "bus",
            Wrong::new(
                "presence is in Redis, and there is no bus to the other nodes",
                several,
            ),
        );
    }
    if rabbit && !redis {
        root.wrong(
            "presence",
            Wrong::new(
                "there is a bus to other nodes, and presence knows none of them",
                several,
            ),
        );
    }
    if (redis || rabbit) && !postgres {
        root.wrong(
            "store",
            Wrong::new("other nodes cannot see into a file of this one", several),
        );
    }
}

/// A url of one of the schemes with a host; what else there is to it who connects by it knows. The url is never repeated: it may carry a password.
pub(super) fn whole_url(text: &str, schemes: &[&str], allowed: &str) -> Result<Secret, Wrong> {
    if !has_scheme(text, schemes) {
        return Err(Wrong::new("an unknown kind of url", allowed));
    }
    match has_host(text) {
        true => Ok(Secret::new(text)),
        false => Err(Wrong::new("the url has no host", allowed)),
    }
}

/// The url of a RabbitMQ broker.
pub(super) fn broker_url(text: &str, allowed: &str) -> Result<Secret, Wrong> {
    let url = whole_url(text, &["amqp", "amqps"], allowed)?;
    match RabbitBus::check_url(text) {
        Ok(()) => Ok(url),
        Err(_) => Err(Wrong::new(
            "not a url of a broker",
            "amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…, special characters in user, password and vhost written as %XX",
        )),
    }
}

/// Whether something stands between the scheme (and who logs in) and the path.
fn has_host(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    !host.is_empty() && !host.starts_with(':')
}

pub(super) fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| schemes.contains(&scheme))
}

impl StoreConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            location: url(section, STORE_ALLOWED, store_location),
            migrate: section.boolean("migrate", true),
        }
    }
}

const STORE_ALLOWED: &str =
    "sqlite (a file in dataDir), sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";

fn store_location(text: &str) -> Result<StoreLocation, Wrong> {
    if has_scheme(text, &["postgres", "postgresql"]) {
        let url = whole_url(text, &["postgres", "postgresql"], STORE_ALLOWED)?;
        return match PostgresStore::check_url(text) {
            Ok(()) => Ok(StoreLocation::Postgres(url)),
            Err(_) => Err(Wrong::new(
                "not a url of a PostgreSQL database",
                "postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters in user and password written as %XX, and PostgreSQL's own parameters",
            )),
        };
    }
    if text == "sqlite" {
        return Ok(StoreLocation::DataDir);
    }
    match text
        .strip_prefix("sqlite://")
        .or_else(|| text.strip_prefix("sqlite:"))
    {
        None => Err(Wrong::new("an unknown kind of url", STORE_ALLOWED)),
        Some("") => Err(Wrong::new("the url has no path", STORE_ALLOWED)),
        // It would lose at the end of the process what RELIABLE promises to keep.
        Some(path) if path.contains(":memory:") => {
            Err(Wrong::new("a store in memory keeps nothing", STORE_ALLOWED))
        }
        Some(path) if path.contains('?') => Err(Wrong::new("the url has parameters", STORE_ALLOWED)),
        Some(path) => Ok(StoreLocation::SqliteFile(PathBuf::from(path))),
    }
}
