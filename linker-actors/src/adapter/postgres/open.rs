//! Opening the store: what may be in the way, and how it is told.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::connect::Connector;
use super::fault::{code_of, describe};
use super::migrate::{self, VERSION};

/// The oldest server that has all that is asked of it.
const SERVER_VERSION_MIN: i32 = 130_000;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Bring an older schema up to date, and make one where there is none. Otherwise both are [`PostgresOpenError::Outdated`]. Default true.
    pub migrate: bool,
    /// Connections besides the one that writes batches: so many pages, counts and the like are asked for at the same time. Default 4.
    pub readers: usize,
    /// How long making a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long one statement may take, and a transaction stand still, before the server gives it up. Default 10 s.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            migrate: true,
            readers: 4,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a store was not opened: one sentence that says what to do, and never repeats a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresOpenError {
    /// The url is none.
    #[error(
        "the url of the PostgreSQL store is wrong ({0}); write postgres://user:password@host:port/database"
    )]
    Url(String),
    /// Nobody answers, or not now: it is worth trying again later ([`PostgresOpenError::is_away`]).
    #[error("PostgreSQL at {endpoint} is away ({reason}); start it or correct the url")]
    Away {
        /// `host:port/database`.
        endpoint: String,
        /// What the system or the server says.
        reason: String,
    },
    /// Wrong user or password, or not from this host.
    #[error(
        "PostgreSQL at {endpoint} does not let user {user} in; correct user and password in the url, or the server's pg_hba.conf"
    )]
    Login {
        /// `host:port/database`.
        endpoint: String,
        /// As whom.
        user: String,
    },
    /// The server has no such database.
    #[error("PostgreSQL at {endpoint} has no database of that name; create it or correct the url")]
    NoDatabase {
        /// `host:port/database`.
        endpoint: String,
    },
    /// The user may not do what is needed.
    #[error(
        "user {user} may not use the store in PostgreSQL at {endpoint} ({reason}); grant it, or make the user the database's owner"
    )]
    Denied {
        /// `host:port/database`.
        endpoint: String,
        /// Who.
        user: String,
        /// What the server says.
        reason: String,
    },
    /// The connection cannot be made secure as the url asks.
    #[error(
        "no secure connection to PostgreSQL at {endpoint} ({reason}); correct sslmode or the certificates"
    )]
    Tls {
        /// `host:port/database`.
        endpoint: String,
        /// What the TLS library says.
        reason: String,
    },
    /// The server is too old.
    #[error("PostgreSQL at {endpoint} is version {found} and the store needs 13 or newer; upgrade it")]
    Unsupported {
        /// `host:port/database`.
        endpoint: String,
        /// Its version.
        found: String,
    },
    /// A newer version of Linker has been here.
    #[error(
        "the store in PostgreSQL at {endpoint} has schema {found} and this version knows schemas up to {known}; run the newer version"
    )]
    Newer {
        /// `host:port/database`.
        endpoint: String,
        /// Its schema.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// It needs a migration, and the options do not allow one.
    #[error(
        "the store in PostgreSQL at {endpoint} has schema {found} and this version needs {needed}; run `linker-server migrate`"
    )]
    Outdated {
        /// `host:port/database`.
        endpoint: String,
        /// Its schema; 0 when there is none.
        found: i64,
        /// The one needed.
        needed: i64,
    },
    /// Something of the same name is there already.
    #[error(
        "the database at {endpoint} holds something else under the store's names ({reason}); choose another database"
    )]
    Foreign {
        /// `host:port/database`.
        endpoint: String,
        /// What the server says.
        reason: String,
    },
    /// Anything else.
    #[error(
        "the store in PostgreSQL at {endpoint} cannot be opened ({reason}); the server's log may tell more"
    )]
    Other {
        /// `host:port/database`.
        endpoint: String,
        /// What the server says.
        reason: String,
    },
}

impl PostgresOpenError {
    /// Whether it may go away by itself: whoever can wait tries again. All others stay until somebody does what they say.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    pub(super) fn of(error: &sqlx::Error, connector: &Connector) -> Self {
        let endpoint = connector.endpoint();
        let user = connector.user().to_owned();
        let reason = describe(error);
        match (error, code_of(error)) {
            (sqlx::Error::Tls(_), _) => Self::Tls { endpoint, reason },
            (sqlx::Error::Io(error), _) if error.kind() == std::io::ErrorKind::TimedOut => {
                let reason = "it did not answer in time".into();
                Self::Away { endpoint, reason }
            }
            (sqlx::Error::Io(error), _) => {
                let reason = error.to_string();
                Self::Away { endpoint, reason }
            }
            (_, Some("28000" | "28P01")) => Self::Login { endpoint, user },
            (_, Some("3D000")) => Self::NoDatabase { endpoint },
            // duplicate_table, duplicate_object, undefined_column
            (_, Some("42P07" | "42710" | "42703")) => Self::Foreign { endpoint, reason },
            (_, Some("42501")) => Self::Denied {
                endpoint,
                user,
                reason,
            },
            // Starting up, shutting down, full, on a standby: it passes.
            (_, Some(code)) if code.starts_with("57") || code.starts_with("53") || code == "25006" => {
                Self::Away { endpoint, reason }
            }
            _ => Self::Other { endpoint, reason },
        }
    }

    pub(super) fn newer(found: i64, connector: &Connector) -> Self {
        Self::Newer {
            endpoint: connector.endpoint(),
            found,
            known: VERSION,
        }
    }
}

/// Connects, and makes sure that the schema needed is there.
pub(super) async fn prepare(connector: &Connector, migrate: bool) -> Result<PgConnection, PostgresOpenError> {
    let failed = |error: sqlx::Error| PostgresOpenError::of(&error, connector);
    let mut connection = connector.connect().await.map_err(failed)?;
    let (number, version, fsync): (i32, String, bool) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), current_setting('fsync')::bool",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed)?;
    if number < SERVER_VERSION_MIN {
        return Err(PostgresOpenError::Unsupported {
            endpoint: connector.endpoint(),
            found: version,
        });
    }
    if !fsync {
        tracing::warn!(
            store.endpoint = connector.endpoint(),
            "PostgreSQL runs with fsync off: what it has taken may be lost when its machine fails"
        );
    }
    let found = migrate::inspect(&mut connection).await.map_err(failed)?;
    if found > VERSION {
        return Err(PostgresOpenError::newer(found, connector));
    }
    if found < VERSION && !migrate {
        return Err(PostgresOpenError::Outdated {
            endpoint: connector.endpoint(),
            found,
            needed: VERSION,
        });
    }
    if found < VERSION {
        migrate::run(&mut connection).await.map_err(failed)?;
    }
    may_write(&mut connection, connector).await?;
    Ok(connection)
}

async fn may_write(connection: &mut PgConnection, connector: &Connector) -> Result<(), PostgresOpenError> {
    let (may,): (bool,) = sqlx::query_as(
        "SELECT has_table_privilege('linker_message', 'SELECT') AND has_table_privilege('linker_message', 'INSERT') \
         AND has_table_privilege('linker_message', 'UPDATE') AND has_table_privilege('linker_message', 'DELETE') \
         AND has_sequence_privilege('linker_seq', 'USAGE') AND has_table_privilege('linker_dedupe_key', 'SELECT') \
         AND has_table_privilege('linker_probe', 'UPDATE')",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| PostgresOpenError::of(&error, connector))?;
    if may {
        return Ok(());
    }
    Err(PostgresOpenError::Denied {
        endpoint: connector.endpoint(),
        user: connector.user().to_owned(),
        reason: "reading and writing its tables is not allowed".into(),
    })
}
