use std::path::PathBuf;

use super::{APP, Start};
use crate::config::{MetaSource, Overrides, telemetry};

#[test]
fn a_variable_wins_over_the_file_and_a_flag_over_both() {
    let start = Start::with(&format!(
        "{APP}server: {{bind: 127.0.0.1:1, adminBind: 127.0.0.1:2}}"
    ));
    assert_eq!(start.config().server.bind.port(), 1);
    let start = start.and_variable("LINKER__SERVER__BIND", "127.0.0.1:3");
    assert_eq!(start.config().server.bind.port(), 3);
    let flags = Overrides {
        bind: Some("127.0.0.1:4".into()),
        data_dir: Some("d".into()),
        ..Overrides::default()
    };
    let server = start.and_flags(flags).config().server;
    assert_eq!((server.bind.port(), server.admin_bind.port()), (4, 2));
    assert_eq!(server.data_dir, PathBuf::from("d"));
}

#[test]
fn the_case_of_a_variable_does_not_count() {
    for name in [
        "LINKER__LIMITS__SESSIONSPERUSER",
        "linker__limits__sessionsPerUser",
        "Linker__Limits__SESSIONSperUSER",
    ] {
        let start = Start::without_file().and_variable(name, "3");
        assert_eq!(start.config().limits.sessions_per_user, 3, "{name}");
    }
}

#[test]
fn variables_without_the_prefix_are_nobodys_business() {
    let start = Start::without_file()
        .and_variable("LINKER_SERVER_BIND", "x")
        .and_variable("PATH", "/bin");
    start.and_variable("LINKER", "x").config();
}

#[test]
fn a_variable_gives_lists_and_sections_in_yaml() {
    let config = Start::without_file()
        .and_variable(
            "LINKER__CLIENTAPPS",
            "[{appName: A, appId: a}, {APPNAME: B, appid: b}]",
        )
        .and_variable("LINKER__HEARTBEAT", "{interval: 1s, timeout: 3s}")
        .and_variable("LINKER__SERVER__ALLOWEDORIGINS", "[https://a]")
        .and_variable("LINKER__RELIABLE__RETENTION__MAXPERUSER", "7")
        .config();
    assert_eq!(config.client_apps.apps.len(), 2);
    assert_eq!(config.heartbeat.timeout.as_secs(), 3);
    assert_eq!(config.server.allowed_origins, ["https://a"]);
    assert_eq!(config.reliable.retention.max_per_user, 7);
}

#[test]
fn a_variables_text_is_taken_as_it_stands_unless_quoted() {
    for (value, token) in [
        ("a:#b", "a:#b"),
        ("[x]", "[x]"),
        ("'quoted'", "quoted"),
        ("\"half", "\"half"),
        ("null", "null"),
    ] {
        let start = Start::without_file().and_variable("LINKER__SERVER__ADMINTOKEN", value);
        assert_eq!(
            start
                .config()
                .server
                .admin_token
                .map(|token| token.expose().to_owned())
                .as_deref(),
            Some(token)
        );
    }
}

#[test]
fn paths_of_variables_are_relative_to_the_process() {
    let config = Start::with("node: {}")
        .and_variable("LINKER__META__FILE", "meta.yml")
        .config();
    let Some(MetaSource::File(meta)) = config.meta else {
        panic!("no file: {:?}", config.meta)
    };
    assert_eq!(meta.path, PathBuf::from("meta.yml"));
}

#[test]
fn what_reads_no_file_takes_its_logs_from_the_environment_and_leaves_the_rest_to_nodes() {
    let start = Start::without_file()
        .and_variable("LINKER__TELEMETRY__LEVEL", "debug")
        .and_variable("LINKER__SERVER__BIND", "nonsense")
        .and_variable("LINKER__NO_SUCH_KEY", "1");
    assert_eq!(telemetry(&start.surroundings).unwrap().level, "debug");
    let wrong = start.and_variable("LINKER__TELEMETRY__FORMAT", "pretty");
    let mistakes = telemetry(&wrong.surroundings).unwrap_err().to_string();
    assert!(mistakes.contains("telemetry.format"), "{mistakes}");
}

