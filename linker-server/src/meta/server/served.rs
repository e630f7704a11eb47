//! One version of the document, as it goes out: all answers are made once.

use std::collections::BTreeMap;

use actix_web::web::Bytes;
use linker_actors::core::id::DomainName;
use linker_actors::core::network::Topology;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::meta::document::Sound;

/// Bytes of the hash that an etag shows: enough that two versions never have the same.
const ETAG_BYTES: usize = 16;

/// What is served of one version. Equal content has equal etags, however its YAML was laid out.
pub(super) struct Served {
    /// Of `/meta`; without quotes.
    pub(super) etag: String,
    /// `/meta`: the whole document, as nodes read it.
    pub(super) meta: Bytes,
    /// `/clientApps`: the list of that name.
    pub(super) client_apps: Bytes,
    /// `/domains`: the list of that name.
    pub(super) domains: Bytes,
    /// `/domains/links`: the list `domainLinks`.
    pub(super) links: Bytes,
    /// `/domains/graph`: for each domain its neighbours, by name.
    pub(super) graph: Bytes,
}

impl Served {
    pub(super) fn new(sound: &Sound) -> serde_json::Result<Self> {
        let mut document = sound.document.clone();
        // Where the meta server listens is no news to who has reached it.
        document.server = None;
        let meta = json(&document)?;
        Ok(Self {
            etag: etag(&meta),
            client_apps: json(&document.client_apps)?,
            domains: json(&document.domains)?,
            links: json(&document.domain_links)?,
            graph: json(&graph(&sound.network.topology))?,
            meta,
        })
    }
}

fn graph(topology: &Topology) -> BTreeMap<&str, Vec<&str>> {
    let neighbours = |name: &DomainName| topology.neighbours(name).into_iter().map(DomainName::as_str);
    let domains = topology.domains().iter();
    domains
        .map(|domain| (domain.name.as_str(), neighbours(&domain.name).collect()))
        .collect()
}

fn json(value: &impl Serialize) -> serde_json::Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from)
}

fn etag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let shown = digest.iter().take(ETAG_BYTES);
    shown.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::meta::document::judge;

    fn served(text: &str) -> Served {
        let sound = judge(Path::new("meta.yml"), text.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong}"));
        Served::new(&sound).unwrap()
    }

    #[test]
    fn an_etag_is_of_the_content_and_not_of_its_layout() {
        let block = served("server: {port: 1}\ndomains:\n  - name: a\n    urls:\n      - ws://h:1\n");
        let flow = served("# as before\ndomains: [{urls: ['ws://h:1'], name: a}]");
        let other = served("domains: [{urls: ['ws://h:2'], name: a}]");
        assert_eq!(block.etag, flow.etag);
        assert_ne!(block.etag, other.etag);
    }

    #[test]
    fn the_graph_names_the_neighbours_of_every_domain() {
        let ring = served(
            "domains: [{name: c}, {name: b}, {name: a}, {name: z}]\ndomainLinks: [{n1: c, n2: a}, {n1: a, n2: b, weight: 3}]",
        );
        let expected = r#"{"a":["b","c"],"b":["a"],"c":["a"],"z":[]}"#;
        assert_eq!(ring.graph, expected);
        assert_eq!(
            ring.links,
            r#"[{"n1":"c","n2":"a"},{"n1":"a","n2":"b","weight":3}]"#
        );
    }
}
