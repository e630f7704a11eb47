//! deploy/systemd: the unit is one that systemd understands, is shut in, and gives the binary nothing that it does not know.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::{root, text_of};
use crate::harness::{BINARY, run_with};

const UNIT: &str = "deploy/systemd/linker-server.service";
const SECRETS: &str = "deploy/systemd/secrets.conf";
const CONFIGURATION: &str = "deploy/systemd/linker.yml";

/// What `systemd-analyze security` may say at most, in tenths.
const EXPOSURE_MAX: &str = "15";

/// All values of a key, in order.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

fn value(text: &str, key: &str) -> String {
    let mut values = values(text, key);
    assert_eq!(values.len(), 1, "{key}");
    values.remove(0)
}

/// The tool is Debian's package `systemd`; `cargo xtask test` installs it.
fn systemd_analyze(arguments: &[&str], unit: &Path) -> Output {
    let program = std::env::var_os("SYSTEMD_ANALYZE").unwrap_or_else(|| "systemd-analyze".into());
    let mut command = Command::new(program);
    command.args(arguments).arg(unit);
    command.output().expect("systemd-analyze can be run")
}

/// The unit in a folder, starting the binary that was built.
fn built_unit(folder: &Path) -> std::path::PathBuf {
    let unit = text_of(UNIT).replace("/usr/local/bin/linker-server", BINARY);
    let path = folder.join("linker-server.service");
    std::fs::write(&path, unit).unwrap();
    let drop_in = folder.join("linker-server.service.d");
    std::fs::create_dir(&drop_in).unwrap();
    std::fs::write(drop_in.join("secrets.conf"), text_of(SECRETS)).unwrap();
    path
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let output = systemd_analyze(&["verify", "--man=no"], &built_unit(folder.path()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // An unknown key is only mentioned. What it says of other units of the machine is not ours.
    assert!(!said.contains("linker-server"), "{said}");
}

#[test]
fn the_unit_is_shut_in() {
    let arguments = [
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold",
        EXPOSURE_MAX,
    ];
    let output = systemd_analyze(&arguments, &root().join(UNIT));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Overall exposure level"), "{output:?}");
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn the_binary_accepts_what_the_unit_gives_it() {
    let (unit, secrets) = (text_of(UNIT), text_of(SECRETS));
    let start = value(&unit, "ExecStart");
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words[..3], ["/usr/local/bin/linker-server", "serve", "--config"]);
    assert_eq!(words[3..], ["/etc/linker/linker.yml"]);

    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    for credential in values(&secrets, "LoadCredential") {
        let (name, path) = credential.split_once(':').unwrap();
        assert_eq!(path, format!("/etc/linker/{name}"));
        std::fs::write(
            folder.path().join(name),
            "a-secret-of-at-least-thirty-two-bytes\n",
        )
        .unwrap();
    }
    let settings = values(&unit, "Environment")
        .into_iter()
        .chain(values(&secrets, "Environment"));
    let settings: Vec<(String, String)> = settings
        .map(|setting| {
            let (name, value) = setting.split_once('=').unwrap();
            (name.to_owned(), value.replace("%S", here).replace("%d", here))
        })
        .collect();
    assert_eq!(settings.len(), 4);
    let file = root().join(CONFIGURATION);
    let with_settings = |command: &mut Command| {
        command.envs(settings);
    };
    let finished = run_with(&["check", "--config", file.to_str().unwrap()], with_settings).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[test]
fn a_node_is_given_more_time_to_stop_than_it_takes() {
    let configuration: Value = serde_saphyr::from_str(&text_of(CONFIGURATION)).unwrap();
    let seconds = |text: &str| -> u64 { text.strip_suffix('s').unwrap().parse().unwrap() };
    let drain = Duration::from_secs(seconds(configuration["server"]["drainTimeout"].as_str().unwrap()));
    let stop = Duration::from_secs(seconds(&value(&text_of(UNIT), "TimeoutStopSec")));
    assert!(stop >= drain + Duration::from_secs(5), "{stop:?} for {drain:?}");
}

/// What is wrong once is wrong again: the code of that is in the unit.
#[tokio::test]
async fn a_wrong_configuration_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("linker.yml");
    std::fs::write(&file, "sever: {}\n").unwrap();
    let finished = run_with(&["serve", "--config", file.to_str().unwrap()], |_| {}).await;
    assert_eq!(
        value(&text_of(UNIT), "RestartPreventExitStatus"),
        finished.code.to_string()
    );
}
