//! deploy/prometheus and deploy/grafana: promtool finds nothing wrong, and they ask for nothing that nodes do not expose.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{root, text_of};
use crate::harness::Exposition;
use crate::telemetry::whole_exposition;

const DASHBOARD: &str = "deploy/grafana/linker.json";
const ALERTS: &str = "deploy/prometheus/alerts.yml";

/// Labels that Prometheus adds.
const OF_TARGETS: [&str; 3] = ["job", "instance", "home"];

/// Runs promtool in deploy/prometheus; it must find everything well.
fn promtool(arguments: &[&str]) {
    let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root().join("deploy/prometheus"));
    let finished = command.output().unwrap_or_else(|error| {
        panic!("promtool cannot be run ({error}): `cargo xtask test` installs it, or name it in PROMTOOL")
    });
    let said = String::from_utf8_lossy(&finished.stdout) + String::from_utf8_lossy(&finished.stderr);
    assert!(finished.status.success(), "{arguments:?}: {said}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_configuration_and_its_rules() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "alerts.yml"]);
}

#[test]
fn alerts_fire_when_they_should_and_not_before() {
    promtool(&["test", "rules", "alerts_test.yml"]);
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&text_of(ALERTS)).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn each_alert_is_tested_and_explained() {
    let tests = text_of("deploy/prometheus/alerts_test.yml");
    let page = text_of("docs/TELEMETRY.md");
    let alerts = alerts();
    assert!(alerts.len() >= 15);
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts:\n          - ")),
            "{name} is not seen to fire"
        );
        assert!(page.contains(name), "{name} is not in docs/TELEMETRY.md");
        assert!(alert["labels"]["severity"].is_string(), "{name}");
        for text in ["summary", "description"] {
            assert!(alert["annotations"][text].is_string(), "{name}");
        }
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&text_of(DASHBOARD)).unwrap()
}

/// The expressions of the dashboard with the legends of what they give.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    targets
        .map(|target| {
            let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
            (text("expr"), text("legendFormat"))
        })
        .collect()
}

