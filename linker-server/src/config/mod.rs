//! The configuration of the stock server: one YAML file, the environment and the command line, read into a typed tree.
//!
//! Every key has one place where it is read and where its default, its unit and its bounds stand: the file of its section.
//!
//! Paths of files that are only read (`meta.file`, `…File`) are relative to the configuration file when they stand in it;
//! the data folder and an SQLite file are relative to where the process was started, as the embedded default's are.

mod api_tokens;
mod backend;
mod byte_size;
mod check;
mod client_app;
mod duration;
mod jwt;
mod limit;
mod links;
mod load;
mod login;
mod meta;
mod mistake;
mod nearest;
mod node;
mod reader;
mod reliable;
mod secret;
mod server;
mod surroundings;
mod telemetry;
mod tls;
mod traces;
mod upstream;
mod values;
mod variables;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use api_tokens::{ApiToken, Scope};
pub(crate) use backend::{BusBackend, PresenceBackend, StoreConfig, StoreLocation};
pub(crate) use byte_size::ByteSize;
pub(crate) use check::bind_address;
pub(crate) use client_app::ClientAppsConfig;
pub(crate) use limit::{HeartbeatConfig, LimitsConfig};
pub(crate) use links::LinksConfig;
pub(crate) use load::{Overrides, load, telemetry};
pub(crate) use login::LoginConfig;
pub(crate) use meta::{MetaFile, MetaSource};
pub(crate) use mistake::{Mistake, Mistakes, Place, Wrong};
pub(crate) use node::NodeConfig;
pub(crate) use reliable::ReliableConfig;
pub(crate) use secret::Secret;
pub(crate) use server::ServerConfig;
pub(crate) use surroundings::{ProcessSurroundings, Surroundings};
pub(crate) use telemetry::{LogFormat, TelemetryConfig};
pub(crate) use tls::TlsConfig;
pub(crate) use traces::TracesConfig;
pub(crate) use upstream::{UpstreamConfig, UpstreamTarget};

use reader::Section;

/// All that a node is told. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) node: NodeConfig,
    pub(crate) server: ServerConfig,
    pub(crate) presence: PresenceBackend,
    pub(crate) bus: BusBackend,
    pub(crate) store: StoreConfig,
    /// The meta document, where there is one; whoever reads it checks that `client_apps` stand in one of the two only.
    pub(crate) meta: Option<MetaSource>,
    pub(crate) client_apps: ClientAppsConfig,
    pub(crate) reliable: ReliableConfig,
    pub(crate) login: LoginConfig,
    pub(crate) links: LinksConfig,
    pub(crate) upstream: UpstreamConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) heartbeat: HeartbeatConfig,
    pub(crate) telemetry: TelemetryConfig,
}

impl Config {
    /// Reads the sections in the order in which the documentation lists them, which is the order messages list them in.
    fn read(root: &mut Section<'_>, has_file: bool) -> Self {
        let node = root.section("node", NodeConfig::read);
        let server = root.section("server", ServerConfig::read);
        let mistakes_before = root.reading.mistake_count();
        let presence = root.section("presence", PresenceBackend::read);
        let bus = root.section("bus", BusBackend::read);
        let store = root.section("store", StoreConfig::read);
        // Of one that is malformed it cannot be told whether it fits the others.
        if root.reading.mistake_count() == mistakes_before {
            backend::check_together(root, &presence, &bus, &store);
        }
        let (meta, has_meta) = meta::read(root);
        let client_apps = ClientAppsConfig::read(root, has_file, has_meta);
        let reliable = root.section("reliable", ReliableConfig::read);
        let login = root.section("login", LoginConfig::read);
        let links = LinksConfig::read(root);
        let upstream = root.section("upstream", UpstreamConfig::read);
        let limits = root.section("limits", LimitsConfig::read);
        let heartbeat = root.section("heartbeat", HeartbeatConfig::read);
        let telemetry = root.section("telemetry", TelemetryConfig::read);
        Self {
            node,
            server,
            presence,
            bus,
            store,
            meta,
            client_apps,
            reliable,
            login,
            links,
            upstream,
            limits,
            heartbeat,
            telemetry,
        }
    }
}
