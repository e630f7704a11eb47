use linker_actors::core::id::DomainName;

use super::{APP, Start, mistake};

fn url_of(start: &Start, domain: &str) -> Option<String> {
    let domain: DomainName = domain.parse().unwrap();
    let config = start.config();
    config.links.urls.get(&domain).map(|url| url.expose().to_owned())
}

#[test]
fn a_neighbours_broker_is_named_by_its_domain() {
    let start = Start::with(&format!(
        "{APP}links:\n  domain-02: {{url: 'amqp://joe:hunter2@b/v'}}\n  domain-03: {{urlFile: broker}}\n  domain-04: {{url: 'amqps://c'}}"
    ))
    .and_file("/etc/linker/broker", "amqp://jill:secret@d:5673/w\n");
    assert_eq!(
        url_of(&start, "domain-02").as_deref(),
        Some("amqp://joe:hunter2@b/v")
    );
    assert_eq!(
        url_of(&start, "domain-03").as_deref(),
        Some("amqp://jill:secret@d:5673/w")
    );
    assert_eq!(url_of(&start, "domain-04").as_deref(), Some("amqps://c"));
    assert!(!format!("{:?}", start.config()).contains("hunter2"));
}

#[test]
fn the_environment_wins_and_adds() {
    let file = format!("{APP}links: {{Domain02: {{url: 'amqp://file'}}}}");
    let start = Start::with(&file)
        .and_variable("LINKER__LINKS__DOMAIN02__URL", "amqp://variable")
        .and_variable("LINKER__LINKS__DOMAIN-03__URL", "amqp://another");
    assert_eq!(url_of(&start, "Domain02").as_deref(), Some("amqp://variable"));
    assert_eq!(url_of(&start, "domain-03").as_deref(), Some("amqp://another"));
    let whole = Start::with(&file).and_variable("LINKER__LINKS", "{domain-04: {url: 'amqp://whole'}}");
    assert_eq!(url_of(&whole, "domain-04").as_deref(), Some("amqp://whole"));
    assert_eq!(url_of(&whole, "Domain02").as_deref(), Some("amqp://file"));
}

#[test]
fn what_is_wrong_with_a_link_is_told_by_its_key() {
    for (text, expected) in [
        (
            "links: {d: {url: 'redis://:hunter2@r'}}",
            "links.d.url: an unknown kind of url",
        ),
        (
            "links: {d: {url: 'amqp://joe:hunter2@/v'}}",
            "links.d.url: the url has no host",
        ),
        ("links: {d: {}}", "links.d.url: missing"),
        ("links: {d: }", "links.d.url: missing"),
        (
            "links: {'a b': {url: 'amqp://h'}}",
            "links.a b: a node or domain name is 1 to 128 of",
        ),
        (
            "links: {d: amqp}",
            "links.d: a single value where keys are expected",
        ),
        ("links: [d]", "links: a list where keys are expected"),
        (
            "links: {d: {uri: x, url: 'amqp://h'}}",
            "links.d.uri: unknown key",
        ),
        ("links: {d: {urlFile: absent}}", "links.d.urlFile:"),
    ] {
        let line = mistake(text);
        assert!(line.contains(expected), "{text}: {line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}
