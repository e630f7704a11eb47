//! `check`: every mistake of a configuration file on a line of its own.

use crate::harness::{Finished, run};

/// Writes the text as `linker.yml` and checks it.
async fn check(text: &str) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("linker.yml");
    std::fs::write(&file, text).unwrap();
    run(&["check", "--config", file.to_str().unwrap()]).await
}

/// A file with these sections and what no file goes without.
fn with_an_app(sections: &str) -> String {
    format!("{sections}\nclientApps: [{{appName: ANZ, appId: app-id-343}}]\n")
}

/// The file has a mistake, and one line says in which file, at which key, and these words.
async fn assert_mistake(text: &str, key: &str, words: &[&str]) {
    let finished = check(text).await;
    assert_eq!(finished.code, 1, "{text}\n{}", finished.said());
    let mut wanted = vec!["linker.yml", key];
    wanted.extend(words);
    finished.line_with(&wanted);
}

#[tokio::test]
async fn the_example_of_the_contract_that_one_node_has_is_correct() {
    let finished = check(
        "
node:
  domain: domain-01             # default domain-01
  name: connector-01
server:
  bind: 127.0.0.1:8088
  publicUrl: ws://127.0.0.1:8088/ws
  adminBind: 127.0.0.1:8090
  allowedOrigins: []
  workers: 0
  drainTimeout: 30s
  dataDir: ./linker-data
presence: {url: memory}
bus: {url: memory}
store: {url: sqlite}
clientApps:
  - {appName: ANZ, appId: app-id-343, masterUserId: ANZ-123223, authEnabled: false, authUrl: http://localhost:8081/auth, authTimeout: 3s}
reliable:
  confirmationEnabled: true
  commitWindow: 20ms
  dedupeWindow: 5m
  retention: {maxAge: 30d, maxPerUser: 100000}
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
heartbeat: {interval: 30s, timeout: 75s}
telemetry: {format: auto, level: info}
",
    )
    .await;
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[tokio::test]
async fn all_mistakes_are_listed_each_on_a_line_of_its_own() {
    let finished = check(
        "
server:
  bind: nonsense
limits:
  maxFrameByte: 5
  authTimeout: banana
  sessionsPerUser: -3
heartbeat: {interval: 1, timeout: 75s}
clientApps:
  - {appName: ANZ, appId: one, masterUserId: XYZ-1}
  - {appName: ANZ, appId: one}
",
    )
    .await;
    assert_eq!(finished.code, 1);
    let mut lines = Vec::new();
    for key in [
        "server.bind",
        "limits.maxFrameByte",
        "limits.authTimeout",
        "limits.sessionsPerUser",
        "heartbeat.interval",
        "masterUserId",
        "appName",
        "appId",
    ] {
        lines.push(finished.line_with(&["linker.yml", key]));
    }
    lines.dedup();
    assert!(lines.len() >= 7, "{lines:#?}");
}

#[tokio::test]
async fn an_unknown_key_names_the_nearest_known_one() {
    assert_mistake("limits: {maxFrameByte: 5}", "maxFrameByte", &["maxFrameBytes"]).await;
    assert_mistake("limit: {maxFrameBytes: 5000}", "limit", &["limits"]).await;
    assert_mistake("reliable: {retention: {maxage: 3d}}", "maxage", &["maxAge"]).await;
    assert_mistake(
        "clientApps: [{appName: A, appId: i, masterUser: A-1}]",
        "masterUser",
        &["masterUserId"],
    )
    .await;
}

#[tokio::test]
async fn a_wrong_value_says_what_is_allowed() {
    assert_mistake("limits: {authTimeout: soon}", "limits.authTimeout", &["30s"]).await;
    assert_mistake("limits: {maxFrameBytes: big}", "limits.maxFrameBytes", &["KiB"]).await;
    assert_mistake("telemetry: {format: xml}", "telemetry.format", &["json"]).await;
    assert_mistake("telemetry: {level: loud}", "telemetry.level", &["info"]).await;
    assert_mistake("presence: {url: 'ftp://x'}", "presence.url", &["memory"]).await;
    assert_mistake("store: {url: 'mysql://x'}", "store.url", &["sqlite"]).await;
    assert_mistake("bus: {url: 'kafka://x'}", "bus.url", &["memory"]).await;
}

#[tokio::test]
async fn values_out_of_range_are_mistakes() {
    for (text, key) in [
        ("limits: {maxFrameBytes: -1}", "limits.maxFrameBytes"),
        ("limits: {sessionsPerUser: 1.5}", "limits.sessionsPerUser"),
        (
            "limits: {maxPendingBytes: 99999999999999999999999}",
            "limits.maxPendingBytes",
        ),
        (
            "reliable: {retention: {maxPerUser: -5}}",
            "reliable.retention.maxPerUser",
        ),
        ("reliable: {commitWindow: -20ms}", "reliable.commitWindow"),
        ("server: {bind: '127.0.0.1:99999'}", "server.bind"),
    ] {
        assert_mistake(text, key, &[]).await;
    }
}

#[tokio::test]
async fn client_apps_are_checked() {
    for (app, key) in [
        ("{appName: A B, appId: i}", "appName"),
        ("{appName: A-B, appId: i}", "appName"),
        ("{appId: i}", "appName"),
        ("{appName: A}", "appId"),
        ("{appName: A, appId: i, masterUserId: B-1}", "masterUserId"),
        ("{appName: A, appId: i, masterUserId: A-01}", "masterUserId"),
        ("{appName: A, appId: i, authEnabled: true}", "authUrl"),
        (
            "{appName: A, appId: i, authEnabled: true, authUrl: nonsense}",
            "authUrl",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: XS256, keyFile: k}}",
            "algorithm",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: HS256}}",
            "jwt",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: HS256, keyFile: /no/such/key}}",
            "keyFile",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: ES256, publicKey: garbage}}",
            "publicKey",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: ES256, publicKey: p, audience: []}}",
            "jwt.audience",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: ES256, publicKey: p, issuer: ''}}",
            "jwt.issuer",
        ),
        (
            "{appName: A, appId: i, authEnabled: true, jwt: {algorithm: ES256, publicKey: p, audiences: a}}",
            "jwt.audience",
        ),
    ] {
        assert_mistake(&format!("clientApps: [{app}]"), key, &["clientApps"]).await;
    }
}

