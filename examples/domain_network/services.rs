//! What the domains have at PostgreSQL, Redis and RabbitMQ: made for this run, and removed with it.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection as Broker, ConnectionProperties};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::Outcome;
use crate::management::Management;
use crate::names::{DOMAINS, Run};
use crate::options::Options;
use crate::url::{host, login, management_of, with_path};

/// Where one domain's services are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) amqp: String,
}

/// The services, and what of this run is there.
#[derive(Debug)]
pub(crate) struct Services<'o> {
    options: &'o Options,
    run: Run,
    /// By which vhosts are made; empty where that cannot be done.
    management: Mutex<Option<Arc<Management>>>,
}

impl<'o> Services<'o> {
    pub(crate) fn new(options: &'o Options, run: Run) -> Self {
        Self {
            options,
            run,
            management: Mutex::default(),
        }
    }

    pub(crate) fn run(&self) -> Run {
        self.run
    }

    /// What the four share and what they do not.
    pub(crate) fn description(&self) -> String {
        let Options {
            postgres,
            redis,
            amqp,
            ..
        } = self.options;
        let brokers = match self.management() {
            Some(_) => "a vhost",
            None => "one vhost, with queues by the domain's name, since the management API could not be had",
        };
        format!(
            "each domain has: a database at PostgreSQL {}; keys of its own at Redis {}; at RabbitMQ {} {brokers}",
            host(postgres, 5432),
            host(redis, 6379),
            host(amqp, 5672),
        )
    }

    /// Makes what each domain needs.
    pub(crate) async fn make(&self) -> Outcome<Vec<Place>> {
        let Options {
            postgres,
            redis,
            amqp,
            ..
        } = self.options;
        if !amqp.starts_with("amqp://") {
            return Err(
                "--amqp: only amqp://…, since links go through proxies that could not show a certificate"
                    .into(),
            );
        }
        // The nodes would wait for those that are away; here somebody waits for the nodes.
        self.redis().await?;
        let seen = self.broker(amqp).await?.close(200, "seen".into()).await;
        seen.map_err(|error| format!("RabbitMQ: {error}"))?;
        for domain in 0..DOMAINS {
            self.sql(&format!("CREATE DATABASE {}", self.run.database(domain)))
                .await?;
        }
        let has_vhosts = self.make_vhosts().await;
        let places = (0..DOMAINS).map(|domain| Place {
            postgres: with_path(postgres, &self.run.database(domain)),
            redis: redis.clone(),
            amqp: match has_vhosts {
                true => with_path(amqp, &self.run.vhost(domain)),
                false => amqp.clone(),
            },
        });
        Ok(places.collect())
    }

    /// Whether it could be done: there may be no such API, one that does not let this user in, or one of another broker.
    async fn make_vhosts(&self) -> bool {
        let Options { amqp, management, .. } = self.options;
        let (user, password) = login(amqp);
        if user.contains('%') || password.contains('%') {
            // They would have to be decoded here, for an example's sake.
            return false;
        }
        let address = management.clone().unwrap_or_else(|| management_of(amqp));
        let management = Arc::new(Management::new(&address, user, password));
        self.remember(Some(Arc::clone(&management)));
        let mut made_count = 0;
        let made = async {
            for domain in 0..DOMAINS {
                management.add_vhost(&self.run.vhost(domain)).await?;
                made_count = domain + 1;
            }
            let broker = self.broker(&with_path(amqp, &self.run.vhost(0))).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(broker.close(200, "seen".into()).await?)
        };
        if made.await.is_ok() {
            return true;
        }
        for domain in 0..made_count {
            // What could be made can be removed.
            let _ = management.delete_vhost(&self.run.vhost(domain)).await;
        }
        self.remember(None);
        false
    }

    fn remember(&self, management: Option<Arc<Management>>) {
        *self.management.lock().unwrap_or_else(PoisonError::into_inner) = management;
    }

    fn management(&self) -> Option<Arc<Management>> {
        let management = self.management.lock();
        management.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes all of this run, whether it was made or not.
    ///
    /// # Errors
    /// The first of what could not be removed; the rest is, all the same.
    pub(crate) async fn remove(&self) -> Outcome<()> {
        let mut removed = Ok(());
        for domain in 0..DOMAINS {
            let database = self.run.database(domain);
            let dropped = self
                .sql(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
                .await;
            removed = removed.and(dropped);
            removed = removed.and(self.remove_keys(domain).await);
            removed = removed.and(match self.management() {
                Some(management) => management.delete_vhost(&self.run.vhost(domain)).await,
                None => self.remove_queues(domain).await,
            });
        }
        removed.map_err(|error| format!("not all of run {} is removed: {error}", self.run).into())
    }

    async fn sql(&self, sql: &str) -> Outcome<()> {
        let at =
            |error: sqlx::Error| format!("PostgreSQL at {}: {error}", host(&self.options.postgres, 5432));
        let mut connection = PgConnection::connect(&with_path(&self.options.postgres, "postgres"))
            .await
            .map_err(at)?;
        connection
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .map_err(at)?;
        Ok(connection.close().await?)
    }

    async fn redis(&self) -> Outcome<MultiplexedConnection> {
        let at = |error| format!("Redis at {}: {error}", host(&self.options.redis, 6379));
        let client = Client::open(self.options.redis.as_str()).map_err(at)?;
        Ok(client.get_multiplexed_async_connection().await.map_err(at)?)
    }

    async fn broker(&self, url: &str) -> Outcome<Broker> {
        let broker = Broker::connect(url, ConnectionProperties::default()).await;
        Ok(broker.map_err(|error| format!("RabbitMQ at {}: {error}", host(url, 5672)))?)
    }

    async fn remove_keys(&self, domain: usize) -> Outcome<()> {
        let mut connection = self.redis().await?;
        let pattern = format!("linker:{{{}:*", self.run.domain(domain)?);
        let mut cursor = 0;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(5000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            for key in keys {
                cmd("DEL").arg(key).query_async::<()>(&mut connection).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// The ingress: all else at the broker has gone with the nodes' connections.
    async fn remove_queues(&self, domain: usize) -> Outcome<()> {
        let name = self.run.domain(domain)?;
        let broker = self.broker(&self.options.amqp).await?;
        let channel = broker.create_channel().await?;
        for kind in ["ingress", "fast"] {
            for number in 0..4 {
                let queue = format!("linker.{name}.{kind}.{number}");
                let options = QueueDeleteOptions::default();
                channel.queue_delete(queue.as_str().into(), options).await?;
            }
        }
        let exchange = format!("linker.{name}.ingress");
        let options = ExchangeDeleteOptions::default();
        channel.exchange_delete(exchange.as_str().into(), options).await?;
        Ok(broker.close(200, "removed".into()).await?)
    }
}
