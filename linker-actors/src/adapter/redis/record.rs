//! What a heartbeat says: the run, its life, and its record as JSON, to which a newer version may add.

use std::collections::BTreeMap;

use linker_core::id::{DomainName, NodeInstance, NodeName};
use linker_core::port::{NodeRecord, NodeState};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    since: u64,
    version: String,
    url: String,
    draining: bool,
    weight: u32,
    sessions: u64,
    links_down: Vec<DomainName>,
    settings: BTreeMap<String, String>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            since: 0,
            version: String::new(),
            url: String::new(),
            draining: false,
            // Of a version that knew none.
            weight: 1,
            sessions: 0,
            links_down: Vec::new(),
            settings: BTreeMap::new(),
        }
    }
}

pub(super) fn write(record: &NodeRecord) -> String {
    let written = Written {
        since: record.since_ms,
        version: record.version.clone(),
        url: record.url.clone(),
        draining: record.state == NodeState::Draining,
        weight: record.weight,
        sessions: record.sessions,
        links_down: record.links_down.clone(),
        settings: record.settings.clone(),
    };
    // Nothing in it can fail; and a node without a record still lives.
    serde_json::to_string(&written).unwrap_or_default()
}

/// Who beats under this name, and what it says of itself.
pub(super) fn read(name: &NodeName, heartbeat: &str) -> Option<NodeRecord> {
    let mut parts = heartbeat.splitn(3, ' ');
    let node = instance(name, parts.next()?)?;
    let record = parts.nth(1).unwrap_or_default();
    let written: Written = serde_json::from_str(record).unwrap_or_default();
    Some(NodeRecord {
        node,
        since_ms: written.since,
        version: written.version,
        url: written.url,
        state: if written.draining {
            NodeState::Draining
        } else {
            NodeState::Up
        },
        weight: written.weight,
        sessions: written.sessions,
        links_down: written.links_down,
        settings: written.settings,
    })
}

/// The run as the scripts know it.
pub(super) fn run(node: &NodeInstance) -> String {
    format!("{:016x}", node.incarnation)
}

pub(super) fn instance(name: &NodeName, run: &str) -> Option<NodeInstance> {
    Some(NodeInstance {
        name: name.clone(),
        incarnation: u64::from_str_radix(run, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use linker_core::id::NodeName;
    use linker_core::port::{NodeRecord, NodeState};

    use super::read;

    fn read_back(heartbeat: &str) -> NodeRecord {
        let name: NodeName = "a".parse().expect("a name");
        read(&name, heartbeat).expect("a heartbeat")
    }

    #[test]
    fn other_versions_are_understood() {
        let newer =
            r#"00000000000000ff 2 {"version":"9.0","draining":true,"mood":["good"],"url":"ws://a b"}"#;
        let record = read_back(newer);
        assert_eq!(record.node.to_string(), "a~00000000000000ff");
        assert_eq!(
            (record.version.as_str(), record.url.as_str()),
            ("9.0", "ws://a b")
        );
        assert_eq!(record.state, NodeState::Draining);
        for poor in ["00000000000000ff", "00000000000000ff 2 ", "00000000000000ff 2 {]"] {
            assert_eq!(read_back(poor).node.incarnation, 255);
        }
        let name: NodeName = "a".parse().expect("a name");
        assert_eq!(read(&name, "what is this"), None);
    }
}