#[test]
fn every_expression_of_the_dashboard_is_one() {
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, (expression, _)) in queries(&dashboard()).into_iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m");
        let quoted = serde_json::to_string(&expression).unwrap();
        rules += &format!("  - {{record: 'dashboard:{number}', expr: {quoted}}}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn the_dashboard_is_one_for_any_data_source() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert!(panel["type"] == "row" || titles.insert(title), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            }
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().filter_map(|of| of["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert_eq!(variables[0]["type"], "datasource");
}

/// A series that an expression asks for: its name, and what its labels are to be.
#[derive(Debug, PartialEq)]
struct Selector {
    name: String,
    /// Label, operator, value.
    matchers: Vec<(String, String, String)>,
}

/// What an expression of PromQL asks for, and the labels by which it groups.
fn asked(expression: &str) -> (Vec<Selector>, Vec<String>) {
    let mut selectors: Vec<Selector> = Vec::new();
    let mut grouped = Vec::new();
    let mut rest = expression;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if first == '[' {
            rest = rest.split_once(']').unwrap().1;
        } else if first == '"' {
            rest = rest[1..].split_once('"').unwrap().1;
        } else if end == 0 || first.is_ascii_digit() {
            rest = &rest[end.max(first.len_utf8())..];
        } else {
            let (name, after) = rest.split_at(end);
            rest = after;
            let next = after.trim_start();
            match name {
                "and" | "or" | "unless" | "bool" | "offset" => {}
                "by" | "without" | "on" | "ignoring" => {
                    let (labels, after) = next.strip_prefix('(').unwrap().split_once(')').unwrap();
                    grouped.extend(labels.split(',').map(|label| label.trim().to_owned()));
                    rest = after;
                }
                _ if next.starts_with('(') || ["sum", "max", "min", "count"].contains(&name) => {}
                _ => {
                    let mut matchers = Vec::new();
                    if let Some(labels) = next.strip_prefix('{') {
                        let (labels, after) = labels.split_once('}').unwrap();
                        rest = after;
                        for matcher in labels.split(',') {
                            let (label, value) = matcher.split_at(matcher.find(['=', '!']).unwrap());
                            let (operator, value) = value.split_at(value.find('"').unwrap());
                            let value = value.trim_matches('"').to_owned();
                            matchers.push((label.trim().to_owned(), operator.to_owned(), value));
                        }
                    }
                    selectors.push(Selector {
                        name: name.to_owned(),
                        matchers,
                    });
                }
            }
        }
    }
    (selectors, grouped)
}

#[test]
fn what_an_expression_asks_for_is_found() {
    let (selectors, grouped) = asked(
        r#"histogram_quantile(0.99, sum by (instance, le) (rate(a_bucket{x="1",y!~"2|3"}[5m]))) > 1e9 and max(b) > 0 or c"#,
    );
    let names: Vec<&str> = selectors.iter().map(|selector| &*selector.name).collect();
    assert_eq!(names, ["a_bucket", "b", "c"]);
    let text = |text: &str| text.to_owned();
    assert_eq!(
        selectors[0].matchers,
        [
            (text("x"), text("="), text("1")),
            (text("y"), text("!~"), text("2|3"))
        ]
    );
    assert_eq!(grouped, ["instance", "le"]);
}

/// The labels that templates of alerts and legends name: `{{ $labels.x }}` and `{{x}}`.
fn named_labels(text: &str) -> Vec<String> {
    text.split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"))
        .map(|(label, _)| label.trim().trim_start_matches("$labels.").to_owned())
        .filter(|label| !label.starts_with('$'))
        .collect()
}

fn check(expression: &str, texts: &[&str], exposition: &Exposition, used: &mut BTreeSet<String>) {
    let (selectors, grouped) = asked(expression);
    assert!(!selectors.is_empty(), "{expression}");
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Selector { name, matchers } in &selectors {
        // Prometheus's own.
        let exposed = exposition.find(name);
        assert!(
            exposed.is_some() || name == "up",
            "nodes expose no {name}: {expression}"
        );
        let exposed = exposed.cloned().unwrap_or_default();
        used.insert(name.clone());
        for (label, values) in exposition.find(name).map(|of| &of.labels).into_iter().flatten() {
            labels
                .entry(label)
                .or_default()
                .extend(values.iter().map(String::as_str));
        }
        for (label, _, wanted) in matchers {
            if OF_TARGETS.contains(&&**label) {
                continue;
            }
            let values = exposed.labels.get(label);
            let values = values.unwrap_or_else(|| panic!("{name} has no {label}: {expression}"));
            for wanted in wanted.split('|') {
                assert!(
                    values.contains(wanted),
                    "{name} has no {label}=\"{wanted}\": {expression}"
                );
            }
        }
    }
    let named = texts.iter().flat_map(|text| named_labels(text));
    for label in grouped.into_iter().chain(named) {
        let is_known = OF_TARGETS.contains(&&*label) || labels.contains_key(&*label);
        assert!(is_known, "nothing has the label {label}: {expression} {texts:?}");
    }
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_nothing_that_nodes_do_not_expose() {
    let (_network, exposition) = whole_exposition().await;
    let mut used = BTreeSet::new();
    for alert in alerts() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = [
            &alert["annotations"]["summary"],
            &alert["annotations"]["description"],
        ]
        .map(text);
        check(
            &text(&alert["expr"]),
            &texts.each_ref().map(String::as_str),
            &exposition,
            &mut used,
        );
    }
    for (expression, legend) in queries(&dashboard()) {
        check(&expression, &[&legend], &exposition, &mut used);
    }
    for name in exposition
        .metrics
        .keys()
        .filter(|name| name.starts_with("linker_"))
    {
        let is_used = used.iter().any(|series| series.starts_with(name.as_str()));
        assert!(is_used, "neither the dashboard nor an alert looks at {name}");
    }
}

#[test]
fn prometheus_scrapes_the_nodes_of_the_compose_file() {
    let configuration: Value = serde_saphyr::from_str(&text_of("deploy/prometheus/prometheus.yml")).unwrap();
    let job = &configuration["scrape_configs"][0];
    assert_eq!(job["job_name"], "linker");
    let compose = super::compose(super::ONE_DOMAIN);
    let nodes = super::nodes(&compose);
    let port_of = |address: String| address.rsplit_once(':').unwrap().1.to_owned();
    let wanted: Vec<String> = nodes
        .into_iter()
        .map(|(name, node)| format!("{name}:{}", port_of(node.setting("LINKER__SERVER__ADMINBIND"))))
        .collect();
    let targets = job["static_configs"][0]["targets"].as_array().unwrap();
    assert_eq!(*targets, wanted);
}
