//! Users whose home becomes another domain while messages wait for them or are on their way.

use serde_json::json;

use crate::harness::{
    Client, Network, WAIT, auth, await_missing, eventually, referenced, references, references_of, user_of,
};

#[tokio::test]
async fn what_waits_for_a_user_who_moves_goes_along() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let moving = user_of(0, 500);
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    let references = references(30);
    sender.store_for(&moving, &references).await;
    network.meta.serve(network.document(&[(500, 500, 1)])).await;
    await_missing(&nodes[1], &moving, 30).await;
    let mut there = Client::login(&nodes[1], &moving).await;
    let (page, left) = there.fetch(100).await;
    assert_eq!(
        (references_of(&page), left),
        (references.iter().map(String::as_str).collect(), 0)
    );
    sender.expect_for_all("MESSAGE_CONFIRMATION", &references).await;
}

#[tokio::test]
async fn what_waits_for_a_link_goes_to_the_new_home() {
    let network = Network::new(3, &[(0, 1), (0, 2)]).await;
    let nodes = network.start_all().await;
    let moving = user_of(1, 500);
    let number = 1_000_500;
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    let references = references(30);
    sender.store_for(&moving, &references).await;
    network.meta.serve(network.document(&[(number, number, 2)])).await;
    await_missing(&nodes[2], &moving, 30).await;
    let mut there = Client::login(&nodes[2], &moving).await;
    let (page, _) = there.fetch(100).await;
    assert_eq!(page.len(), 30);
    // Home, to where it was sent from.
    network.meta.serve(network.document(&[(number, number, 0)])).await;
    let mut home = eventually("it can log in at its third home", WAIT, async || {
        let mut client = Client::try_connect(nodes[0].ws).await?;
        client.send(auth(&moving));
        let reply = client.next_or_closed().await?;
        (reply["data"]["isAuthenticated"] == true).then_some(client)
    })
    .await;
    sender.send(referenced(&moving, "x", "last"));
    sender.expect_for("MESSAGE_CONFIRMATION", "last").await;
    home.expect("MESSAGE").await;
}
