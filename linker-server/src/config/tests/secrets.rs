use crate::config::{BusBackend, PresenceBackend, Scope, StoreLocation};

use super::{APP, Start};

#[test]
fn an_admin_address_that_others_reach_needs_a_token() {
    let open = Start::with(&format!("{APP}server:\n  adminBind: 0.0.0.0:8090"));
    assert_eq!(
        open.mistakes(),
        [
            "node.yml:3: server.adminToken: missing while adminBind (0.0.0.0:8090) can be reached from other machines; \
             allowed: an adminToken or adminTokenFile, or an adminBind on 127.0.0.1 or [::1]"
        ]
    );
    open.and_variable("LINKER__SERVER__ADMINTOKEN", "t").config();
    for bind in ["127.0.0.1:1", "127.9.9.9:1", "'[::1]:1'", "localhost:1"] {
        Start::with(&format!("{APP}server: {{adminBind: {bind}}}")).config();
    }
}

#[test]
fn the_token_may_stand_in_a_file_beside_the_configuration() {
    let start = Start::with(&format!(
        "{APP}server: {{adminBind: 0.0.0.0:1, adminTokenFile: token}}"
    ));
    let token = start
        .and_file("/etc/linker/token", "t0ken\n")
        .config()
        .server
        .admin_token;
    assert_eq!(token.as_ref().map(|token| token.expose()), Some("t0ken"));
}

#[test]
fn a_token_file_that_holds_no_token_is_told_without_what_it_holds() {
    let start = || {
        Start::with(&format!(
            "{APP}server: {{adminBind: 0.0.0.0:1, adminTokenFile: token}}"
        ))
    };
    let cases: [(&[u8], &str); 6] = [
        (b"", "in /etc/linker/token: it is empty"),
        (b"\n", "in /etc/linker/token: it is empty"),
        (
            b"hunter2 hunter2",
            "in /etc/linker/token: the token does not fit into a header",
        ),
        (
            b"hunter2\nhunter2\n",
            "in /etc/linker/token: the token does not fit into a header",
        ),
        (b"hunter2\xff", "/etc/linker/token is not UTF-8 text"),
        (&[b'x'; 65_537], "cannot read /etc/linker/token: "),
    ];
    for (content, expected) in cases {
        let lines = start().and_file("/etc/linker/token", content).mistakes();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].starts_with(&format!("node.yml:2: server.adminTokenFile: {expected}")),
            "{lines:#?}"
        );
        assert!(!lines[0].contains("hunter2"), "{lines:#?}");
    }
    assert!(start().mistakes()[0].contains("adminTokenFile: cannot read /etc/linker/token: "));
}

#[test]
fn a_token_and_a_token_file_are_one_too_many() {
    let start = Start::with(&format!("{APP}server: {{adminToken: a, adminTokenFile: /token}}"))
        .and_file("/token", "b");
    assert_eq!(
        start.mistakes(),
        [
            "node.yml:2: server.adminTokenFile: adminToken is given too; allowed: adminToken or adminTokenFile, not both"
        ]
    );
}

