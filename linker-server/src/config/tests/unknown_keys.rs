use super::{APP, Start, mistake};

#[test]
fn an_unknown_key_names_the_nearest_and_all_that_are_known_there() {
    assert_eq!(
        mistake("heartbeat:\n  intervall: 30s"),
        "node.yml:3: heartbeat.intervall: unknown key, the nearest known one is heartbeat.interval; allowed: interval, timeout"
    );
    assert!(mistake("sever: {}").contains(
        "node.yml:2: sever: unknown key, the nearest known one is server; allowed: node, server, "
    ));
}

#[test]
fn a_key_in_the_wrong_section_is_led_to_the_right_one() {
    assert!(mistake("sessionsPerUser: 3").contains("the nearest known one is limits.sessionsPerUser;"));
    assert!(
        mistake("server: {commitWindow: 3s}").contains("the nearest known one is reliable.commitWindow;")
    );
}

#[test]
fn a_key_like_no_other_still_gets_a_nearest() {
    assert!(mistake("node: {qqqqqq: 1}").contains("the nearest known one is node."));
}

#[test]
fn the_case_of_a_key_counts_in_a_file() {
    assert!(mistake("server: {admintoken: x}").contains("the nearest known one is server.adminToken;"));
    assert!(mistake("server: {admin_bind: x}").contains("the nearest known one is server.adminBind;"));
}

#[test]
fn unknown_keys_of_an_app_are_told_with_its_number() {
    let lines =
        Start::with("clientApps:\n  - {appName: A, appId: a}\n  - {appName: B, appId: b, master: B-1}")
            .mistakes();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with(
            "node.yml:3: clientApps[1].master: unknown key, the nearest known one is clientApps[1].masterUserId;"
        ),
        "{lines:?}"
    );
}

#[test]
fn keys_that_are_absent_are_known_all_the_same() {
    let lines = Start::with("clientApp: []").mistakes();
    assert!(
        lines[1].contains("clientApp: unknown key, the nearest known one is clientApps;"),
        "{lines:?}"
    );
    for (near, key) in [
        ("lgoin", "login"),
        ("link", "links"),
        ("mta", "meta"),
        ("presense", "presence"),
    ] {
        assert!(
            mistake(&format!("{near}: {{}}")).contains(&format!("nearest known one is {key};")),
            "{near}"
        );
    }
    assert!(mistake("server: {adminTokensFile: x}").contains("nearest known one is server.adminTokenFile;"));
    assert!(mistake("telemetry: {otlpUrk: x}").contains("nearest known one is telemetry.otlpUrl;"));
}

#[test]
fn a_merge_key_is_an_unknown_key() {
    assert!(mistake("server: {<<: {}}").contains("server.<<: unknown key"));
}

#[test]
fn all_mistakes_of_a_file_come_at_once_in_its_order() {
    let lines = Start::with(
        "server:
  bind: nowhere
  workrs: 2
  drainTimeout: 30
limits: {maxFrameBytes: 64KB, sessionsPerUser: 0}
limits: {}
telemetry: {level: loud, format: xml}
clientApps:
  - {appName: A-B, appId: a}
  - {appId: a, authEnabled: maybe}
",
    )
    .mistakes();
    let heads: Vec<String> = lines
        .iter()
        .map(|line| line.splitn(3, ": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        heads,
        [
            "node.yml:2 server.bind",
            "node.yml:3 server.workrs",
            "node.yml:4 server.drainTimeout",
            "node.yml:5 limits.maxFrameBytes",
            "node.yml:5 limits.sessionsPerUser",
            "node.yml:6 limits",
            "node.yml:7 telemetry.format",
            "node.yml:7 telemetry.level",
            "node.yml:9 clientApps[0].appName",
            "node.yml:10 clientApps[1].appName",
            "node.yml:10 clientApps[1].appId",
            "node.yml:10 clientApps[1].authEnabled",
        ],
        "{lines:#?}"
    );
}

#[test]
fn a_file_that_is_none_is_one_mistake() {
    for (text, expected) in [
        ("", "node.yml: the file is empty;"),
        ("# only this\n", "node.yml: the file is empty;"),
        ("[1, 2]", "node.yml:1: a list where keys are expected;"),
        (
            "just a text",
            "node.yml:1: a single value where keys are expected;",
        ),
        ("a: [1", "node.yml:1: not YAML: "),
    ] {
        let lines = Start::with(text).mistakes();
        assert_eq!(lines.len(), 1, "{text:?}: {lines:#?}");
        assert!(lines[0].starts_with(expected), "{text:?}: {lines:#?}");
    }
    let latin = Start::with("")
        .and_file(super::FILE, b"a: \xe9".to_vec())
        .mistakes();
    assert!(
        latin[0].starts_with("node.yml: the file is not UTF-8;"),
        "{latin:#?}"
    );
    let endless = Start::with("")
        .and_file(super::FILE, vec![b'#'; 1024 * 1024 + 1])
        .mistakes();
    assert!(
        endless[0].starts_with("node.yml: cannot read the file: "),
        "{endless:#?}"
    );
    let mut missing = Start::with("");
    missing.surroundings.files.clear();
    assert!(missing.mistakes()[0].starts_with("node.yml: cannot read the file: "));
}

#[test]
fn a_control_character_in_a_key_does_not_break_the_line() {
    let lines = Start::with(&format!("{APP}\"a\\nb\": 1")).mistakes();
    assert_eq!(lines.len(), 1, "{lines:#?}");
}
