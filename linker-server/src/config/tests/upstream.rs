use std::time::Duration;

use linker_actors::core::upstream::UpstreamEvent;

use super::{APP, Start};
use crate::config::UpstreamTarget;

#[test]
fn without_it_there_is_none() {
    let config = Start::with(APP).config();
    assert_eq!(config.upstream.target, None);
    assert_eq!(config.upstream.events, []);
}

#[test]
fn a_broker_needs_its_url_only() {
    let start = Start::with(&format!(
        "{APP}upstream: {{url: 'amqp://joe:hunter2@b/v', timeout: 3s, events: [connected, stored]}}"
    ));
    let upstream = start.config().upstream;
    let Some(UpstreamTarget::Rabbit(url)) = &upstream.target else {
        panic!("{upstream:?}")
    };
    assert_eq!(url.expose(), "amqp://joe:hunter2@b/v");
    assert_eq!(upstream.timeout, Duration::from_secs(3));
    assert_eq!(upstream.events, [UpstreamEvent::Connected, UpstreamEvent::Stored]);
    assert!(!format!("{upstream:?}").contains("hunter2"));
}

#[test]
fn a_webhook_is_signed_for_with_a_secret_of_the_configuration_or_of_a_file() {
    let start = Start::with(&format!("{APP}upstream: {{urlFile: hook, secretFile: key}}"))
        .and_file("/etc/linker/hook", "https://app.example/linker?k=hunter2\n")
        .and_file("/etc/linker/key", "hunter2hunter2hunter2\n");
    let upstream = start.config().upstream;
    let Some(UpstreamTarget::Webhook { url, secret }) = &upstream.target else {
        panic!("{upstream:?}")
    };
    assert_eq!(url.expose(), "https://app.example/linker?k=hunter2");
    assert_eq!(secret.expose(), "hunter2hunter2hunter2");
    assert_eq!(upstream.timeout, Duration::from_secs(10));
    assert!(!format!("{upstream:?}").contains("hunter2"));

    let start = Start::with(&format!("{APP}upstream: {{url: 'http://app.example'}}"))
        .and_variable("LINKER__UPSTREAM__SECRET", "0123456789abcdef");
    assert!(matches!(
        start.config().upstream.target,
        Some(UpstreamTarget::Webhook { .. })
    ));
}

#[test]
fn what_is_wrong_is_told_by_its_key() {
    for (text, expected) in [
        (
            "upstream: {url: 'redis://joe:hunter2@r'}",
            "upstream.url: an unknown kind of url; allowed: amqp://",
        ),
        (
            "upstream: {url: 'amqp://joe:hunter2@/v'}",
            "upstream.url: the url has no host",
        ),
        (
            "upstream: {url: 'http://app.example/?k=hunter2'}",
            "upstream.secret: missing; allowed: secret or secretFile",
        ),
        (
            "upstream: {url: 'http://app.example', secret: hunter2}",
            "upstream.secret: a secret of 7 bytes; allowed: at least 16",
        ),
        (
            "upstream: {url: 'amqp://h', secret: hunter2hunter2hunter2}",
            "upstream.secret: only posts to a webhook are signed",
        ),
        (
            "upstream: {secret: hunter2hunter2hunter2}",
            "upstream.secret: there is no url to post to",
        ),
        (
            "upstream: {events: [connected]}",
            "upstream.events: there is no url to tell them to",
        ),
        (
            "upstream: {url: 'amqp://h', events: [connected, read]}",
            "upstream.events[1]: \"read\" is unknown; allowed: connected, disconnected, delivered, stored",
        ),
        (
            "upstream: {url: 'amqp://h', events: [stored, stored]}",
            "upstream.events[1]: stored is there already",
        ),
        (
            "upstream: {url: 'amqp://h', events: connected}",
            "upstream.events: ",
        ),
        (
            "upstream: {url: 'amqp://h', timeout: 1ms}",
            "upstream.timeout: 1ms is out of range",
        ),
        ("upstream: {url: 'amqp://h', urlFile: absent}", "upstream.urlFile"),
        ("upstream: {urlFile: absent}", "upstream.urlFile: cannot read"),
        ("upstream: {uri: 'amqp://h'}", "upstream.uri: unknown key"),
        ("node: {domain: _linker_upstream}", "node.domain: "),
    ] {
        let lines = Start::with(&format!("{APP}{text}")).mistakes();
        assert!(lines[0].contains(expected), "{text}: {lines:?}");
        assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    }
}

#[test]
fn no_app_has_the_name_that_stands_for_the_application() {
    let lines = Start::with("clientApps: [{appName: _linker_upstream, appId: a}]").mistakes();
    assert!(
        lines[0].contains("clientApps[0].appName: \"_linker_upstream\" is Linker's own"),
        "{lines:?}"
    );
}
