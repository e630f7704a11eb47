//! docker-compose.domains.yml: the files of deploy/domains tell of the same domains, links, accounts and databases.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Compose, DOMAINS, Service, compose, is_accepted, nodes, root, text_of};
use crate::harness::MetaServer;

#[derive(Deserialize)]
struct Accounts {
    vhosts: Vec<BTreeMap<String, String>>,
    users: Vec<Value>,
    permissions: Vec<Permission>,
}

#[derive(Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    vhost: String,
    user: String,
    configure: String,
    write: String,
    read: String,
}

/// The document that the meta server gives the nodes.
async fn document() -> Value {
    let meta = MetaServer::start(text_of("deploy/domains/meta/meta.yml")).await;
    meta.get("/meta").await.json()
}

/// The directions of links: from, to.
fn links(document: &Value) -> BTreeSet<(String, String)> {
    let links = document["domainLinks"].as_array().unwrap().iter();
    let name = |name: &Value| name.as_str().unwrap().to_owned();
    links
        .map(|link| (name(&link["n1"]), name(&link["n2"])))
        .flat_map(|(a, b)| [(a.clone(), b.clone()), (b, a)])
        .collect()
}

/// By the domains that the nodes name.
fn domains(compose: &Compose) -> Vec<(&str, &Service)> {
    let domains = nodes(compose);
    assert_eq!(domains.len(), 4);
    for (name, node) in &domains {
        assert_eq!(node.setting("LINKER__NODE__DOMAIN"), *name);
    }
    domains
}

#[tokio::test]
async fn the_binary_accepts_all_settings_of_each_domain() {
    for (name, node) in domains(&compose(DOMAINS)) {
        is_accepted(name, node, &root().join("deploy/domains/linker.yml")).await;
    }
}

#[tokio::test]
async fn each_domain_has_the_links_of_the_meta_document_by_its_own_account() {
    let mut found = BTreeSet::new();
    for (name, node) in domains(&compose(DOMAINS)) {
        for setting in node.environment.keys() {
            let Some(link) = setting.strip_prefix("LINKER__LINKS__") else {
                continue;
            };
            let neighbour = link.strip_suffix("__URL").unwrap();
            let url = node.setting(setting);
            assert_eq!(url, format!("amqp://{name}:linker@rabbitmq:5672/{neighbour}"));
            found.insert((name.to_owned(), neighbour.to_owned()));
        }
        let own = format!("amqp://{name}:linker@rabbitmq:5672/{name}");
        assert_eq!(node.setting("LINKER__BUS__URL"), own);
    }
    assert_eq!(found, links(&document().await));
}

#[tokio::test]
async fn a_neighbour_may_publish_to_the_ingress_and_nothing_else() {
    let accounts: Accounts = serde_json::from_str(&text_of("deploy/domains/rabbitmq.json")).unwrap();
    let compose = compose(DOMAINS);
    let names: Vec<&str> = domains(&compose).into_iter().map(|(name, _)| name).collect();
    let vhosts: Vec<&str> = accounts
        .vhosts
        .iter()
        .map(|vhost| vhost["name"].as_str())
        .collect();
    assert_eq!(vhosts, names);
    let users: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "password": "linker", "tags": []}))
        .collect();
    assert_eq!(accounts.users, users);
    let permission = |vhost: &str, user: &str, [configure, write, read]: [&str; 3]| Permission {
        vhost: vhost.into(),
        user: user.into(),
        configure: configure.into(),
        write: write.into(),
        read: read.into(),
    };
    // As docs/OPERATIONS.md says.
    let own = names.iter().map(|name| {
        permission(
            name,
            name,
            [r"^linker\.", r"^(amq\.default$|linker\.)", r"^linker\."],
        )
    });
    let links = links(&document().await);
    let of_neighbours = links
        .iter()
        .map(|(from, to)| permission(to, from, ["^$", &format!(r"^linker\.{to}\.ingress$"), "^$"]));
    let wanted: BTreeSet<Permission> = own.chain(of_neighbours).collect();
    assert_eq!(
        accounts.permissions.iter().cloned().collect::<BTreeSet<_>>(),
        wanted
    );
    assert_eq!(accounts.permissions.len(), wanted.len());
}

#[tokio::test]
async fn users_are_sent_to_the_port_of_their_domain() {
    let document = document().await;
    let compose = compose(DOMAINS);
    for (domain, (name, node)) in document["domains"]
        .as_array()
        .unwrap()
        .iter()
        .zip(domains(&compose))
    {
        assert_eq!(domain["name"], name);
        let (_, port) = domain["urls"][0].as_str().unwrap().rsplit_once(':').unwrap();
        assert_eq!(node.ports[0], format!("{port}:8088"));
        let public_url = format!("ws://localhost:{port}/ws");
        assert_eq!(node.setting("LINKER__SERVER__PUBLICURL"), public_url);
    }
}

#[test]
fn each_domain_has_a_database_of_its_own() {
    let script = text_of("deploy/domains/postgres.sh");
    let compose = compose(DOMAINS);
    let domains = domains(&compose);
    let names: Vec<&str> = domains.iter().map(|(name, _)| *name).collect();
    assert!(script.contains(&format!("for domain in {}; do", names.join(" "))));
    for (name, node) in domains {
        let url = format!("postgres://{name}:linker@postgres:5432/{name}");
        assert_eq!(node.setting("LINKER__STORE__URL"), url);
    }
    let password = compose.services["postgres"].setting("LINKER_PASSWORD");
    assert_eq!(password, "linker");
}

#[test]
fn nodes_ask_the_meta_server_where_it_is() {
    let compose = compose(DOMAINS);
    let meta = &compose.services["meta"];
    assert!(text_of("deploy/domains/linker.yml").contains("http://meta:9000"));
    assert!(text_of(DOMAINS).contains(r#""--bind", "0.0.0.0:9000"]"#));
    let check = &meta.healthcheck.as_ref().unwrap().test;
    assert_eq!(check[1..], ["linker-ready", "9000", "/health/live"]);
    for (name, node) in domains(&compose) {
        assert!(node.depends_on.contains_key("meta"), "{name}");
    }
}
