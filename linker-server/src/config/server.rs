//! `server`: where the node listens, who may come, where its data lies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::api_tokens::{self, ApiToken};
use super::check;
use super::mistake::Wrong;
use super::reader::Section;
use super::secret::Secret;
use super::tls::{self, TlsConfig};

const WORKERS_MAX: u32 = 256;
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
const DATA_DIR: &str = "./linker-data";

/// Addresses, access and resources of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// `bind`: the clients' endpoint; default 127.0.0.1:8088. Port 0 is any free one.
    pub(crate) bind: SocketAddr,
    /// `publicUrl`: what clients are told to connect to, with a path; `None`: [`ServerConfig::public_url_at`].
    pub(crate) public_url: Option<String>,
    /// `adminBind`: health, metrics, API; default 127.0.0.1:8090. Port 0 is any free one.
    pub(crate) admin_bind: SocketAddr,
    /// `adminToken` or the content of `adminTokenFile`; never `None` while `admin_bind` is not loopback.
    pub(crate) admin_token: Option<Secret>,
    /// `tokens`: who else may use the API, and for what.
    pub(crate) tokens: Vec<ApiToken>,
    /// `metricsAuth`: whether `/metrics` asks for the token too; default false.
    pub(crate) metrics_auth: bool,
    /// `allowedOrigins`, as browsers send them; empty: any.
    pub(crate) allowed_origins: Vec<String>,
    /// `tls`: clients speak TLS; default: they do not.
    pub(crate) tls: Option<TlsConfig>,
    /// `adminTls`: so do those of the admin port.
    pub(crate) admin_tls: Option<TlsConfig>,
    /// `workers`: threads that carry sessions; 0 (default): one a core.
    pub(crate) workers: u32,
    /// `drainTimeout`: the longest a stop may take; default 30 s.
    pub(crate) drain_timeout: Duration,
    /// `dataDir`; default `./linker-data`.
    pub(crate) data_dir: PathBuf,
}

impl ServerConfig {
    /// What clients are told to connect to when `publicUrl` does not say: the address that was bound in the end.
    pub(crate) fn public_url_at(&self, bound: SocketAddr) -> String {
        self.public_url
            .clone()
            .unwrap_or_else(|| format!("{}://{bound}/ws", self.ws_scheme()))
    }

    /// What clients speak.
    pub(crate) fn ws_scheme(&self) -> &'static str {
        if self.tls.is_some() { "wss" } else { "ws" }
    }

    /// What is spoken on the admin port.
    pub(crate) fn admin_scheme(&self) -> &'static str {
        if self.admin_tls.is_some() { "https" } else { "http" }
    }

    /// What is allowed and probably not meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let url = self.public_url.as_deref().filter(|_| self.tls.is_some());
        let misleads = url.filter(|url| check::is_plain_and_elsewhere(url));
        let warn = |url: &str| {
            format!(
                "server.publicUrl: clients are told {url}, but with server.tls the port speaks TLS alone; write wss://"
            )
        };
        misleads.map(warn).into_iter().collect()
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        const ADDRESS: &str = "an address to listen on";
        let bind = section.parsed("bind", ADDRESS, check::bind_address);
        let admin_bind = section.parsed("adminBind", ADDRESS, check::bind_address);
        let token = section.secret("adminToken", check::bearer_token);
        let token_from_file = section.secret_file("adminTokenFile", check::bearer_token);
        if section.has("adminToken") && section.has("adminTokenFile") {
            let wrong = Wrong::new(
                "adminToken is given too",
                "adminToken or adminTokenFile, not both",
            );
            section.wrong("adminTokenFile", wrong);
        }
        let config = Self {
            bind: bind.unwrap_or_else(|| loopback(8088)),
            public_url: section.parsed("publicUrl", "a ws url", check::websocket_url),
            admin_bind: admin_bind.unwrap_or_else(|| loopback(8090)),
            admin_token: token.or(token_from_file),
            tokens: api_tokens::read(section),
            metrics_auth: section.boolean("metricsAuth", false),
            allowed_origins: read_origins(section),
            tls: tls::read(section, "tls"),
            admin_tls: tls::read(section, "adminTls"),
            workers: section.integer_u32("workers", 0..=WORKERS_MAX, 0),
            drain_timeout: section.duration(
                "drainTimeout",
                Duration::ZERO..=DRAIN_TIMEOUT_MAX,
                Duration::from_secs(30),
            ),
            data_dir: read_data_dir(section),
        };
        config.compare(section);
        config
    }

    fn compare(&self, section: &Section<'_>) {
        let token_given = section.has("adminToken") || section.has("adminTokenFile");
        if !self.admin_bind.ip().is_loopback() && !token_given {
            let wrong = Wrong::new(
                format!(
                    "missing while adminBind ({}) can be reached from other machines",
                    self.admin_bind
                ),
                "an adminToken or adminTokenFile, or an adminBind on 127.0.0.1 or [::1]",
            );
            // Reported where the address is: there is no token that could have a place.
            section.reading.mistake(
                section.place_of("adminBind"),
                section.path_to("adminToken"),
                wrong,
            );
        }
        if self.metrics_auth && !token_given {
            let wrong = Wrong::new(
                "there is no adminToken to ask for",
                "false, or an adminToken or adminTokenFile",
            );
            section.wrong("metricsAuth", wrong);
        }
        if self.bind == self.admin_bind && self.bind.port() != 0 && section.is_sound() {
            section.wrong(
                "adminBind",
                Wrong::new("the same address as bind", "an address of its own"),
            );
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn read_origins(section: &mut Section<'_>) -> Vec<String> {
    let expected = "an origin such as https://example.org";
    section
        .parsed_list("allowedOrigins", expected, check::origin)
        .unwrap_or_default()
}

fn read_data_dir(section: &mut Section<'_>) -> PathBuf {
    let parse = |text: &str| match text {
        "" => Err(Wrong::new("an empty path", "the path of a folder")),
        path => Ok(PathBuf::from(path)),
    };
    section
        .parsed("dataDir", "the path of a folder", parse)
        .unwrap_or_else(|| PathBuf::from(DATA_DIR))
}
