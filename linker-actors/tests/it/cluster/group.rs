//! Groups whose members are on several nodes.

use std::collections::BTreeSet;

use serde_json::json;

use super::Domain;
use crate::harness::{Client, Frame, group, with};

async fn members(domain: &Domain, nodes: &[&super::Member]) -> Vec<Client> {
    let mut members = Vec::new();
    for n in 0..30 {
        members.push(Client::login(nodes[n % nodes.len()], &format!("ANZ-{n}")).await);
    }
    let _ = domain;
    members
}

#[tokio::test]
async fn each_member_on_any_node_gets_a_group_message_once_the_sender_among_them() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let c = domain.node("c").await;
    let mut members = members(&domain, &[&a, &b, &c]).await;
    let names: Vec<String> = (0..30).map(|n| format!("ANZ-{n}")).collect();
    let mut to: Vec<&str> = names.iter().map(String::as_str).collect();
    to.extend(["ANZ-3", "ANZ-77"]);
    for round in 0..20 {
        members[1].send(group(&to, round));
        members[1].send(with(group(&to, format!("fast {round}")), "feature", "FAST"));
    }
    for member in &mut members {
        let mut reliable = Vec::new();
        let mut quick = Vec::new();
        while reliable.len() + quick.len() < 40 {
            let frame = member.expect("MESSAGE").await;
            assert_eq!(frame["data"]["from"], "ANZ-1");
            let content = frame["data"]["content"].clone();
            match frame["feature"] == "FAST" {
                true => quick.push(content),
                false => reliable.push(content),
            }
        }
        assert_eq!(reliable, (0..20).map(|n| json!(n)).collect::<Vec<_>>());
        assert_eq!(
            quick,
            (0..20).map(|n| json!(format!("fast {n}"))).collect::<Vec<_>>()
        );
    }
    for member in &mut members {
        member.expect_quiet().await;
    }
    domain.await_missing(&c, "ANZ-77", 20).await;
    let mut late = Client::login(&b, "ANZ-77").await;
    let (page, left) = late.fetch(100).await;
    assert_eq!((page.len(), left), (20, 0));
    let ids: BTreeSet<&str> = page.iter().map(Frame::id).collect();
    assert_eq!(ids.len(), 20);
}
