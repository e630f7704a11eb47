//! deploy/kubernetes: objects that Kubernetes knows, that agree with each other, with the image and with the binary.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{root, text_of};
use crate::harness::run_with;

const FOLDER: &str = "deploy/kubernetes";

fn file(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn kustomization() -> Value {
    yaml(&text_of(&file("kustomization.yaml")))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Everything that is applied, by kind and name.
fn objects() -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for resource in list(&kustomization()["resources"]) {
        for document in text_of(&file(text(resource))).split("\n---\n") {
            let object = yaml(document);
            let key = format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
            assert!(objects.insert(key, object).is_none());
        }
    }
    objects
}

fn pod(objects: &BTreeMap<String, Value>) -> &Value {
    &objects["StatefulSet linker"]["spec"]["template"]
}

fn container(objects: &BTreeMap<String, Value>) -> &Value {
    let [container] = list(&pod(objects)["spec"]["containers"]) else {
        panic!("one container")
    };
    container
}

#[test]
fn every_object_is_as_kubernetes_describes_it() {
    let schema = include_str!("../../schemas/kubernetes-1.37.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    for (name, object) in objects() {
        let version = match text(&object["apiVersion"]) {
            "v1" => "core.v1".to_owned(),
            version => version.replace(".k8s.io", "").replace('/', "."),
        };
        let definition = format!("io.k8s.api.{version}.{}", text(&object["kind"]));
        assert!(schema["$defs"][&definition].is_object(), "{definition}");
        let wanted = json!({
            "$schema": schema["$schema"],
            "$ref": format!("#/$defs/{definition}"),
            "$defs": schema["$defs"],
        });
        let validator = jsonschema::validator_for(&wanted).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&object)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        let mut misspelt = object.clone();
        misspelt["metdata"] = json!({});
        assert!(!validator.is_valid(&misspelt), "{name}");
    }
}

/// The configuration of the ConfigMap with the pod's environment and secrets, as the container would have them.
#[tokio::test]
async fn the_binary_accepts_the_configuration_of_the_pods() {
    let objects = objects();
    let container = container(&objects);
    let generated = &kustomization()["configMapGenerator"][0];
    assert_eq!(generated["files"], json!(["linker.yml"]));
    let volumes = &pod(&objects)["spec"]["volumes"];
    assert_eq!(volumes[0]["configMap"]["name"], generated["name"]);
    assert_eq!(
        container["args"],
        json!(["serve", "--config", "/etc/linker/linker.yml"])
    );

    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    for item in list(&volumes[1]["secret"]["items"]) {
        let secret = "a-secret-of-at-least-thirty-two-bytes";
        std::fs::write(secrets.join(text(&item["path"])), secret).unwrap();
    }
    let here = folder.path().to_str().unwrap();
    let configuration = text_of(&file("linker.yml")).replace("/etc/linker", here);
    let path = folder.path().join("linker.yml");
    std::fs::write(&path, configuration).unwrap();
    let url = |key: &str| match key {
        "store-url" => "postgres://linker:secret@postgres/linker",
        "presence-url" => "redis://:secret@redis",
        "bus-url" => "amqp://linker:secret@rabbitmq/linker",
        other => panic!("nobody fills in {other}"),
    };
    let mut settings: Vec<(&str, &str)> = vec![
        // Of the image.
        ("LINKER__SERVER__BIND", "0.0.0.0:8088"),
        ("LINKER__SERVER__ADMINBIND", "0.0.0.0:8090"),
        ("LINKER__SERVER__DATADIR", "/data"),
    ];
    for variable in list(&container["env"]) {
        let from = &variable["valueFrom"];
        let value = match from["secretKeyRef"]["key"].as_str() {
            Some(key) => {
                assert_eq!(from["secretKeyRef"]["name"], volumes[1]["secret"]["secretName"]);
                url(key)
            }
            None => {
                assert_eq!(from["fieldRef"]["fieldPath"], "metadata.name");
                "linker-0"
            }
        };
        settings.push((text(&variable["name"]), value));
    }
    let with_settings = |command: &mut Command| {
        command.envs(settings.iter().copied());
    };
    let check = ["check", "--config", path.to_str().unwrap()];
    let finished = run_with(&check, with_settings).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    // And the settings of the image are those of the file.
    let dockerfile = text_of("Dockerfile");
    let file = yaml(&text_of(&file("linker.yml")));
    for (variable, key) in [
        ("BIND", "bind"),
        ("ADMINBIND", "adminBind"),
        ("DATADIR", "dataDir"),
    ] {
        let setting = format!("LINKER__SERVER__{variable}={}", text(&file["server"][key]));
        assert!(dockerfile.contains(&setting), "{setting}");
    }
}