#[tokio::test]
async fn urls_of_services_are_checked_as_those_read_them_who_connect() {
    const REDIS: &str = "presence: {url: 'redis://r'}";
    const RABBIT: &str = "bus: {url: 'amqp://b'}";
    const POSTGRES: &str = "store: {url: 'postgres://p/db'}";
    let finished = check(&with_an_app(&format!("{REDIS}\n{RABBIT}\n{POSTGRES}"))).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    for (key, others, urls) in [
        (
            "presence",
            [RABBIT, POSTGRES],
            ["redis://r:x", "redis://r:65536", "redis://r/database"],
        ),
        (
            "bus",
            [REDIS, POSTGRES],
            ["amqp://b:x", "amqp://b:65536", "amqp://b/v?heartbeat=often"],
        ),
        (
            "store",
            [REDIS, RABBIT],
            [
                "postgres://p:x/db",
                "postgres://p:65536/db",
                "postgres://p/db?sslmode=so-so",
            ],
        ),
    ] {
        for url in urls {
            let text = format!("{key}: {{url: '{url}'}}\n{}\n{}", others[0], others[1]);
            assert_mistake(&with_an_app(&text), &format!("{key}.url"), &["allowed:"]).await;
        }
    }
    for (section, key) in [
        ("links: {domain-02: {url: 'amqp://b:x'}}", "links.domain-02.url"),
        ("upstream: {url: 'amqp://b:x'}", "upstream.url"),
        (
            "upstream: {url: 'http://h:x', secret: 0123456789abcdef}",
            "upstream.url",
        ),
    ] {
        assert_mistake(&with_an_app(section), key, &["allowed:"]).await;
    }
}

#[tokio::test]
async fn an_admin_port_for_everybody_needs_a_token() {
    assert_mistake("server: {adminBind: '0.0.0.0:8090'}", "server.adminToken", &[]).await;
    let with_token = check(&with_an_app(
        "server: {adminBind: '0.0.0.0:8090', adminToken: long-and-secret}",
    ))
    .await;
    assert_eq!(with_token.code, 0, "{}", with_token.said());
}

#[tokio::test]
async fn a_secret_may_come_from_a_file_which_must_be_there() {
    assert_mistake(
        "server: {adminTokenFile: /no/such/token}",
        "adminTokenFile",
        &["/no/such/token"],
    )
    .await;
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "long-and-secret\n").unwrap();
    let text = format!(
        "server: {{adminBind: '0.0.0.0:8090', adminTokenFile: '{}'}}",
        token.display()
    );
    let finished = check(&with_an_app(&text)).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[tokio::test]
async fn a_secret_is_not_printed_by_a_complaint() {
    let finished = check("server: {adminToken: [hush-hush], bind: nonsense}").await;
    assert_eq!(finished.code, 1);
    assert!(!finished.said().contains("hush-hush"), "{}", finished.said());
}

#[tokio::test]
async fn what_is_not_yaml_is_told_with_its_line() {
    assert_mistake("server:\n  bind: [127.0.0.1:1\nlimits: {", "linker.yml", &[]).await;
    assert_mistake("- a\n- list\n", "linker.yml", &[]).await;
    assert_mistake(
        "limits: {maxFrameBytes: 1000}\nlimits: {maxFrameBytes: 2000}\n",
        "limits",
        &[],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told() {
    let finished = run(&["check", "--config", "/no/such/linker.yml"]).await;
    assert!([1, 2].contains(&finished.code), "{}", finished.code);
    finished.line_with(&["/no/such/linker.yml"]);
}

#[tokio::test]
async fn a_collector_of_traces_that_cannot_be_one_is_a_mistake() {
    for (traces, key, wrong) in [
        (
            "otlpUrl: 'grpc://127.0.0.1:4317'",
            "telemetry.otlpUrl",
            "not a http or https url",
        ),
        (
            "otlpUrl: 'http://h', traceRatio: 2",
            "telemetry.traceRatio",
            "out of range",
        ),
        (
            "otlpUrl: 'http://h', otlpHeadersFile: none",
            "telemetry.otlpHeadersFile",
            "cannot read",
        ),
    ] {
        let text = with_an_app(&format!("telemetry: {{{traces}}}"));
        assert_mistake(&text, key, &[wrong]).await;
    }
}
