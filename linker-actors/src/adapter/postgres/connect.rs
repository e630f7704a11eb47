//! Opening connections, each with the settings its use needs.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::fault::timed_out;
use super::open::{PostgresOpenError, PostgresOptions};

/// What the client waits beyond the server's own limit before it gives a statement up itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long ending a connection politely may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Knows the server and how it is to be spoken to. The password in it is never shown.
#[derive(Clone)]
pub(super) struct Connector {
    options: PgConnectOptions,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

impl Connector {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let mut parsed = parse_url(url)?;
        // TLS to this very machine protects nothing, and costs dearly: a record is sent in two parts, of which the second waits for an acknowledgement
        // (40 ms), since sqlx 0.9 does not set TCP_NODELAY. Who asks for it gets it.
        if !url.contains("sslmode") && is_this_machine(parsed.get_host()) {
            parsed = parsed.ssl_mode(PgSslMode::Disable);
        }
        Ok(Self {
            options: parsed.application_name("linker").disable_statement_logging(),
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
        })
    }

    /// `host:port/database`, for messages.
    pub(super) fn endpoint(&self) -> String {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        format!("{host}:{port}/{}", self.database())
    }

    pub(super) fn database(&self) -> &str {
        self.options.get_database().unwrap_or(self.user())
    }

    pub(super) fn user(&self) -> &str {
        self.options.get_username()
    }

    pub(super) async fn connect(&self) -> sqlx::Result<PgConnection> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            let settings = AssertSqlSafe(self.settings());
            (&mut connection).execute(sqlx::raw_sql(settings)).await?;
            Ok(connection)
        };
        tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    fn settings(&self) -> String {
        let timeout_ms = self.statement_timeout.as_millis();
        // A plan is kept for as long as its connection lives: one made while the table was small must not be a walk over it when it has grown.
        // A node that stands still in the middle of a transaction must not keep the others from its recipients.
        // Fewer than `on` would lose what was acknowledged; who asks for more gets more.
        format!(
            "SET enable_seqscan = off; SET jit = off; SET statement_timeout = {timeout_ms}; \
             SET idle_in_transaction_session_timeout = {timeout_ms}; SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    }

    /// Waits for what the server should answer within its own limit.
    pub(super) async fn answer<T>(&self, asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        tokio::time::timeout(self.statement_timeout + GRACE, asked)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    /// Whether a connection that was idle still answers.
    pub(super) async fn answers(&self, connection: &mut PgConnection) -> bool {
        let pinged = tokio::time::timeout(self.connect_timeout, connection.ping()).await;
        matches!(pinged, Ok(Ok(())))
    }
}

/// Takes a url apart; nothing is connected.
pub(super) fn parse_url(url: &str) -> Result<PgConnectOptions, PostgresOpenError> {
    let wrong = |reason: &str| PostgresOpenError::Url(reason.into());
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(wrong("it does not begin with postgres://"));
    }
    // What the parser says may quote the url, with its password.
    url.parse().map_err(|_| wrong("its parts cannot be told apart"))
}

fn is_this_machine(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Ends a connection; what goes wrong on the way out changes nothing any more.
pub(super) async fn close(connection: PgConnection) {
    if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, connection.close()).await {
        tracing::debug!(%error, "a PostgreSQL connection did not close cleanly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls_unasked() {
        for (host, local) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("localhost", true),
            ("10.0.0.1", false),
            ("db.example.org", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(is_this_machine(host), local, "{host}");
        }
    }
}