#[test]
fn tokens_have_scopes() {
    let tokens = Start::with(&format!(
        "{APP}server: {{tokens: [{{token: a, scopes: [read, send]}}, {{tokenFile: /token, scopes: [admin]}}]}}"
    ))
    .and_file("/token", "b\n")
    .config()
    .server
    .tokens;
    let seen: Vec<_> = tokens
        .iter()
        .map(|token| {
            (
                token.token.expose(),
                token.scopes.iter().copied().collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("a", vec![Scope::Send, Scope::Read]), ("b", vec![Scope::Admin])]
    );
}

#[test]
fn what_is_wrong_with_a_token_is_told_without_it() {
    for (token, expected) in [
        (
            "{scopes: [read]}",
            "server.tokens[0].token: missing; allowed: token or tokenFile",
        ),
        (
            "{token: hunter2}",
            "server.tokens[0].scopes: missing; allowed: some of send, read, admin",
        ),
        (
            "{token: hunter2, scopes: [reed]}",
            "server.tokens[0].scopes[0]: \"reed\" is no scope; allowed: send, read, admin",
        ),
        (
            "{token: a, scopes: [read], apps: []}",
            "server.tokens[0].apps: the list is empty; allowed: the appName of a client app, or a list of them",
        ),
        (
            "{token: a, scopes: [read], apps: [ANZ, A-B]}",
            "server.tokens[0].apps[1]: \"A-B\" is not an app name; allowed: 1 to 32 of A-Z a-z 0-9 _",
        ),
        (
            "{token: a, scopes: [read], apps:}",
            "server.tokens[0].apps: the key has no value; allowed: the appName of a client app, or a list of them, or no such key at all",
        ),
        (
            "{token: hunter2, tokenFile: /token, scopes: [read]}",
            "server.tokens[0].tokenFile: token is given too; allowed: token or tokenFile, not both",
        ),
        (
            "hunter2",
            "server.tokens[0]: a single value where keys are expected; allowed: {token: …, scopes: […]} or {tokenFile: …, scopes: […]}",
        ),
    ] {
        let lines = Start::with(&format!("{APP}server: {{tokens: [{token}]}}"))
            .and_file("/token", "t")
            .mistakes();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].ends_with(expected), "{lines:#?}");
        assert!(!lines[0].contains("hunter2"), "{lines:#?}");
    }
}

#[test]
fn no_secret_shows_in_debug_output_or_in_a_mistake() {
    let config = Start::with(
        "server: {adminToken: hunter2}
clientApps: [{appName: A, appId: a, authEnabled: true, jwt: {algorithm: HS256, keyFile: /secret}}]",
    )
    .and_file("/secret", "hunter3")
    .config();
    let debug = format!("{config:?} {config:#?}");
    assert!(debug.contains("Secret(…)"));
    assert!(!debug.contains("hunter"), "{debug}");
    for token in [
        "'hunter2 '",
        "[hunter2]",
        "{hunter2: hunter2}",
        "\"hunter2\\n\"",
        "''",
    ] {
        let lines = Start::with(&format!("{APP}server: {{adminToken: {token}}}")).mistakes();
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].contains("hunter2"), "{lines:#?}");
    }
}

#[test]
fn urls_with_passwords_may_stand_in_files() {
    let text = format!("{APP}presence: {{urlFile: r}}\nbus: {{urlFile: b}}\nstore: {{urlFile: s}}");
    let start = || Start::with(&text);
    let config = start()
        .and_file("/etc/linker/r", "redis://:hunter2@r\n")
        .and_file("/etc/linker/b", "amqps://joe:hunter2@b/v\n")
        .and_file("/etc/linker/s", "postgres://joe:hunter2@p/db\n")
        .config();
    assert!(!format!("{config:?}").contains("hunter2"));
    let PresenceBackend::Redis(redis) = &config.presence else {
        panic!("{config:?}")
    };
    assert_eq!(redis.expose(), "redis://:hunter2@r");
    let BusBackend::Rabbit(rabbit) = &config.bus else {
        panic!("{config:?}")
    };
    assert_eq!(rabbit.expose(), "amqps://joe:hunter2@b/v");
    let StoreLocation::Postgres(postgres) = &config.store.location else {
        panic!("{config:?}")
    };
    assert_eq!(postgres.expose(), "postgres://joe:hunter2@p/db");
    let wrong = start()
        .and_file("/etc/linker/r", "rediss://:hunter2@")
        .and_file("/etc/linker/b", "nats://joe:hunter2@b")
        .mistakes();
    for (line, expected) in wrong.iter().zip([
        "presence.urlFile: in /etc/linker/r: the url has no host",
        "bus.urlFile: in /etc/linker/b: an unknown kind of url",
        "store.urlFile: cannot read /etc/linker/s: ",
    ]) {
        assert!(line.contains(expected) && !line.contains("hunter2"), "{wrong:#?}");
    }
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
}

#[test]
fn a_url_and_a_url_file_are_one_too_many() {
    let lines = Start::with(&format!("{APP}store: {{url: sqlite, urlFile: s}}"))
        .and_file("/etc/linker/s", "sqlite")
        .mistakes();
    assert_eq!(
        lines,
        ["node.yml:2: store.urlFile: url is given too; allowed: url or urlFile, not both"]
    );
}
