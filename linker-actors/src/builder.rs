//! Building and starting a node.

mod backends;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use linker_core::app::{ClientApp, ClientApps};
use linker_core::custody::{CustodyConfig, CustodyShared, DedupeTable};
use linker_core::directory::Directory;
use linker_core::id::{AppName, DomainName, NodeInstance, NodeName};
use linker_core::message_type::{MessageType, MessageTypes};
use linker_core::network::Domain;
use linker_core::port::{Authenticator, Bus, Ingress, LinkMaker, Presence, Store, UpstreamSink};
use linker_core::trace::Sampling;
use linker_core::upstream::UpstreamEvent;

use self::backends::{PresenceChoice, StoreChoice, open_presence, open_store};
use crate::authenticators::{Authenticators, PreparedAuthenticators};
use crate::cluster::{self, Cluster};
use crate::config::NodeConfig;
use crate::error::StartError;
use crate::graph;
use crate::handle::{LinkerHandle, WeakHandle};
use crate::linker::Linker;
use crate::links::{self, LinkSettings, Links};
use crate::load::{Probe, ProcessUse};
use crate::message_type::{Handler, Typed};
#[cfg(feature = "meta")]
use crate::meta::{Accepted, Following, MetaServer};
use crate::node::{Node, NodeParts};
use crate::runtime::clock::Clock;
use crate::runtime::ids::random_u64;
use crate::runtime::system::{Backend, System};
use crate::trace::{SpanSink, Tracer};
use crate::upstream::{self, HandlerSink, Upstream, UpstreamHandler, UpstreamSettings};

/// References remembered to recognise repetitions, at most.
const DEDUPE_ENTRIES_MAX: usize = 1 << 20;

/// Puts a node together; see [`Linker::builder`].
pub struct LinkerBuilder {
    name: Option<NodeName>,
    apps: Vec<ClientApp>,
    directory: Option<Directory>,
    config: NodeConfig,
    store: StoreChoice,
    presence: PresenceChoice,
    bus: Option<Arc<dyn Bus>>,
    links: LinkSettings,
    upstream: UpstreamSettings,
    url: String,
    authenticators: HashMap<AppName, Arc<dyn Authenticator>>,
    types: Vec<Arc<dyn MessageType>>,
    probe: Option<Probe>,
    sampling: Sampling,
    spans: Option<Arc<dyn SpanSink>>,
    #[cfg(feature = "auth")]
    tokens: crate::logins::TokenOptions,
    #[cfg(feature = "meta")]
    meta: Option<MetaServer>,
    linker: Arc<OnceLock<WeakHandle>>,
}

