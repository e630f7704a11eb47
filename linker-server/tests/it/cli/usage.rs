//! Wrong usage and wrong configuration end with exit code 2.

use crate::harness::{NodeConfig, run};

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    for args in [
        &["frobnicate"][..],
        &["serve", "--no-such-flag"],
        &["serve", "--config"],
        &["check"],
        &["migrate", "surplus"],
    ] {
        let finished = run(args).await;
        assert_eq!(finished.code, 2, "{args:?}: {}", finished.said());
        assert!(!finished.stderr.is_empty(), "{args:?} says nothing");
        assert!(finished.stdout.is_empty(), "{args:?}: {}", finished.stdout);
    }
}

#[tokio::test]
async fn help_and_version_end_with_0() {
    let help = run(&["--help"]).await;
    assert_eq!(help.code, 0);
    for word in ["serve", "check", "migrate", "--config"] {
        help.line_with(&[word]);
    }
    let version = run(&["--version"]).await;
    assert_eq!(version.code, 0);
    version.line_with(&["linker-server"]);
}

#[tokio::test]
async fn serve_with_mistakes_in_its_file_lists_them_all_and_ends_with_2() {
    let config = NodeConfig::new()
        .set("limits.maxFrameByte", 5)
        .set("limits.authTimeout", "banana")
        .set("heartbeat.interval", "soon");
    let file = config.save();
    for args in [
        &["serve", "--config", file.to_str().unwrap()][..],
        &["--config", file.to_str().unwrap()],
    ] {
        let finished = run(args).await;
        assert_eq!(finished.code, 2, "{}", finished.said());
        assert!(finished.stdout.is_empty(), "no ready line: {}", finished.stdout);
        for key in ["limits.maxFrameByte", "limits.authTimeout", "heartbeat.interval"] {
            finished.line_with(&["linker.yml", key]);
        }
    }
    assert!(!config.data_dir().exists(), "nothing was touched");
}

#[tokio::test]
async fn a_configuration_file_that_is_not_there_ends_with_2() {
    for command in ["serve", "migrate"] {
        let finished = run(&[command, "--config", "/no/such/linker.yml"]).await;
        assert_eq!(finished.code, 2, "{command}: {}", finished.said());
        finished.line_with(&["/no/such/linker.yml"]);
    }
}

#[tokio::test]
async fn a_domain_that_the_meta_document_does_not_know_ends_with_2() {
    let config = NodeConfig::new().without("clientApps");
    let meta = config.write(
        "meta.yml",
        "{domains: [{name: domain-01, urls: ['ws://a:1']}], clientApps: [{appName: A, appId: one}]}",
    );
    let config = config
        .set("meta.file", meta.to_str().unwrap())
        .set("node.domain", "domain-77");
    let finished = run(&["serve", "--config", config.save().to_str().unwrap()]).await;
    assert_eq!(finished.code, 2, "{}", finished.said());
    finished.line_with(&["node.domain", "domain-77"]);
}
