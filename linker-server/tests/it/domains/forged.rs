//! What a hostile neighbour publishes to a domain's ingress.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use linker_core::bus::{BatchWriter, BusFrame};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::network::LinkState;

use crate::harness::{Api, Client, MASTER, Network, Node, WAIT, eventually, message, reaches, user_of};

/// Publishes as a node of a neighbour does.
async fn publish(network: &Network, to: usize, key: &str, frames: &[BusFrame]) {
    let forger = NodeInstance {
        name: "forger".parse().unwrap(),
        incarnation: 1,
    };
    let mut writer = BatchWriter::new(&forger);
    for frame in frames {
        writer.push(frame);
    }
    let url = &network.domains[to].urls.bus;
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let exchange = format!("linker.{}.ingress", network.name(to));
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let confirm = channel
        .basic_publish(
            exchange.as_str().into(),
            key.into(),
            mandatory,
            &writer.take(),
            BasicProperties::default(),
        )
        .await
        .unwrap();
    let confirmation = confirm.await.unwrap();
    assert!(
        matches!(confirmation, lapin::Confirmation::Ack(None)),
        "{confirmation:?}"
    );
    connection.close(200, "done".into()).await.unwrap();
}

/// Whether a node believes that this link, of any domain, can be used.
async fn is_up(node: &Node, from: &str, to: &str) -> bool {
    let domains = Api::of(node).get("/api/v1/domains").await.json();
    let domains = domains.as_array().unwrap();
    let of = domains.iter().find(|domain| domain["name"] == from).unwrap();
    let links = of["links"].as_array().unwrap();
    links.iter().find(|link| link["to"] == to).unwrap()["state"] == "up"
}

async fn await_state(node: &Node, from: &str, to: &str, up: bool) {
    // Below the 35 s after which a word that nobody renews is forgotten.
    let what = format!("{from} - {to} is up: {up}");
    eventually(&what, Duration::from_secs(20), async || {
        (is_up(node, from, to).await == up).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_number_leaves_a_domain_without_words() {
    let network = Network::line(3).await;
    let nodes = network.start_all().await;
    let [zero, one, two] = [0, 1, 2].map(|domain| network.name(domain).parse::<DomainName>().unwrap());
    await_state(&nodes[0], one.as_str(), two.as_str(), true).await;
    let states = [(&zero, &one), (&one, &two), (&two, &one)].map(|(domain, down)| LinkState {
        domain: domain.clone(),
        number: u64::MAX,
        age_ms: 0,
        down: vec![down.clone()],
    });
    let frame = BusFrame::LinkStates {
        from: zero.clone(),
        states: states.to_vec(),
    };
    for domain in 0..3 {
        publish(&network, domain, "s", std::slice::from_ref(&frame)).await;
    }
    eventually("all have heard it", WAIT, async || {
        let told = |node: &Node| node.log().contains("from years ahead");
        nodes.iter().all(told).then_some(())
    })
    .await;
    // What the domains say is believed still, and soon.
    network.cut(1, 2);
    await_state(&nodes[0], one.as_str(), two.as_str(), false).await;
    network.heal(1, 2);
    await_state(&nodes[0], one.as_str(), two.as_str(), true).await;
    let (near, far) = (user_of(0, 1), user_of(2, 1));
    let mut sender = Client::login(&nodes[0], &near).await;
    let mut reader = Client::login(&nodes[2], &far).await;
    reaches(&mut sender, &mut reader, &far, "after").await;
}

#[tokio::test]
async fn a_neighbour_closes_nobody_for_a_master_who_lives_here_and_makes_up_no_event() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    // The masters live in the first domain.
    let mut master = Client::login(&nodes[0], MASTER).await;
    let mut user = Client::login(&nodes[0], &user_of(0, 5)).await;
    master.expect("USER_CONNECTED").await;
    let id = |text: &str| text.parse::<UserId>().unwrap();
    let forger: DomainName = network.name(1).parse().unwrap();
    let close = BusFrame::CloseAway {
        user: id(&user_of(0, 5)),
        master: id(MASTER),
        reference: None,
        path: vec![forger],
    };
    let event = BusFrame::Deliver {
        ticket: None,
        envelope: Arc::new(Envelope {
            id: MessageId::from_bytes([7; 16]),
            kind: Kind::UserConnected,
            feature: Feature::Reliable,
            from: id("XYZ-1000005"),
            to: id(MASTER),
            reference: None,
            confirm: false,
            timestamp_ms: 1,
            content: Default::default(),
            trail: None,
        }),
    };
    publish(&network, 0, "f.0", &[close]).await;
    publish(&network, 0, "r.0", &[event]).await;
    eventually("the event is set aside", WAIT, async || {
        let metrics = nodes[0].metrics().await;
        (metrics.sum("linker_bus_undecodable_total", &[]) == Some(1.0)).then_some(())
    })
    .await;
    user.send(message(MASTER, "still here"));
    assert_eq!(master.expect("MESSAGE").await["data"]["content"], "still here");
    user.expect_quiet().await;
    master.expect_quiet().await;
}
