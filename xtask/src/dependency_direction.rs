//! The crates depend in one direction, and the core on no machinery: `linker-server → linker-actors → linker-core`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{announce, cargo, output_of};

/// Each crate of the product and those of them that it may use.
const DIRECTION: [(&str, &[&str]); 3] = [
    ("linker-core", &[]),
    ("linker-actors", &["linker-core"]),
    ("linker-server", &["linker-core", "linker-actors"]),
];

/// Families of crates that the core must not reach, not even through others: runtimes, sockets, clients of services.
const NOT_IN_CORE: [&str; 11] = [
    "actix",
    "async-std",
    "deadpool",
    "hyper",
    "lapin",
    "mio",
    "redis",
    "reqwest",
    "smol",
    "sqlx",
    "tokio",
];

/// Asks cargo who depends on whom and checks the direction.
///
/// # Errors
/// Every dependency that points the wrong way, with the way to it.
pub(crate) fn check() -> Result<()> {
    announce("the direction of dependencies");
    let answer =
        output_of(cargo().args(["metadata", "--format-version", "1", "--all-features", "--locked"]))?;
    let graph = Graph::read(&serde_json::from_str(&answer).context("cargo metadata is not JSON")?)?;
    let violations = graph.violations();
    if !violations.is_empty() {
        bail!(
            "dependencies in the wrong direction:\n  {}",
            violations.join("\n  ")
        );
    }
    let core = graph.reachable("linker-core").len();
    println!(
        "linker-server -> linker-actors -> linker-core, and of the core's {core} dependencies none is machinery"
    );
    Ok(())
}

/// Who depends on whom, by crate name (versions of one crate count as one).
struct Graph {
    /// What a crate is built from.
    builds_on: BTreeMap<String, BTreeSet<String>>,
    /// What its tests and examples use besides.
    tests_with: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        for package in array(&metadata["packages"], "packages")? {
            names.insert(text(&package["id"], "id")?, text(&package["name"], "name")?);
        }
        let name_of = |id: &Value| {
            let id = text(id, "id")?;
            names
                .get(id)
                .map(|name| (*name).to_owned())
                .with_context(|| format!("no package {id}"))
        };
        let mut graph = Self {
            builds_on: BTreeMap::new(),
            tests_with: BTreeMap::new(),
        };
        for node in array(&metadata["resolve"]["nodes"], "resolve.nodes")? {
            let name = name_of(&node["id"])?;
            for dependency in array(&node["deps"], "deps")? {
                let other = name_of(&dependency["pkg"])?;
                let kinds = array(&dependency["dep_kinds"], "dep_kinds")?;
                // `null` is an ordinary dependency, the others are "build" and "dev".
                let is_built_on = kinds.iter().any(|kind| kind["kind"] != "dev");
                let edges = if is_built_on {
                    &mut graph.builds_on
                } else {
                    &mut graph.tests_with
                };
                edges.entry(name.clone()).or_default().insert(other);
            }
        }
        Ok(graph)
    }

    fn violations(&self) -> Vec<String> {
        let ours = DIRECTION.map(|(name, _)| name);
        let mut found = Vec::new();
        for (name, allowed) in DIRECTION {
            // A crate may use itself: its tests do, with more features.
            let wrong = |other: &&str| self.uses(name, other) && *other != name && !allowed.contains(other);
            found.extend(
                ours.iter()
                    .filter(|other| wrong(other))
                    .map(|other| format!("{name} -> {other}")),
            );
        }
        for (name, way) in self.reachable("linker-core") {
            if NOT_IN_CORE.iter().any(|family| is_of_family(name, family)) {
                found.push(format!("{} (machinery in the core)", way.join(" -> ")));
            }
        }
        found
    }

    fn uses(&self, name: &str, other: &str) -> bool {
        let has = |edges: &BTreeMap<String, BTreeSet<String>>| {
            edges.get(name).is_some_and(|all| all.contains(other))
        };
        has(&self.builds_on) || has(&self.tests_with)
    }

    /// All that `root` is built from, each with a shortest way to it.
    fn reachable<'g>(&'g self, root: &'g str) -> BTreeMap<&'g str, Vec<&'g str>> {
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut waiting = std::collections::VecDeque::from([vec![root]]);
        while let Some(way) = waiting.pop_front() {
            let Some(last) = way.last() else { continue };
            for next in self.builds_on.get(*last).into_iter().flatten() {
                if next != root && !ways.contains_key(next.as_str()) {
                    let longer: Vec<&str> = way.iter().copied().chain([next.as_str()]).collect();
                    ways.insert(next, longer.clone());
                    waiting.push_back(longer);
                }
            }
        }
        ways
    }
}