impl LinkerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            apps: Vec::new(),
            directory: None,
            config: NodeConfig::default(),
            store: StoreChoice::Memory,
            presence: PresenceChoice::Memory,
            bus: None,
            links: LinkSettings::default(),
            upstream: UpstreamSettings::default(),
            url: String::new(),
            authenticators: HashMap::new(),
            types: Vec::new(),
            probe: None,
            sampling: Sampling::NONE,
            spans: None,
            #[cfg(feature = "auth")]
            tokens: crate::logins::TokenOptions::default(),
            #[cfg(feature = "meta")]
            meta: None,
            linker: Arc::default(),
        }
    }

    /// The node's name, unique in its domain; a random one by default.
    #[must_use]
    pub fn node_name(mut self, name: NodeName) -> Self {
        self.name = Some(name);
        self
    }

    /// An app whose users may log in. Not together with [`LinkerBuilder::directory`].
    #[must_use]
    pub fn client_app(mut self, app: ClientApp) -> Self {
        self.apps.push(app);
        self
    }

    /// Apps, domains and where users are at home, whole.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Follows a meta server, from which apps, domains and where users are at home come, and which may change them at any time. Without an answer and
    /// without a document kept from before, the node starts all the same, lets nobody in, and is not ready until there is one.
    #[cfg(feature = "meta")]
    #[must_use]
    pub fn meta_server(mut self, meta: MetaServer) -> Self {
        self.meta = Some(meta);
        self
    }

    /// Settings.
    #[must_use]
    pub fn config(mut self, config: NodeConfig) -> Self {
        self.config = config;
        self
    }

    /// Keeps missed messages in an SQLite file, created where there is none.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(self, path: impl Into<std::path::PathBuf>) -> Self {
        self.sqlite_with(path, crate::adapter::sqlite::OpenOptions::default())
    }

    /// As [`LinkerBuilder::sqlite`], with options.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite_with(
        mut self,
        path: impl Into<std::path::PathBuf>,
        options: crate::adapter::sqlite::OpenOptions,
    ) -> Self {
        self.store = StoreChoice::Sqlite(path.into(), options);
        self
    }

    /// Keeps missed messages in the PostgreSQL database at `url`, which the nodes of a domain share. Where it is away the node starts all the same, and
    /// is not ready until it is there.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(
        mut self,
        url: impl Into<String>,
        options: crate::adapter::postgres::PostgresOptions,
    ) -> Self {
        self.store = StoreChoice::Postgres(url.into(), options);
        self
    }

    /// Keeps missed messages in a store of the host's own. By default they are in memory, and gone with the process.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Own(store);
        self
    }

    /// A presence registry of the host's own. By default it is in memory, for one node.
    #[must_use]
    pub fn presence(mut self, presence: Arc<dyn Presence>) -> Self {
        self.presence = PresenceChoice::Own(presence);
        self
    }

    /// Keeps presence in Redis (`redis://…`, `rediss://…`), for several nodes: together with [`LinkerBuilder::bus`].
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn redis(mut self, url: impl Into<String>, options: crate::adapter::redis::RedisOptions) -> Self {
        self.presence = PresenceChoice::Redis(url.into(), options);
        self
    }

    /// How this node reaches the others of its domain. Presence and store have to be shared by them too; without a bus there is one node.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// How this node reaches the neighbouring domains of its directory. `urls`: where their brokers are, for those of which the directory does not tell, or tells without the
    /// credentials that are needed.
    #[must_use]
    pub fn links(mut self, maker: Arc<dyn LinkMaker>, urls: HashMap<DomainName, String>) -> Self {
        self.links.maker = Some(maker);
        self.links.urls = urls;
        self
    }

    /// How other domains reach this one. Without it they cannot.
    #[must_use]
    pub fn ingress(mut self, ingress: Arc<dyn Ingress>) -> Self {
        self.links.ingress = Some(ingress);
        self
    }

    /// Where what clients send to the application (`UPSTREAM`) is handed over. Without it they cannot.
    #[must_use]
    pub fn upstream(mut self, sink: Arc<dyn UpstreamSink>) -> Self {
        self.upstream.sink = Some(sink);
        self
    }

    /// As [`LinkerBuilder::upstream`], where the host is the application: RELIABLE messages are kept until it has taken them, and called again where it has not.
    #[must_use]
    pub fn upstream_handler<H: UpstreamHandler>(self, handler: H) -> Self {
        self.upstream(Arc::new(HandlerSink::new(handler)))
    }

    /// What the application is told of besides, by the same way as messages. By default of nothing.
    #[must_use]
    pub fn upstream_events(mut self, events: impl IntoIterator<Item = UpstreamEvent>) -> Self {
        self.upstream.events = events.into_iter().collect();
        self
    }

    /// Where clients connect to, as other nodes are told.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Who checks the logins of an app's users, instead of what the app itself names ([`ClientApp::auth`]).
    #[must_use]
    pub fn authenticator(mut self, app: AppName, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticators.insert(app, authenticator);
        self
    }

    /// Traces this share of all messages, from 0 to 1, and hands what is to be told of them to `sink`. Which ones follows from their ids: nodes with the same share trace the
    /// same messages, and a message's id is its trace's. By default nothing is traced, which costs nothing.
    #[must_use]
    pub fn tracing(mut self, ratio: f64, sink: Arc<dyn SpanSink>) -> Self {
        self.sampling = Sampling::of_ratio(ratio);
        self.spans = Some(sink);
        self
    }

    /// How the tokens of [`LinkerHandle::login`] are made. By default the nodes of a domain share a secret in their presence registry; with presence in memory it is
    /// gone with the process, and so are its tokens.
    #[cfg(feature = "auth")]
    #[must_use]
    pub fn session_tokens(mut self, options: crate::logins::TokenOptions) -> Self {
        self.tokens = options;
        self
    }

    /// A message type of the host's own.
    #[must_use]
    pub fn handler<H: Handler>(mut self, handler: H) -> Self {
        let linker = Arc::clone(&self.linker);
        self.types.push(Arc::new(Typed::new(handler, linker)));
        self
    }

    /// A message type of the host's own that works on raw frames, as Linker's own do.
    #[must_use]
    pub fn message_type(mut self, message_type: Arc<dyn MessageType>) -> Self {
        self.types.push(message_type);
        self
    }

    /// How to measure what the process uses, for [`LinkerHandle::loads`]. Asked about once a second: it must not block. Without it nothing is told of CPU and memory.
    #[must_use]
    pub fn process_use(mut self, probe: impl Fn() -> Option<ProcessUse> + Send + Sync + 'static) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    fn checked_directory(&mut self) -> Result<Directory, StartError> {
        let apps = std::mem::take(&mut self.apps);
        match self.directory.take() {
            Some(_) if !apps.is_empty() => Err(StartError::Config(
                "client apps stand in the directory or beside it, not both".into(),
            )),
            Some(directory) => Ok(directory),
            None => {
                let apps = ClientApps::new(apps).map_err(|problems| {
                    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    StartError::Config(problems.join("; "))
                })?;
                let name = "domain-01"
                    .parse()
                    .map_err(|_| StartError::Config("domain".into()))?;
                let domain = Domain {
                    name,
                    ws_urls: Vec::new(),
                    amqp_urls: Vec::new(),
                };
                Ok(Directory::single(domain, Arc::new(apps)))
            }
        }
    }

    fn check_config(&self) -> Result<(), StartError> {
        self.config
            .check()
            .map_err(|error| StartError::Config(error.to_string()))?;
        #[cfg(feature = "auth")]
        if let Some(secret) = &self.tokens.secret
            && secret.len() < crate::logins::TOKEN_SECRET_LEN_MIN
        {
            return Err(StartError::Config(format!(
                "the secret of session_tokens must have at least {} bytes",
                crate::logins::TOKEN_SECRET_LEN_MIN
            )));
        }
        if self.upstream.sink.is_none() && !self.upstream.events.is_empty() {
            return Err(StartError::Config(
                "upstream_events needs an upstream to tell them to".into(),
            ));
        }
        Ok(())
    }

    /// What the node works with from its start.
    async fn first_directory(
        &mut self,
        backend: &Backend,
        authenticators: &Arc<Authenticators>,
    ) -> Result<FirstDirectory, StartError> {
        #[cfg(feature = "meta")]
        if let Some(meta) = self.meta.take() {
            if self.directory.is_some() || !self.apps.is_empty() {
                return Err(StartError::Config(
                    "client apps and directory come from the meta server or are given, not both; MetaServer::own_apps takes the apps that it has not".into(),
                ));
            }
            return first_of_meta_server(meta, backend, authenticators).await;
        }
        let directory = self.checked_directory()?;
        // On the runtime of backends, and not on the host's.
        let (making, apps) = (Arc::clone(authenticators), directory.apps().clone());
        let prepared = backend
            .handle()
            .spawn(async move { graph::prepare(&making, &apps).await })
            .await
            .map_err(|error| StartError::Config(error.to_string()))?
            .map_err(|error| StartError::Config(error.to_string()))?;
        Ok(FirstDirectory {
            directory,
            authenticators: prepared,
            is_followed: false,
            #[cfg(feature = "meta")]
            is_complete: true,
            #[cfg(feature = "meta")]
            following: None,
        })
    }

    /// Starts the node's threads and opens its store.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(mut self) -> Result<Linker, StartError> {
        self.check_config()?;
        let authenticators = Arc::new(Authenticators::new(std::mem::take(&mut self.authenticators)));
        let mut types = MessageTypes::protocol();
        for own in std::mem::take(&mut self.types) {
            types.register(own)?;
        }
        let backend = Backend::start()?;
        let first = self.first_directory(&backend, &authenticators).await?;
        authenticators.put_in_force(first.authenticators);
        let store = open_store(&backend, self.store).await?;
        let clock = Clock::start();
        let mut config = self.config;
        config.session.upstream = self.upstream.sink.is_some();
        let upstream = Upstream::new(self.upstream);
        // What was stored within the window and waits no more has to have been proven, and not to have become too old.
        let dedupe_window = config.dedupe_window.min(config.retention_max_age);
        let dedupe = DedupeTable::new(dedupe_window, DEDUPE_ENTRIES_MAX, random_u64());
        recall(&backend, &store, &dedupe, clock, dedupe_window).await?;
        let presence = open_presence(&backend, self.presence, config.sessions_per_user).await?;
        if self.bus.is_some() != presence.is_shared() {
            return Err(StartError::Config(
                "a bus and a presence registry for several nodes are of use only together".into(),
            ));
        }
        let cluster = self.bus.map(|bus| Cluster::new(bus, Arc::clone(&presence)));
        let name = self.name.take().map_or_else(random_name, Ok)?;
        let domain = first.directory.own_domain().clone();
        let tracer = Tracer::new(self.sampling, self.spans, name.clone(), domain, clock);
        let mut custody = CustodyShared::new(
            CustodyConfig {
                commit_window: config.commit_window,
                max_pending_bytes: config.max_pending_bytes,
                several_nodes: cluster.is_some(),
            },
            dedupe,
        )
        .reporting(upstream.reports());
        custody.sampling = tracer.sampling();
        let node = Node::new(NodeParts {
            me: NodeInstance {
                name,
                incarnation: random_u64(),
            },
            url: self.url,
            cluster,
            links: Links::new(self.links, clock.now().elapsed),
            upstream,
            config,
            types,
            directory: Arc::new(first.directory),
            authenticators,
            custody: Arc::new(custody),
            clock,
            tracer,
            backend: backend.handle(),
            probe: self.probe,
        });
        #[cfg(feature = "auth")]
        {
            let domain = node.directory().own_domain().clone();
            let (presence, store) = (Arc::clone(&presence), Arc::clone(&store));
            let tokens = crate::logins::SessionTokens::new(self.tokens, domain, clock, presence, store)
                .map_err(|error| StartError::Config(error.to_string()))?;
            // Set once, here.
            let _ = node.tokens.set(Arc::new(tokens));
        }
        #[cfg(feature = "meta")]
        if first.following.is_some() && !first.is_complete {
            node.admission.wait();
            node.set_check("meta", Some("there is no meta document yet".into()));
        }
        let system = System::start(&node, Arc::clone(&presence), Arc::clone(&store)).await?;
        cluster::start(&node, Arc::clone(&store), first.is_followed).await?;
        links::start(&node, &store);
        upstream::start(&node, &store);
        #[cfg(feature = "meta")]
        if let Some(following) = first.following {
            backend.handle().spawn(following.run(Arc::clone(&node)));
        }
        let router = node
            .routers
            .recipient(0)
            .ok_or_else(|| StartError::Config("no router".into()))?;
        let handle = LinkerHandle::new(node, router, presence, store);
        // Set once, here.
        let _ = self.linker.set(handle.downgrade());
        crate::load::start(handle.node());
        crate::pushes::start(handle.node(), handle.downgrade());
        Ok(Linker::new(handle, system, backend))
    }
}