#[test]
fn names_ports_and_selectors_agree() {
    let objects = objects();
    let (pod, container) = (pod(&objects), container(&objects));
    let configuration = yaml(&text_of(&file("linker.yml")));
    let ports: BTreeMap<&str, u64> = list(&container["ports"])
        .iter()
        .map(|port| (text(&port["name"]), port["containerPort"].as_u64().unwrap()))
        .collect();
    for (name, key) in [("clients", "bind"), ("admin", "adminBind")] {
        let (_, port) = text(&configuration["server"][key]).rsplit_once(':').unwrap();
        assert_eq!(ports[name].to_string(), port);
    }
    let labels = &pod["metadata"]["labels"];
    let set = &objects["StatefulSet linker"]["spec"];
    assert_eq!(&set["selector"]["matchLabels"], labels);
    for (key, selector) in [
        ("Service linker", "/spec/selector"),
        ("Service linker-admin", "/spec/selector"),
        ("PodDisruptionBudget linker", "/spec/selector/matchLabels"),
        ("NetworkPolicy linker", "/spec/podSelector/matchLabels"),
        (
            "StatefulSet linker",
            "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels",
        ),
    ] {
        assert_eq!(objects[key].pointer(selector), Some(labels), "{key}");
    }
    assert!(objects.contains_key(&format!("Service {}", text(&set["serviceName"]))));
    assert!(objects.contains_key(&format!("Namespace {}", text(&kustomization()["namespace"]))));
    let mut named: Vec<&Value> = Vec::new();
    for service in ["Service linker", "Service linker-admin"] {
        named.extend(
            list(&objects[service]["spec"]["ports"])
                .iter()
                .map(|port| &port["targetPort"]),
        );
    }
    for rule in list(&objects["NetworkPolicy linker"]["spec"]["ingress"]) {
        named.extend(list(&rule["ports"]).iter().map(|port| &port["port"]));
    }
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        named.push(&container[probe]["httpGet"]["port"]);
    }
    for port in named {
        assert!(ports.contains_key(text(port)), "{port}");
    }
    for mount in list(&container["volumeMounts"]) {
        let volumes = list(&pod["spec"]["volumes"]);
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]));
    }
    assert_eq!(kustomization()["images"][0]["name"], container["image"]);
}

#[test]
fn pods_have_the_image_s_user_and_nothing_they_do_not_need() {
    let objects = objects();
    let (spec, container) = (&pod(&objects)["spec"], container(&objects));
    let user = &spec["securityContext"]["runAsUser"];
    assert!(
        text_of("Dockerfile").contains(&format!("--uid {user} ")),
        "{user}"
    );
    assert_eq!(spec["automountServiceAccountToken"], false);
    let context = &container["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    assert!(container["resources"]["limits"]["memory"].is_string());
}

#[test]
fn pods_are_given_more_time_to_stop_than_they_take() {
    let objects = objects();
    let configuration = yaml(&text_of(&file("linker.yml")));
    let drain = text(&configuration["server"]["drainTimeout"])
        .strip_suffix('s')
        .unwrap();
    let pause = text(&container(&objects)["lifecycle"]["preStop"]["exec"]["command"][1]);
    let needed: u64 = drain.parse::<u64>().unwrap() + pause.parse::<u64>().unwrap();
    let given = pod(&objects)["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    assert!(Duration::from_secs(given) >= Duration::from_secs(needed + 5));
}

/// The paths that are probed are there, and tell a node that cannot work from one that is gone: see `http::health`.
#[tokio::test]
async fn probes_ask_for_paths_that_a_node_has() {
    let node = crate::harness::Node::start().await;
    let objects = objects();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = text(&container(&objects)[probe]["httpGet"]["path"]);
        assert_eq!(node.admin_get(path).await.status, 200, "{probe}");
    }
    assert!(root().join(FOLDER).join("README.md").exists());
}
