//! A domain: one node, with the endpoint for its users.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use linker_actors::adapter::postgres::PostgresOptions;
use linker_actors::adapter::rabbitmq::{
    IngressOptions, LinkOptions, RabbitBus, RabbitIngress, RabbitLinks, RabbitOptions,
};
use linker_actors::adapter::redis::RedisOptions;
use linker_actors::core::directory::Directory;
use linker_actors::core::id::{DomainName, NodeInstance, NodeName};
use linker_actors::{Linker, LinkerHandle, NodeConfig};

use crate::Outcome;
use crate::services::Place;

/// Whoever stops it waits no longer, whatever the links do.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Domain {
    pub(crate) address: SocketAddr,
    linker: Linker,
    server: ServerHandle,
}

impl Domain {
    /// `links`: the brokers of its neighbours.
    pub(crate) async fn start(
        directory: Directory,
        place: Place,
        links: HashMap<DomainName, String>,
        listener: TcpListener,
    ) -> Outcome<Self> {
        let name = directory.own_domain().clone();
        let address = listener.local_addr()?;
        let config = NodeConfig {
            drain_timeout: DRAIN_TIMEOUT,
            ..NodeConfig::default()
        };
        let node: NodeName = "node-1".parse()?;
        let instance = NodeInstance {
            name: node.clone(),
            incarnation: getrandom::u64().map_err(|error| format!("no random number: {error}"))?,
        };
        let ingress = IngressOptions::new(name.clone(), instance);
        let linker = Linker::builder()
            .node_name(node.clone())
            .public_url(format!("ws://{address}/ws"))
            .directory(directory)
            .postgres(place.postgres, PostgresOptions::default())
            .redis(
                place.redis,
                RedisOptions::new(name.clone(), config.sessions_per_user),
            )
            .bus(Arc::new(RabbitBus::open_url(
                &place.amqp,
                RabbitOptions::new(name.clone()),
            )?))
            .ingress(Arc::new(RabbitIngress::open_url(&place.amqp, ingress)?))
            .links(Arc::new(RabbitLinks::new(LinkOptions::new(node))), links)
            .config(config)
            .start()
            .await?;
        let mounted = linker.handle();
        let server = HttpServer::new(move || App::new().configure(|config| mounted.configure(config)))
            .on_connect(linker.handle().on_connect())
            .disable_signals()
            .workers(1)
            .listen(listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            address,
            linker,
            server: handle,
        })
    }

    pub(crate) fn handle(&self) -> LinkerHandle {
        self.linker.handle()
    }

    pub(crate) async fn stop(self) {
        // What it could not make safe goes with its database anyway.
        let _ = self.linker.stop().await;
        self.server.stop(false).await;
    }
}
