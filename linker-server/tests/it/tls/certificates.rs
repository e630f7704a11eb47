//! Certificates that change under a running node.

use crate::harness::{Client, Node, Pair, WAIT, eventually, eventually_telling};

use super::node;

/// Waits until who comes is shown this certificate.
async fn await_shown(node: &Node, pair: &Pair) -> Client {
    eventually_telling("the certificate is shown", WAIT, async || {
        Client::connect_trusting(node, pair).await
    })
    .await
}

#[tokio::test]
async fn a_new_pair_is_shown_to_who_comes_and_sessions_go_on() {
    let (node, former) = node().await;
    let mut old = Client::login(&node, "ANZ-1").await;
    let new = Pair::new();
    node.config.write_pair(&new);
    let mut user = await_shown(&node, &new).await;
    user.send(crate::harness::auth("ANZ-2"));
    user.expect("AUTH_CLIENT_REPLY").await;
    old.delivery_fence("ANZ-2", "r1").await;
    let distrusting = Client::connect_trusting(&node, &former).await;
    assert!(distrusting.err().is_some_and(|error| error.starts_with("TLS: ")));
    assert!(node.log().contains("server.tls"), "{}", node.log());
}

#[tokio::test]
async fn sighup_shows_it_at_once() {
    let (node, _) = node().await;
    let new = Pair::new();
    node.config.write_pair(&new);
    node.signal("HUP");
    await_shown(&node, &new).await;
}

#[tokio::test]
async fn half_a_pair_is_told_and_the_old_one_stays_until_the_other_half_comes() {
    let (node, old) = node().await;
    let new = Pair::new();
    node.config.write("cert.pem", &new.cert);
    eventually("it is refused", WAIT, async || {
        let log = node.log();
        let told = log.contains("the key is not the certificate's") && log.contains("the one in force stays");
        told.then_some(())
    })
    .await;
    assert!(Client::connect_trusting(&node, &old).await.is_ok());
    node.config.write("key.pem", &new.key);
    await_shown(&node, &new).await;
}

#[tokio::test]
async fn a_folder_that_is_turned_round_as_kubernetes_does_is_followed() {
    let (old, new) = (Pair::new(), Pair::new());
    let config = crate::harness::NodeConfig::new();
    let home = config.home().to_owned();
    for (folder, pair) in [("v1", &old), ("v2", &new)] {
        std::fs::create_dir(home.join(folder)).unwrap();
        config.write(&format!("{folder}/cert.pem"), &pair.cert);
        config.write(&format!("{folder}/key.pem"), &pair.key);
    }
    std::os::unix::fs::symlink("v1", home.join("data")).unwrap();
    let mut config = config
        .set("server.tls.cert", "data/cert.pem")
        .set("server.tls.key", "data/key.pem");
    config.tls = Some(old);
    let node = config.start().await;
    Client::login(&node, "ANZ-1").await;
    std::os::unix::fs::symlink("v2", home.join("turned")).unwrap();
    std::fs::rename(home.join("turned"), home.join("data")).unwrap();
    await_shown(&node, &new).await;
}
