//! The meta document: the seed's is correct, and each mistake in one is told.

use crate::harness::{EC_PUBLIC, Finished, run};

/// The seed's sample, with the indentation that its page lost.
pub(crate) const SEED: &str = "
spring:
  profiles: development
server:
  port: 9000
domains:
  - name: domain-01
    urls:
      - tcp://192.168.56.1:9089
      - ws://192.168.56.1:8088
  - name: domain-02
    urls:
      - tcp://192.168.56.2:9089
      - ws://192.168.56.2:8088
  - name: domain-03
    urls:
      - tcp://192.168.56.3:9089
      - ws://192.168.56.3:8088
  - name: domain-04
    urls:
      - tcp://192.168.56.4:9089
      - ws://192.168.56.4:8088
domainLinks:
  - n1: domain-01
    n2: domain-02
  - n1: domain-02
    n2: domain-03
  - n1: domain-03
    n2: domain-04
  - n1: domain-01
    n2: domain-04
clientApps:
  - appName: domain1
    appId: domain1
    masterUserId: domain1-1
    authEnabled: false
  - appName: ANZ
    appId: app-id-343
    masterUserId: ANZ-123223
    authUrl: http://localhost:4200/auth
    authEnabled: false
userDistributions:
  - domainName: domain-01
    from: 0
    to: 999999
  - domainName: domain-02
    from: 1000000
    to: 2999999
  - domainName: domain-03
    from: 3000000
    to: 5999999
  - domainName: domain-04
    from: 6000000
";

/// Checks a node of `domain-01` with this document.
async fn check(document: &str, more: &str) -> Finished {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("meta.yml"), document).unwrap();
    let file = home.path().join("linker.yml");
    let meta = home.path().join("meta.yml");
    std::fs::write(&file, format!("meta: {{file: '{}'}}\n{more}", meta.display())).unwrap();
    run(&["check", "--config", file.to_str().unwrap()]).await
}

async fn assert_mistake(document: &str, words: &[&str]) {
    let finished = check(document, "").await;
    assert_eq!(finished.code, 1, "{document}\n{}", finished.said());
    let mut wanted = vec!["meta.yml"];
    wanted.extend(words);
    finished.line_with(&wanted);
}