/// A directory to start with.
struct FirstDirectory {
    directory: Directory,
    authenticators: PreparedAuthenticators,
    /// It will change by itself.
    is_followed: bool,
    /// It is more than a place for the one that is awaited.
    #[cfg(feature = "meta")]
    is_complete: bool,
    #[cfg(feature = "meta")]
    following: Option<Following>,
}

#[cfg(feature = "meta")]
async fn first_of_meta_server(
    meta: MetaServer,
    backend: &Backend,
    authenticators: &Arc<Authenticators>,
) -> Result<FirstDirectory, StartError> {
    let own = Domain::named(meta.domain().clone());
    let begun = backend
        .handle()
        .spawn(Following::begin(meta, Arc::clone(authenticators)))
        .await
        .map_err(|error| StartError::Config(error.to_string()))?;
    let (following, accepted) = begun.map_err(StartError::Config)?;
    let is_complete = accepted.is_some();
    let accepted = accepted.unwrap_or_else(|| Accepted {
        directory: Directory::single(own, Arc::default()),
        authenticators: PreparedAuthenticators::default(),
    });
    Ok(FirstDirectory {
        directory: accepted.directory,
        authenticators: accepted.authenticators,
        is_followed: true,
        is_complete,
        following: Some(following),
    })
}

fn random_name() -> Result<NodeName, StartError> {
    let suffix = random_u64() & 0xffff_ffff;
    format!("node-{suffix:08x}")
        .parse()
        .map_err(|_| StartError::Config("node name".into()))
}

/// What waits in the store and may be sent again is recognised after a restart too.
async fn recall(
    backend: &Backend,
    store: &Arc<dyn Store>,
    dedupe: &DedupeTable,
    clock: Clock,
    window: Duration,
) -> Result<(), StartError> {
    let now = clock.now();
    let since = now.unix_ms.saturating_sub(window.as_millis() as u64);
    let asked = Arc::clone(store);
    let rows = backend
        .handle()
        .spawn(async move { asked.repeatable_since(since, DEDUPE_ENTRIES_MAX as u32 / 2).await })
        .await
        .map_err(|error| StartError::Store(error.to_string()))?
        .map_err(|error| StartError::Store(error.to_string()))?;
    for row in rows {
        let key = dedupe.key_of(&row.from, &row.to, &row.reference);
        let age = Duration::from_millis(now.unix_ms.saturating_sub(row.arrived_ms));
        dedupe.recall(key, row.id, age, now.elapsed);
    }
    Ok(())
}
