//! What `/metrics` pages say beside values: names, types, helps, labels and the values that these have.

use std::collections::{BTreeMap, BTreeSet};

use super::Node;

/// A metric of one name.
#[derive(Debug, Default, Clone)]
pub(crate) struct Exposed {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// By label, all its values.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    pub(crate) values: Vec<f64>,
}

/// Everything that some nodes expose, by the name of the metric as HELP and TYPE have it.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) metrics: BTreeMap<String, Exposed>,
}

impl Exposition {
    pub(crate) async fn of(nodes: &[Node]) -> Self {
        let mut exposition = Self::default();
        for node in nodes {
            exposition.read(&node.admin_get("/metrics").await.body);
        }
        exposition
    }

    fn read(&mut self, page: &str) {
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("HELP has a text");
                help.clone_into(&mut self.metrics.entry(name.to_owned()).or_default().help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("TYPE has a kind");
                kind.clone_into(&mut self.metrics.entry(name.to_owned()).or_default().kind);
            } else if let Some((series, value)) = line.rsplit_once(' ') {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let exposed = self
                    .find_mut(name)
                    .unwrap_or_else(|| panic!("{name} has neither HELP nor TYPE before it"));
                exposed.values.push(value.parse().expect("a number"));
                for (label, value) in labels_of(labels) {
                    exposed.labels.entry(label).or_default().insert(value);
                }
            }
        }
    }

    fn find_mut(&mut self, series: &str) -> Option<&mut Exposed> {
        let name = self.name_of(series)?;
        self.metrics.get_mut(&name)
    }

    /// The metric to which the series of this name belong: those of a histogram have a name with an ending.
    fn name_of(&self, series: &str) -> Option<String> {
        let whole = self.metrics.contains_key(series).then_some(series);
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|ending| {
            let name = series.strip_suffix(ending)?;
            let is_one = self.metrics.get(name).is_some_and(|of| of.kind == "histogram");
            is_one.then_some(name)
        });
        whole.or(histogram).map(ToOwned::to_owned)
    }

    /// The metric of this series.
    pub(crate) fn find(&self, series: &str) -> Option<&Exposed> {
        self.metrics.get(&self.name_of(series)?)
    }
}

/// No label value that nodes expose has a comma or a quote in it.
fn labels_of(text: &str) -> impl Iterator<Item = (String, String)> {
    text.trim_end_matches('}')
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned()))
}
