//! docker-compose.yml, docker-compose.domains.yml and what they mount: nothing in them that the binary, or another file of the repository, does not know.

mod domains;
mod kubernetes;
mod monitoring;
mod systemd;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::harness::{Node, run_with};

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Service {
    image: Option<String>,
    build: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    depends_on: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    ports: Vec<String>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Deserialize)]
struct Healthcheck {
    test: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text_of(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// One domain of two nodes.
const ONE_DOMAIN: &str = "docker-compose.yml";
/// Four domains.
const DOMAINS: &str = "docker-compose.domains.yml";

fn compose(file: &str) -> Compose {
    serde_saphyr::from_str(&text_of(file)).unwrap()
}

/// `${NAME:-default}` replaced by the default, as where nothing is set.
fn with_defaults(text: &str) -> String {
    let mut pieces = text.split("${");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (variable, rest) = piece.split_once('}').unwrap();
        let (_, default) = variable.split_once(":-").expect("each variable has a default");
        whole += default;
        whole += rest;
    }
    whole
}

impl Service {
    fn is_node(&self) -> bool {
        self.environment.contains_key("LINKER__NODE__NAME")
    }

    fn setting(&self, name: &str) -> String {
        with_defaults(&self.environment[name])
    }
}

/// The nodes, by the names of their services.
fn nodes(compose: &Compose) -> Vec<(&str, &Service)> {
    let services = compose.services.iter();
    let nodes: Vec<(&str, &Service)> = services
        .filter(|(_, service)| service.is_node())
        .map(|(name, service)| (name.as_str(), service))
        .collect();
    assert!(nodes.len() > 1);
    nodes
}

#[tokio::test]
async fn the_binary_accepts_all_settings_of_both_nodes() {
    let file = root().join("deploy/linker.yml");
    for (name, node) in nodes(&compose(ONE_DOMAIN)) {
        is_accepted(name, node, &file).await;
        assert_eq!(node.setting("LINKER__NODE__NAME"), name);
    }
}

/// The binary finds nothing wrong with the settings of a node.
async fn is_accepted(name: &str, node: &Service, file: &Path) {
    let variables = |command: &mut Command| {
        for setting in node.environment.keys() {
            command.env(setting, node.setting(setting));
        }
    };
    let finished = run_with(&["check", "--config", file.to_str().unwrap()], variables).await;
    assert_eq!(finished.code, 0, "{name}: {}", finished.said());
}

#[tokio::test]
async fn the_binary_accepts_the_settings_of_the_image() {
    let dockerfile = text_of("Dockerfile");
    let words = dockerfile.split_whitespace();
    let settings: Vec<(&str, &str)> = words
        .filter(|word| word.starts_with("LINKER__"))
        .filter_map(|word| word.split_once('='))
        .collect();
    assert_eq!(settings.len(), 3, "{settings:?}");
    let file = root().join("deploy/linker.yml");
    let check = ["check", "--config", file.to_str().unwrap()];
    let with_token = |command: &mut Command| {
        let settings = settings.iter().copied();
        command.envs(settings.chain([("LINKER__SERVER__ADMINTOKEN", "t0ken")]));
    };
    let finished = run_with(&check, with_token).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    // Without one the admin port is not opened to other machines.
    let without = |command: &mut Command| {
        command.envs(settings.iter().copied());
    };
    let finished = run_with(&check, without).await;
    assert_eq!(finished.code, 1);
    finished.line_with(&["adminToken", "missing"]);
}

#[test]
fn both_nodes_differ_in_nothing_but_their_names() {
    let compose = compose(ONE_DOMAIN);
    let mut settings = nodes(&compose).into_iter().map(|(_, node)| {
        let mut environment = node.environment.clone();
        environment.remove("LINKER__NODE__NAME");
        environment
    });
    let first = settings.next();
    assert!(settings.all(|other| Some(&other) == first.as_ref()));
}

#[test]
fn what_services_refer_to_is_there() {
    for file in [ONE_DOMAIN, DOMAINS] {
        refers_to_what_is_there(&compose(file));
    }
}

fn refers_to_what_is_there(compose: &Compose) {
    for (name, service) in &compose.services {
        for (other, condition) in &service.depends_on {
            let other = compose.services.get(other).expect(name);
            assert_eq!(condition["condition"], "service_healthy", "{name}");
            assert!(other.healthcheck.is_some() || other.build.is_some(), "{name}");
        }
        for volume in &service.volumes {
            let (source, _) = volume.split_once(':').unwrap();
            let there = match source.strip_prefix("./") {
                Some(file) => root().join(file).exists(),
                None => compose.volumes.contains_key(source),
            };
            assert!(there, "{name}: {volume}");
        }
        if let Some(healthcheck) = &service.healthcheck {
            assert!(
                ["CMD", "CMD-SHELL"].contains(&healthcheck.test[0].as_str()),
                "{name}"
            );
        }
    }
    for (name, node) in nodes(compose) {
        for setting in ["LINKER__PRESENCE__URL", "LINKER__BUS__URL", "LINKER__STORE__URL"] {
            let url = node.setting(setting);
            let (_, place) = url.rsplit_once('@').unwrap();
            let (host, _) = place.split_once(':').unwrap();
            assert!(
                compose.services.contains_key(host),
                "{name}: {setting} leads to {host}"
            );
            assert!(node.depends_on.contains_key(host), "{name} waits for {host}");
        }
    }
}

#[test]
fn images_are_built_here_or_pinned_to_a_version() {
    let pinned = |image: &str| {
        let version = image
            .split_once(':')
            .map(|(_, tag)| tag.split('-').next().unwrap_or_default());
        version.is_some_and(|version| {
            let numbers: Vec<&str> = version.split('.').collect();
            numbers.len() > 1 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
        })
    };
    let services = [ONE_DOMAIN, DOMAINS].map(|file| compose(file).services);
    for (name, service) in services.iter().flatten() {
        match (&service.image, &service.build) {
            (Some(image), None) => assert!(pinned(image), "{name}: {image}"),
            (None, Some(_)) => {}
            _ => panic!("{name} needs an image or a build"),
        }
    }
    let dockerfile = text_of("Dockerfile");
    let mut bases = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM "));
    assert!(bases.all(|base| pinned(base.split(' ').next().unwrap_or_default())));
}

#[test]
fn the_balancer_knows_each_node_and_its_ports() {
    let port_of = |address: String| address.rsplit_once(':').unwrap().1.to_owned();
    let configuration = text_of("deploy/haproxy.cfg");
    let lines: Vec<Vec<&str>> = configuration
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let servers: Vec<&Vec<&str>> = lines
        .iter()
        .filter(|line| line.first() == Some(&"server"))
        .collect();
    let compose = compose(ONE_DOMAIN);
    let nodes = nodes(&compose);
    assert_eq!(servers.len(), nodes.len());
    for ((name, node), server) in nodes.into_iter().zip(servers) {
        let port = port_of(node.setting("LINKER__SERVER__BIND"));
        assert_eq!(**server, ["server", name, &format!("{name}:{port}")]);
        let admin_port = port_of(node.setting("LINKER__SERVER__ADMINBIND"));
        let checked = format!("check port {admin_port} ");
        assert!(configuration.contains(&checked), "no {checked}");
    }
}

/// Whether the image's health check finds the node on that port healthy.
fn is_ready(port: u16) -> bool {
    health_check(&[&port.to_string()])
}

/// Whether it finds that path there.
fn answers(port: u16, path: &str) -> bool {
    health_check(&[&port.to_string(), path])
}

fn health_check(arguments: &[&str]) -> bool {
    let mut check = Command::new("bash");
    check
        .arg(root().join("deploy/ready.sh"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    check.status().unwrap().success()
}

#[tokio::test]
async fn the_images_health_check_tells_a_ready_node_from_others() {
    let mut node = Node::start().await;
    let (admin, ws) = (node.admin.port(), node.ws.port());
    assert!(is_ready(admin));
    assert!(answers(admin, "/health/live") && !answers(admin, "/nothing"));
    assert!(!is_ready(ws), "there is no health on the clients' port");
    node.kill9();
    assert!(!is_ready(admin), "nobody is there");
}