/// Whether a crate is `family` or begins with it as a word: `tokio`, `tokio-util`, `sqlx_core`.
fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn array<'v>(value: &'v Value, what: &str) -> Result<&'v Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("cargo metadata has no list {what}"))
}

fn text<'v>(value: &'v Value, what: &str) -> Result<&'v str> {
    value
        .as_str()
        .with_context(|| format!("cargo metadata has no text {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Metadata of these edges: who, whom, and the kind of dependency.
    fn graph(edges: &[(&str, &str, Option<&str>)]) -> Graph {
        let names: BTreeSet<&str> = edges.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        let packages: Vec<Value> = names
            .iter()
            .map(|name| json!({"id": format!("{name}@1"), "name": name}))
            .collect();
        let nodes = names.iter().map(|name| {
            let own = edges.iter().filter(|(from, _, _)| from == name);
            let deps =
                own.map(|(_, to, kind)| json!({"pkg": format!("{to}@1"), "dep_kinds": [{"kind": kind}]}));
            json!({"id": format!("{name}@1"), "deps": deps.collect::<Vec<_>>()})
        });
        let metadata = json!({"packages": packages, "resolve": {"nodes": nodes.collect::<Vec<_>>()}});
        Graph::read(&metadata).unwrap()
    }

    const SOUND: [(&str, &str, Option<&str>); 7] = [
        ("linker-server", "linker-actors", None),
        ("linker-server", "linker-core", None),
        ("linker-actors", "linker-core", None),
        ("linker-actors", "linker-actors", Some("dev")),
        ("linker-actors", "actix", None),
        ("linker-core", "serde", None),
        ("linker-core", "tokio-test", Some("dev")),
    ];

    #[test]
    fn one_direction_is_no_violation() {
        assert_eq!(graph(&SOUND).violations(), [""; 0]);
    }

    #[test]
    fn an_edge_back_is_a_violation_even_in_tests() {
        let with = |edge| graph(&[&SOUND[..], &[edge]].concat()).violations();
        assert_eq!(
            with(("linker-core", "linker-actors", Some("dev"))),
            ["linker-core -> linker-actors"]
        );
        assert_eq!(
            with(("linker-actors", "linker-server", Some("build"))),
            ["linker-actors -> linker-server"]
        );
    }

    #[test]
    fn machinery_in_the_core_is_found_through_others() {
        let edges = [
            ("serde", "helper", None),
            ("helper", "tokio-util", None),
            ("helper", "sqlx_core", Some("build")),
        ];
        assert_eq!(
            graph(&[&SOUND[..], &edges].concat()).violations(),
            [
                "linker-core -> serde -> helper -> sqlx_core (machinery in the core)",
                "linker-core -> serde -> helper -> tokio-util (machinery in the core)",
            ]
        );
    }

    #[test]
    fn a_name_that_only_begins_alike_is_no_machinery() {
        assert!(is_of_family("tokio", "tokio") && is_of_family("actix-web", "actix"));
        assert!(!is_of_family("redistribute", "redis") && !is_of_family("smolvec", "smol"));
    }
}