#[tokio::test]
async fn the_seeds_document_is_correct() {
    let finished = check(SEED, "").await;
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[tokio::test]
async fn a_tcp_url_is_accepted_with_a_warning() {
    let finished = check(SEED, "").await;
    finished.line_with(&["warning", "meta.yml", "domains[0].urls[0]", "tcp"]);
    finished.line_with(&["warning", "meta.yml", "domains[3].urls[0]", "tcp"]);
}

#[tokio::test]
async fn domains_must_be_known_and_named_once() {
    let domains = "domains: [{name: domain-01, urls: ['ws://a:1']}, {name: domain-02, urls: ['ws://b:1']}]\n";
    for (rest, words) in [
        (
            "domainLinks: [{n1: domain-01, n2: domain-09}]",
            &["domainLinks", "domain-09"],
        ),
        (
            "userDistributions: [{domainName: domain-09, from: 0, to: 9}]",
            &["userDistributions", "domain-09"],
        ),
    ] {
        assert_mistake(&format!("{domains}{rest}\n"), words).await;
    }
    let twice = "domains: [{name: domain-01, urls: ['ws://a:1']}, {name: domain-01, urls: ['ws://b:1']}]\n";
    assert_mistake(twice, &["domains", "domain-01"]).await;
}

#[tokio::test]
async fn ranges_must_not_overlap() {
    let domains = "domains: [{name: domain-01, urls: ['ws://a:1']}, {name: domain-02, urls: ['ws://b:1']}]\n";
    for ranges in [
        "[{domainName: domain-01, from: 0, to: 100}, {domainName: domain-02, from: 100, to: 200}]",
        "[{domainName: domain-01, from: 0}, {domainName: domain-02, from: 100, to: 200}]",
        "[{domainName: domain-01, from: 10, to: 5}]",
    ] {
        assert_mistake(
            &format!("{domains}userDistributions: {ranges}\n"),
            &["userDistributions"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_gap_between_ranges_is_a_warning() {
    let document = "
domains: [{name: domain-01, urls: ['ws://a:1']}]
clientApps: [{appName: ANZ, appId: one}]
userDistributions: [{domainName: domain-01, from: 0, to: 9}, {domainName: domain-01, from: 20, to: 29}]
";
    let finished = check(document, "").await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    finished.line_with(&["warning", "meta.yml", "userDistributions"]);
}

#[tokio::test]
async fn a_node_that_nobody_could_log_in_to_is_a_mistake() {
    assert_mistake(
        "domains: [{name: domain-01, urls: ['ws://a:1']}]\n",
        &["clientApps"],
    )
    .await;
}

#[tokio::test]
async fn apps_must_be_unique_and_their_masters_their_own() {
    for apps in [
        "[{appName: A, appId: one}, {appName: A, appId: two}]",
        "[{appName: A, appId: one}, {appName: B, appId: one}]",
        "[{appName: A, appId: one, masterUserId: B-1}]",
    ] {
        let document = format!("domains: [{{name: domain-01, urls: ['ws://a:1']}}]\nclientApps: {apps}\n");
        assert_mistake(&document, &["clientApps"]).await;
    }
}

#[tokio::test]
async fn what_tokens_have_to_say_is_checked() {
    let document = |claims: &str| {
        format!(
            "
domains: [{{name: domain-01, urls: ['ws://a:1']}}]
clientApps:
  - appName: ANZ
    appId: one
    jwt:
      algorithm: ES256
      publicKey: {EC_PUBLIC:?}
{claims}"
        )
    };
    let sound = document("      audience:\n        - chat\n        - mail\n      issuer: https://id\n");
    let finished = check(&sound, "").await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    for (claims, words) in [
        ("      audience: []\n", &["clientApps[0].jwt.audience", "allowed"]),
        ("      issuer: ''\n", &["clientApps[0].jwt.issuer", "allowed"]),
        ("      audiences: chat\n", &["audiences", "audience, issuer"]),
    ] {
        assert_mistake(&document(claims), words).await;
    }
    // Whoever writes the key means a check.
    for claims in ["      audience:\n", "      issuer:\n", "      audience: {a: b}\n"] {
        assert_mistake(&document(claims), &[]).await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_a_mistake_of_the_document_for_each_app() {
    let jwt = |file: &str| format!("jwt: {{algorithm: ES256, keyFile: /no/such/{file}}}");
    let document = format!(
        "domains: [{{name: domain-01, urls: ['ws://a:1']}}]\nclientApps:\n  - {{appName: A, appId: i, {}}}\n  - {{appName: B, appId: j, {}}}\n",
        jwt("one"),
        jwt("two")
    );
    assert_mistake(&document, &["clientApps[0]", "/no/such/one", "allowed:"]).await;
    assert_mistake(&document, &["clientApps[1]", "/no/such/two", "allowed:"]).await;
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_told_with_its_key() {
    for (document, key) in [
        (
            SEED.replace("to: 999999\n", "to: many\n"),
            "userDistributions[0].to",
        ),
        (
            SEED.replacen("authEnabled: false", "authEnabled: 7", 1),
            "clientApps[0].authEnabled",
        ),
        (format!("{SEED}domainLink: []\n"), "domainLink"),
    ] {
        assert_mistake(&document, &[key, "allowed:"]).await;
    }
}

#[tokio::test]
async fn a_document_holds_no_secrets() {
    let urls = "domains: [{name: domain-01, urls: ['amqp://user:pass@broker:5672', 'ws://a:1']}]\n";
    let finished = check(urls, "").await;
    assert_eq!(finished.code, 1);
    finished.line_with(&["meta.yml", "domains"]);
    assert!(
        !finished.said().contains("pass@"),
        "the secret is repeated: {}",
        finished.said()
    );
}

#[tokio::test]
async fn an_unknown_url_scheme_is_a_mistake() {
    assert_mistake("domains: [{name: domain-01, urls: ['ftp://a:1']}]\n", &["ftp"]).await;
}

#[tokio::test]
async fn apps_stand_in_the_document_or_in_the_nodes_file_not_in_both() {
    let finished = check(SEED, "clientApps: [{appName: A, appId: i}]\n").await;
    assert_eq!(finished.code, 1);
    finished.line_with(&["clientApps"]);
}

#[tokio::test]
async fn a_domain_that_the_document_does_not_know_is_a_mistake() {
    let finished = check(SEED, "node: {domain: domain-77}\n").await;
    assert_eq!(finished.code, 1);
    finished.line_with(&["node.domain", "domain-77"]);
}

#[tokio::test]
async fn a_document_that_is_not_there_is_a_mistake() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("linker.yml");
    std::fs::write(&file, "meta: {file: /no/such/meta.yml}\n").unwrap();
    let finished = run(&["check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(finished.code, 1);
    finished.line_with(&["meta.file", "/no/such/meta.yml"]);
}
