//! `telemetry.otlpUrl` and what belongs to it.

use super::{APP, Start};
use crate::config::TracesConfig;

fn traces(telemetry: &str) -> Option<TracesConfig> {
    Start::with(&format!("{APP}telemetry: {{{telemetry}}}"))
        .config()
        .telemetry
        .traces
}

#[test]
fn without_a_collector_nothing_is_traced() {
    assert_eq!(traces("level: info"), None);
}

#[test]
fn a_url_without_a_path_is_the_collector_and_one_with_a_path_is_taken_as_it_is() {
    for (url, expected) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        (
            "https://c.example/otlp/v1/traces",
            "https://c.example/otlp/v1/traces",
        ),
    ] {
        let traces = traces(&format!("otlpUrl: '{url}'")).unwrap();
        assert_eq!(traces.url, expected);
        assert!((traces.ratio.as_f64() - 0.01).abs() < f64::EPSILON && traces.users);
    }
}

#[test]
fn ratios_are_numbers_from_0_to_1() {
    for (text, expected) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 0.001)] {
        let traces = traces(&format!("otlpUrl: 'http://c', traceRatio: {text}")).unwrap();
        assert!((traces.ratio.as_f64() - expected).abs() < f64::EPSILON, "{text}");
    }
}

#[test]
fn headers_come_from_a_file_and_are_shown_nowhere() {
    let with = |headers: &str| {
        let start = Start::with(&format!(
            "{APP}telemetry: {{otlpUrl: 'http://c', otlpHeadersFile: headers}}"
        ));
        start.and_file("/etc/linker/headers", headers)
    };
    let start = with("# of the collector\n\nAuthorization: Bearer hunter2\nX-Scope-OrgID:  tenant-1 \n");
    let traces = start.config().telemetry.traces.unwrap();
    let headers: Vec<_> = traces
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.expose()))
        .collect();
    assert_eq!(
        headers,
        [("Authorization", "Bearer hunter2"), ("X-Scope-OrgID", "tenant-1")]
    );
    assert!(!format!("{traces:?}").contains("hunter2"));

    let line = with("Authorization: Bearer hunter2\nhunter3\n")
        .mistakes()
        .remove(0);
    assert!(
        line.contains("telemetry.otlpHeadersFile: in /etc/linker/headers: line 2 is not a header"),
        "{line}"
    );
    assert!(!line.contains("hunter"), "{line}");
}
