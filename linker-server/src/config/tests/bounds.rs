use super::mistake;

/// Each line of YAML is wrong in one way, and the message says all of the texts beside it.
const WRONG: [(&str, &[&str]); 53] = [
    (
        "limits: {sessionsPerApp: -1}",
        &["limits.sessionsPerApp: -1 is out of range"],
    ),
    (
        "limits: {messagesPerSecondPerUser: 1000001}",
        &[
            "limits.messagesPerSecondPerUser: 1000001 is out of range",
            "from 0 to 1000000",
        ],
    ),
    (
        "limits: {messagesPerSecondPerApp: many}",
        &["limits.messagesPerSecondPerApp: \"many\" is not a whole number"],
    ),
    (
        "limits: {loginsPerSecondPerAddress: 1.5}",
        &["limits.loginsPerSecondPerAddress: \"1.5\" is not a whole number"],
    ),
    (
        "limits: {sessionsPerUser: 0}",
        &["limits.sessionsPerUser: 0 is out of range", "from 1 to 1000"],
    ),
    ("limits: {sessionsPerUser: -1}", &["-1 is out of range"]),
    (
        "limits: {sessionsPerUser: 99999999999999999999}",
        &["99999999999999999999 is out of range"],
    ),
    (
        "limits: {sessionsPerUser: 1.5}",
        &["\"1.5\" is not a whole number"],
    ),
    (
        "limits: {sessionsPerUser: '8'}",
        &["the text \"8\" is not a whole number"],
    ),
    ("limits: {sessionsPerUser: +8}", &["\"+8\" is not a whole number"]),
    (
        "limits: {sessionsPerUser: [8]}",
        &["a list where a single value is expected"],
    ),
    ("limits: {sessionsPerUser: }", &["the key has no value"]),
    (
        "limits: {maxViolations: 0}",
        &["limits.maxViolations: 0 is out of range"],
    ),
    (
        "limits: {messageBurst: 5}",
        &[
            "limits.messageBurst: a burst without a rate",
            "messagesPerSecond above 0",
        ],
    ),
    (
        "limits: {maxFrameBytes: 0}",
        &["limits.maxFrameBytes: 0 is out of range", "from 256 to 64MiB"],
    ),
    (
        "limits: {maxFrameBytes: 64kb}",
        &["\"64kb\" is not a size", "KiB"],
    ),
    (
        "limits: {maxUnprovenBytes: 0}",
        &["limits.maxUnprovenBytes: 0 is out of range"],
    ),
    (
        "limits: {maxPendingBytes: 1B}",
        &["limits.maxPendingBytes: 1B is out of range"],
    ),
    (
        "limits: {authTimeout: 0s}",
        &["limits.authTimeout: 0s is out of range", "from 10ms to 1h"],
    ),
    (
        "limits: {stallTimeout: 0ms}",
        &["limits.stallTimeout: 0ms is out of range"],
    ),
    (
        "limits: {stallTimeout: 20}",
        &["\"20\" has no unit", "ms, s, m, h or d"],
    ),
    ("limits: [1]", &["limits: a list where keys are expected"]),
    (
        "heartbeat: {interval: 80s}",
        &["heartbeat.interval: timeout (75s) is not longer than interval (80s)"],
    ),
    (
        "heartbeat: {interval: 3s, timeout: 3s}",
        &["heartbeat.timeout: timeout (3s) is not longer than interval (3s)"],
    ),
    (
        "heartbeat: {interval: 0s}",
        &["heartbeat.interval: 0s is out of range"],
    ),
    (
        "heartbeat: 30s",
        &[
            "heartbeat: a single value where keys are expected",
            "a mapping of keys to values",
        ],
    ),
    (
        "reliable: {commitWindow: 0ms}",
        &["reliable.commitWindow: 0ms is out of range", "from 1ms to 10s"],
    ),
    (
        "reliable: {dedupeWindow: 8d}",
        &["reliable.dedupeWindow: 8d is out of range", "to 7d"],
    ),
    (
        "reliable: {confirmationEnabled: yes}",
        &["\"yes\" is not a yes or no", "true or false"],
    ),
    (
        "reliable: {confirmationEnabled: 'true'}",
        &["the text \"true\" is not a yes or no"],
    ),
    (
        "reliable: {retention: {maxPerUser: 0}}",
        &["reliable.retention.maxPerUser: 0 is out of range"],
    ),
    (
        "reliable: {retention: {maxAge: 0d}}",
        &["reliable.retention.maxAge: 0d is out of range"],
    ),
    (
        "server: {workers: 257}",
        &["server.workers: 257 is out of range", "from 0 to 256"],
    ),
    (
        "server: {drainTimeout: 2h}",
        &["server.drainTimeout: 2h is out of range", "from 0s to 1h"],
    ),
    (
        "server: {bind: '8088'}",
        &[
            "server.bind: \"8088\" is not an address to listen on",
            "127.0.0.1:8088",
        ],
    ),
    (
        "server: {bind: 127.0.0.1:1, adminBind: 127.0.0.1:1}",
        &["server.adminBind: the same address as bind"],
    ),
    (
        "server: {publicUrl: http://a}",
        &["server.publicUrl: not a ws or wss url"],
    ),
    (
        "server: {allowedOrigins: [https://a, '*']}",
        &["server.allowedOrigins[1]: \"*\" is not an origin", "empty list"],
    ),
    (
        "server: {allowedOrigins: [[]]}",
        &["server.allowedOrigins[0]: a list where a single value is expected"],
    ),
    (
        "server: {allowedOrigins: https://a}",
        &["server.allowedOrigins: a single value where a list is expected"],
    ),
    ("server: {dataDir: ''}", &["server.dataDir: an empty path"]),
    (
        "server: {metricsAuth: true}",
        &["server.metricsAuth: there is no adminToken to ask for"],
    ),
    (
        "node: {domain: a b}",
        &["node.domain: \"a b\" is not a domain name", "1 to 128 of"],
    ),
    ("node: {name: ''}", &["node.name: \"\" is not a node name"]),
    (
        "telemetry: {level: INFO}",
        &["telemetry.level: \"INFO\" is not a log level", "debug"],
    ),
    (
        "telemetry: {format: pretty}",
        &["telemetry.format: \"pretty\" is unknown; allowed: auto, text, json"],
    ),
    (
        "telemetry: {otlpUrl: 'grpc://r:4317'}",
        &["telemetry.otlpUrl: not a http or https url"],
    ),
    (
        "telemetry: {otlpUrl: 'http://r/v1/traces?key=1'}",
        &["telemetry.otlpUrl: the url has a query"],
    ),
    (
        "telemetry: {otlpUrl: 'http://r', traceRatio: 1.01}",
        &["telemetry.traceRatio: \"1.01\" is out of range", "from 0 to 1"],
    ),
    (
        "telemetry: {otlpUrl: 'http://r', traceRatio: .nan}",
        &["telemetry.traceRatio: \".nan\" is not a number"],
    ),
    (
        "telemetry: {otlpUrl: 'http://r', traceRatio: NaN}",
        &["telemetry.traceRatio: \"NaN\" is not a number"],
    ),
    (
        "store: {migrate: 1}",
        &["store.migrate: \"1\" is not a yes or no"],
    ),
    ("meta: {file: ''}", &["meta.file: an empty path"]),
];

#[test]
fn what_is_out_of_bounds_is_named_with_what_is_allowed() {
    for (text, expected) in WRONG {
        let line = mistake(text);
        assert!(line.starts_with("node.yml:2: "), "{text}: {line}");
        for part in expected {
            assert!(line.contains(part), "{text}: {line}");
        }
    }
}

#[test]
fn a_long_value_is_cut_in_its_message() {
    let line = mistake(&format!("node: {{name: '{}'}}", "é".repeat(5000)));
    assert!(line.chars().count() < 200, "{line}");
}