#[test]
fn an_unknown_variable_names_the_nearest() {
    let start = Start::without_file()
        .and_variable("LINKER__SERVER__BNID", "x")
        .and_variable("LINKER__SERVR__BIND", "x")
        .and_variable("LINKER__SESSIONS_PER_USER", "x");
    let lines = start.mistakes();
    assert_eq!(lines.len(), 3);
    let start_of = |index: usize| lines[index].split(';').next().unwrap();
    assert_eq!(
        start_of(0),
        "environment LINKER__SERVER__BNID: server.bnid: unknown key, the nearest known one is LINKER__SERVER__BIND"
    );
    assert_eq!(
        start_of(1),
        "environment LINKER__SERVR__BIND: servr: unknown key, the nearest known one is LINKER__SERVER"
    );
    assert_eq!(
        start_of(2),
        "environment LINKER__SESSIONS_PER_USER: sessions_per_user: unknown key, the nearest known one is LINKER__LIMITS__SESSIONSPERUSER"
    );
}

#[test]
fn a_bad_value_is_blamed_on_who_gave_it() {
    let start = Start::with(&format!("{APP}server: {{bind: bad-too}}"))
        .and_variable("LINKER__SERVER__WORKERS", "many")
        .and_flags(Overrides {
            bind: Some("nowhere".into()),
            ..Overrides::default()
        });
    let lines = start.mistakes();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].starts_with(
            "environment LINKER__SERVER__WORKERS: server.workers: \"many\" is not a whole number"
        )
    );
    assert!(lines[1].starts_with("command line --bind: server.bind: \"nowhere\" is not an address"));
}

#[test]
fn a_key_given_by_two_variables_is_a_mistake() {
    let lines = Start::without_file()
        .and_variable("LINKER__SERVER", "{workers: 1}")
        .and_variable("LINKER__SERVER__WORKERS", "2")
        .mistakes();
    assert_eq!(
        lines,
        [
            "environment LINKER__SERVER__WORKERS: server.workers: also given by environment LINKER__SERVER; allowed: one of them"
        ]
    );
}

#[test]
fn variables_without_a_path_or_a_value_are_mistakes() {
    for (name, value) in [
        ("LINKER__", "x"),
        ("LINKER____BIND", "x"),
        ("LINKER__SERVER__", "x"),
    ] {
        let lines = Start::without_file().and_variable(name, value).mistakes();
        assert!(lines[0].contains("the name has an empty level"), "{lines:#?}");
    }
    let lines = Start::without_file()
        .and_variable("LINKER__SERVER__BIND", "")
        .mistakes();
    assert!(
        lines[0].contains("server.bind: the key has no value"),
        "{lines:#?}"
    );
    let lines = Start::without_file()
        .and_variable("LINKER__SERVER__BIND__PORT", "1")
        .mistakes();
    assert!(
        lines[0].contains("server.bind: a mapping where a single value is expected"),
        "{lines:#?}"
    );
    let lines = Start::without_file()
        .and_variable("LINKER__SERVER", "80")
        .mistakes();
    assert!(
        lines[0].contains("server: a single value where keys are expected"),
        "{lines:#?}"
    );
    let lines = Start::without_file()
        .and_variable("LINKER__CLIENTAPPS__0__APPNAME", "A")
        .mistakes();
    assert!(
        lines[0].contains("clientApps: a mapping where a list is expected"),
        "{lines:#?}"
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_mistake() {
    use std::os::unix::ffi::OsStringExt;
    let mut start = Start::without_file();
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    start
        .surroundings
        .variables
        .push(("LINKER__SERVER__ADMINTOKEN".into(), value));
    assert!(start.mistakes()[0].contains("the value is not UTF-8"));
}
