use super::{APP, Start, mistake};

const REFUSED: [(&str, &str); 20] = [
    (
        "presence: {url: 'mongo://joe:hunter2@r'}",
        "presence.url: an unknown kind of url; allowed: memory, redis://HOST",
    ),
    (
        "presence: {url: 'redis://:hunter2@'}",
        "presence.url: the url has no host; allowed: memory, redis://HOST",
    ),
    (
        "bus: {url: 'amqp://joe:hunter2@/vhost'}",
        "bus.url: the url has no host; allowed: memory, amqp://HOST",
    ),
    ("bus: {url: nats}", "bus.url: an unknown kind of url"),
    (
        "store: {url: 'postgres://joe:hunter2@:5432/db'}",
        "store.url: the url has no host; allowed: sqlite",
    ),
    (
        "store: {url: 'mysql://joe:hunter2@r'}",
        "store.url: an unknown kind of url",
    ),
    ("store: {url: 'sqlite:'}", "store.url: the url has no path"),
    (
        "store: {url: 'sqlite::memory:'}",
        "store.url: a store in memory keeps nothing",
    ),
    ("store: {url: sqlite3}", "store.url: an unknown kind of url"),
    (
        "meta: {url: 'http://joe:hunter2@h:9000'}",
        "meta.url: the url has a user or a password in it; allowed: http://HOST:PORT or https://HOST:PORT",
    ),
    (
        "meta: {url: 'http://h:9000/?key=hunter2'}",
        "meta.url: the url has a query",
    ),
    ("meta: {url: 'tcp://h:9000'}", "meta.url: not a http or https url"),
    ("meta: {url: h, refresh: 5s}", "meta.url: not a http or https url"),
    ("meta: {refresh: 1ms}", "meta.refresh: 1ms is out of range"),
    (
        "login: {keyFile: k}",
        "login.keyFile: cannot read /etc/linker/k: ",
    ),
    (
        "login: {expiresIn: 10ms}",
        "login.expiresIn: 10ms is out of range",
    ),
    (
        "login: {expiresIn: soon}",
        "login.expiresIn: \"soon\" is not a duration",
    ),
    (
        "login: {perSecondPerAddress: -1}",
        "login.perSecondPerAddress: -1 is out of range",
    ),
    (
        "telemetry: {otlpUrl: 'http://joe:hunter2@r'}",
        "telemetry.otlpUrl: the url has a user or a password in it",
    ),
    (
        "telemetry: {otlpHeadersFile: h, otlpUrl: 'http://r'}",
        "telemetry.otlpHeadersFile: cannot read /etc/linker/h: ",
    ),
];

#[test]
fn what_cannot_be_is_refused_by_name_and_never_with_a_password() {
    for (text, expected) in REFUSED {
        let line = mistake(text);
        assert!(
            line.starts_with(&format!("node.yml:2: {expected}")),
            "{text}: {line}"
        );
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_meta_document_comes_from_a_file_or_a_server_not_both() {
    let lines = Start::with("meta: {url: 'http://localhost:9000', file: m.yml}").mistakes();
    assert_eq!(
        lines,
        ["node.yml:1: meta.url: file is given too; allowed: file or url, not both"]
    );
}

#[test]
fn unknown_keys_beside_refused_ones_are_told_too() {
    assert!(
        mistake("login: {keyfile: k}")
            .contains("login.keyfile: unknown key, the nearest known one is login.keyFile")
    );
}

#[test]
fn a_malformed_url_is_one_mistake() {
    for (text, key) in [
        (
            "presence: {url: 'redis://r:x'}\nbus: {url: 'amqp://b'}\nstore: {url: 'postgres://p/db'}",
            "presence.url",
        ),
        (
            "presence: {url: 'redis://r'}\nbus: {url: 'amqp:b'}\nstore: {url: 'postgres://p/db'}",
            "bus.url",
        ),
        (
            "presence: {url: 'redis://r'}\nbus: {url: 'amqp://b'}\nstore: {url: 'postgres:///db'}",
            "store.url",
        ),
    ] {
        let lines = Start::with(&format!("{APP}{text}")).mistakes();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains(key), "{lines:#?}");
    }
}

#[test]
fn several_nodes_need_all_three_backends() {
    let urls = [
        ("presence: {url: 'redis://:hunter2@r'}", "presence"),
        ("bus: {url: 'amqps://joe:hunter2@b/v'}", "bus"),
        ("store: {url: 'postgres://joe:hunter2@p/db'}", "store"),
    ];
    let given = |parts: &[usize]| {
        let lines: Vec<&str> = parts.iter().map(|part| urls[*part].0).collect();
        Start::with(&format!("{APP}{}", lines.join("\n")))
    };
    for (parts, faults) in [
        (
            &[0][..],
            &["bus: presence is in Redis", "store: other nodes cannot see"][..],
        ),
        (
            &[1],
            &["presence: there is a bus", "store: other nodes cannot see"],
        ),
        (&[0, 1], &["store: other nodes cannot see"]),
        (&[0, 2], &["bus: presence is in Redis"]),
        (&[1, 2], &["presence: there is a bus"]),
    ] {
        let lines = given(parts).mistakes();
        assert_eq!(lines.len(), faults.len(), "{parts:?}: {lines:#?}");
        for (line, fault) in lines.iter().zip(faults) {
            assert!(
                line.contains(fault) && !line.contains("hunter2"),
                "{parts:?}: {line}"
            );
        }
    }
    let config = given(&[0, 1, 2]).config();
    assert!(!format!("{config:?}").contains("hunter2"));
    given(&[2]).config();
}
