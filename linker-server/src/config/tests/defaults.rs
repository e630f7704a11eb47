use std::path::{Path, PathBuf};
use std::time::Duration;

use linker_core::app::AuthMethod;

use super::{APP, FILE, Start};
use crate::config::{ByteSize, LogFormat, MetaSource, Place, StoreLocation};

/// Every key of the contract with its documented default.
pub(super) const SPELLED_OUT: &str = "
node:
  domain: domain-01
server:
  bind: 127.0.0.1:8088
  adminBind: 127.0.0.1:8090
  metricsAuth: false
  allowedOrigins: []
  workers: 0
  drainTimeout: 30s
  dataDir: ./linker-data
presence: {url: memory}
bus: {url: memory}
store: {url: sqlite, migrate: true}
meta: {refresh: 5s}
clientApps:
  - {appName: ANZ, appId: app-id-343, masterUserId: ANZ-123223, isolated: false, authEnabled: false, authUrl: http://localhost:8081/auth, authTimeout: 3s}
reliable:
  confirmationEnabled: true
  commitWindow: 20ms
  dedupeWindow: 5m
  retention: {maxAge: 30d, maxPerUser: 100000}
login: {expiresIn: 1h, perSecondPerAddress: 20}
links: {}
upstream: {timeout: 10s, events: []}
limits:
  maxFrameBytes: 64KiB
  authTimeout: 10s
  sessionsPerUser: 8
  messagesPerSecond: 0
  messageBurst: 0
  maxViolations: 100
  maxUnprovenBytes: 1MiB
  stallTimeout: 20s
  maxPendingBytes: 256MiB
  maxConnections: 0
  maxConnectionsPerAddress: 0
  sessionsPerApp: 0
  messagesPerSecondPerUser: 0
  messagesPerSecondPerApp: 0
  loginsPerSecondPerAddress: 0
heartbeat: {interval: 30s, timeout: 75s}
telemetry: {format: auto, level: info}
";

#[test]
fn without_a_file_it_is_the_embedded_default() {
    let config = Start::without_file().config();
    assert_eq!(config.node.domain.as_str(), "domain-01");
    assert_eq!(config.server.bind.to_string(), "127.0.0.1:8088");
    assert_eq!(config.server.admin_bind.to_string(), "127.0.0.1:8090");
    assert_eq!(
        config.server.public_url_at(config.server.bind),
        "ws://127.0.0.1:8088/ws"
    );
    assert_eq!(config.server.data_dir, PathBuf::from("./linker-data"));
    assert_eq!(config.store.location, StoreLocation::DataDir);
    assert_eq!(config.client_apps.place, None);
    let [app] = config.client_apps.apps.as_slice() else {
        panic!("{:?}", config.client_apps)
    };
    assert_eq!(
        (app.app_name.as_str(), app.app_id.as_str()),
        ("ANZ", "app-id-343")
    );
    assert_eq!(
        app.master.map(|master| master.to_string()).as_deref(),
        Some("ANZ-123223")
    );
    assert_eq!(app.auth, AuthMethod::None);
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let implied = Start::without_file().config();
    let mut said = Start::with(SPELLED_OUT).config();
    assert!(said.client_apps.place.take().is_some());
    assert_eq!(said, implied);
    assert_eq!(said.reliable.retention.max_age, Duration::from_secs(30 * 86_400));
    assert_eq!(said.limits.max_frame_bytes, ByteSize::bytes(65_536));
    assert_eq!(said.telemetry.format, LogFormat::Auto);
}

#[test]
fn the_node_is_named_after_its_host_and_a_random_suffix() {
    assert_eq!(
        Start::without_file().config().node.name.as_str(),
        "b-ro.example-00c0ffee"
    );
    let named = Start::with(&format!("{APP}node: {{name: connector-01}}")).config();
    assert_eq!(named.node.name.as_str(), "connector-01");
}

#[test]
fn values_of_a_file_arrive() {
    let config = Start::with(
        "
server:
  bind: '[::1]:1'
  publicUrl: wss://chat.example
  adminBind: 0.0.0.0:2
  adminToken: t0ken
  allowedOrigins: [https://Chat.example:443, 'http://localhost:4200']
  workers: 2
  dataDir: /var/lib/linker
store: {url: 'sqlite:/var/lib/linker/messages.db', migrate: false}
clientApps:
  - appName: A
    appId: 12
    isolated: true
    authEnabled: true
    authUrl: http://localhost:1/auth
    authTimeout: 500ms
",
    )
    .config();
    assert_eq!(config.server.bind.to_string(), "[::1]:1");
    assert_eq!(config.server.public_url.as_deref(), Some("wss://chat.example/ws"));
    assert_eq!(
        config.server.admin_token.as_ref().map(|token| token.expose()),
        Some("t0ken")
    );
    assert_eq!(
        config.server.allowed_origins,
        ["https://chat.example", "http://localhost:4200"]
    );
    assert_eq!(config.server.workers, 2);
    assert_eq!(
        config.store.location,
        StoreLocation::SqliteFile("/var/lib/linker/messages.db".into())
    );
    assert!(!config.store.migrate);
    let app = &config.client_apps.apps[0];
    assert_eq!(
        (app.app_id.as_str(), app.isolated, app.master),
        ("12", true, None)
    );
    let timeout = Duration::from_millis(500);
    let callback = AuthMethod::Callback {
        url: "http://localhost:1/auth".into(),
        timeout,
    };
    assert_eq!(app.auth, callback);
}

#[test]
fn a_meta_document_may_bring_the_client_apps() {
    let config = Start::with("meta: {file: meta.yml}").config();
    assert!(config.client_apps.apps.is_empty());
    let Some(MetaSource::File(meta)) = config.meta else {
        panic!("no file: {:?}", config.meta)
    };
    // Named in the file, so relative to the file.
    assert_eq!(meta.path, Path::new("/etc/linker/meta.yml"));
    assert_eq!(
        meta.place,
        Place::File {
            name: FILE.into(),
            line: Some(1)
        }
    );
}

#[test]
fn a_meta_server_may_bring_the_client_apps_and_is_asked_every_5_s() {
    let config = Start::with("meta: {url: 'http://localhost:9000/'}").config();
    assert!(config.client_apps.apps.is_empty());
    let expected = |refresh| MetaSource::Server {
        url: "http://localhost:9000".into(),
        refresh,
    };
    assert_eq!(config.meta, Some(expected(Duration::from_secs(5))));
    let config = Start::without_file()
        .and_variable("LINKER__META__URL", "http://localhost:9000")
        .and_variable("LINKER__META__REFRESH", "250ms")
        .config();
    assert_eq!(config.meta, Some(expected(Duration::from_millis(250))));
    assert!(
        config.client_apps.apps.is_empty(),
        "the demo app is for nodes without a network"
    );
}

#[test]
fn client_apps_beside_a_meta_document_keep_their_place_for_whoever_reads_it() {
    let config = Start::with("meta: {file: /m.yml}\nclientApps: [{appName: A, appId: a}]").config();
    assert_eq!(
        config.client_apps.place,
        Some(Place::File {
            name: FILE.into(),
            line: Some(2)
        })
    );
}

#[test]
fn sections_with_nothing_but_comments_are_empty_sections() {
    let config = Start::with(&format!("{APP}server:\n  # bind: x\nlimits:\nheartbeat: ~\n")).config();
    assert_eq!(config.limits, Start::without_file().config().limits);
}

#[test]
fn a_file_in_json_is_read_as_the_yaml_it_is() {
    let config = Start::with(
        r#"{
  "server": {"bind": "127.0.0.1:0", "workers": 2, "drainTimeout": "5s", "dataDir": "/tmp/d\u00e9"},
  "limits": {"maxUnprovenBytes": 4096},
  "clientApps": [{"appName": "ANZ", "appId": "app-id-343", "authEnabled": false}]
}"#,
    )
    .config();
    assert_eq!(config.server.data_dir, Path::new("/tmp/dé"));
    assert_eq!(
        (config.server.workers, config.limits.max_unproven_bytes),
        (2, ByteSize::kib(4))
    );
}
