//! The configuration as its users meet it: texts in, a typed tree or lines of mistakes out.

mod bounds;
mod client_apps;
mod defaults;
mod layers;
mod links;
mod refusals;
mod robustness;
mod secrets;
mod tls;
mod traces;
mod unknown_keys;
mod upstream;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, Overrides, Surroundings, load};

/// Where the tests' configuration file stands.
const FILE: &str = "/etc/linker/node.yml";

/// A client app, for files that are about something else.
const APP: &str = "clientApps: [{appName: A, appId: a}]\n";

/// Surroundings made of maps.
#[derive(Default)]
struct MapSurroundings {
    variables: Vec<(OsString, OsString)>,
    files: HashMap<PathBuf, Vec<u8>>,
}

impl Surroundings for MapSurroundings {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        self.variables.clone()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.clone())
    }

    fn host_name(&self) -> String {
        "büro.example".to_owned()
    }

    fn random_suffix(&self) -> u32 {
        0xc0ffee
    }
}

/// What the node is started with.
#[derive(Default)]
struct Start {
    has_file: bool,
    overrides: Overrides,
    surroundings: MapSurroundings,
}

impl Start {
    fn without_file() -> Self {
        Self::default()
    }

    fn with(text: &str) -> Self {
        let start = Self {
            has_file: true,
            ..Self::default()
        };
        start.and_file(FILE, text)
    }

    fn and_file(mut self, path: &str, text: impl Into<Vec<u8>>) -> Self {
        self.surroundings.files.insert(path.into(), text.into());
        self
    }

    fn and_variable(mut self, name: &str, value: &str) -> Self {
        self.surroundings.variables.push((name.into(), value.into()));
        self
    }

    fn and_flags(mut self, overrides: Overrides) -> Self {
        self.overrides = overrides;
        self
    }

    fn config(&self) -> Config {
        let file = self.has_file.then(|| Path::new(FILE));
        load(file, &self.overrides, &self.surroundings).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// The mistakes as `check` prints them, the file's folder left out.
    fn mistakes(&self) -> Vec<String> {
        let file = self.has_file.then(|| Path::new(FILE));
        match load(file, &self.overrides, &self.surroundings) {
            Ok(config) => panic!("no mistake found: {config:?}"),
            Err(mistakes) => mistakes
                .to_string()
                .lines()
                .map(|line| line.replace("/etc/linker/node.yml", "node.yml"))
                .collect(),
        }
    }
}

/// A sound file but for `text`, which must be found wrong in one way: that line.
fn mistake(text: &str) -> String {
    let mut lines = Start::with(&format!("{APP}{text}")).mistakes();
    assert_eq!(lines.len(), 1, "of {text:?}: {lines:#?}");
    lines.remove(0)
}
