use super::{APP, Start, mistake};

const REFUSED: [(&str, &str); 17] = [
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
        "meta: {refresh: 9s}",
        "meta.refresh: following a meta server is not built into this node yet",
    ),
    (
        "login: {keyFile: k}",
        "login.keyFile: POST /api/v1/login is not built into this node yet; allowed: no such key",
    ),
    (
        "login: {expiresIn: 2h}",
        "login.expiresIn: POST /api/v1/login is not built into this node yet; allowed: 1h, or no",
    ),
    (
        "login: {expiresIn: soon}",
        "login.expiresIn: \"soon\" is not a duration",
    ),
    (
        "login: {perSecondPerAddress: 1}",
        "login.perSecondPerAddress: POST /api/v1/login is not built",
    ),
    (
        "links: {domain-02: {url: 'amqp://joe:hunter2@r'}}",
        "links: a link to another domain is not built into this node yet",
    ),
    (
        "server: {tls: {cert: c, key: k}}",
        "server.tls: TLS is not built into this node yet",
    ),
    (
        "telemetry: {otlpUrl: 'http://joe:hunter2@r'}",
        "telemetry.otlpUrl: export over OTLP is not built into this node yet",
    ),
];

#[test]
fn what_is_not_built_is_refused_by_name_and_never_with_a_password() {
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
fn a_meta_server_is_refused_and_nothing_is_missing_besides() {
    let lines = Start::with("meta: {url: 'http://localhost:9000'}").mistakes();
    assert_eq!(
        lines,
        ["node.yml:1: meta.url: following a meta server is not built into this node yet; allowed: file"]
    );
    let lines = Start::with("meta: {url: 'http://localhost:9000', file: m.yml}").mistakes();
    assert!(
        lines[0].contains("meta.url: file is given too; allowed: file or url, not both"),
        "{lines:#?}"
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
fn links_from_the_environment_are_refused_too() {
    let lines = Start::with(APP)
        .and_variable("LINKER__LINKS", "{a: {url: 'amqp://:hunter2@r'}}")
        .mistakes();
    assert_eq!(
        lines,
        [
            "environment LINKER__LINKS: links: a link to another domain is not built into this node yet; allowed: no such key"
        ]
    );
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
