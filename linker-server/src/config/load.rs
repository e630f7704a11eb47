//! Puts file, environment and command line together and reads them: a [`Config`], or all that is wrong with it.

use std::path::Path;
use std::sync::Arc;

use super::mistake::{Mistakes, Place, Wrong};
use super::reader::{Reading, Section};
use super::surroundings::Surroundings;
use super::yaml::{self, Entry, Node, Value};
use super::{Config, TelemetryConfig, variables};

/// The largest configuration file that is read, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// What the command line says; it wins over the environment and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `--bind`, `server.bind`.
    pub(crate) bind: Option<String>,
    /// `--admin-bind`, `server.adminBind`.
    pub(crate) admin_bind: Option<String>,
    /// `--data-dir`, `server.dataDir`.
    pub(crate) data_dir: Option<String>,
}

/// Reads the configuration. Without a `file` the embedded default is what the environment and the flags start from.
///
/// # Errors
/// Every mistake there is, at once; a file that cannot be read or is not YAML hides what else is wrong with it.
pub(crate) fn load(
    file: Option<&Path>,
    overrides: &Overrides,
    surroundings: &dyn Surroundings,
) -> Result<Config, Mistakes> {
    let reading = Reading::new(surroundings, file);
    let mut layers = vec![flags(overrides)];
    let (variables, mistakes) = variables::layers(surroundings.variables());
    layers.extend(variables);
    reading.mistakes(mistakes);
    let mut place = Place::Default;
    if let Some(path) = file {
        let name: Arc<str> = path.display().to_string().into();
        layers.push(read_file(path, &name, &reading)?);
        place = Place::File { name, line: None };
    }
    let config = Section::read_layers(&reading, String::new(), place, layers, |root| {
        Config::read(root, file.is_some())
    });
    reading.finish(config)
}

/// What the environment says about logs, for a command that reads no configuration file.
///
/// # Errors
/// Every mistake in a variable of that section. All other variables are a node's and not looked at.
pub(crate) fn telemetry(surroundings: &dyn Surroundings) -> Result<TelemetryConfig, Mistakes> {
    let reading = Reading::new(surroundings, None);
    let (mut layers, _) = variables::layers(surroundings.variables());
    layers.retain(|entries| {
        entries
            .iter()
            .all(|entry| entry.key.eq_ignore_ascii_case("telemetry"))
    });
    let config = Section::read_layers(&reading, String::new(), Place::Default, layers, |root| {
        root.section("telemetry", TelemetryConfig::read)
    });
    reading.finish(config)
}

fn flags(overrides: &Overrides) -> Vec<Entry> {
    let given = [
        ("--bind", "bind", &overrides.bind),
        ("--admin-bind", "adminBind", &overrides.admin_bind),
        ("--data-dir", "dataDir", &overrides.data_dir),
    ];
    let entries = given.into_iter().filter_map(|(flag, key, text)| {
        let value = Value::Scalar {
            text: text.clone()?,
            quoted: false,
        };
        Some(entry(key, value, Place::Flag(flag)))
    });
    let entries: Vec<Entry> = entries.collect();
    // The section stands where its first key does, so that nothing is said of a flag that was not given.
    let place = entries.first().map(|entry| entry.place.clone());
    place
        .map(|place| entry("server", Value::Mapping(entries), place))
        .into_iter()
        .collect()
}

fn entry(key: &str, value: Value, place: Place) -> Entry {
    Entry {
        key: key.to_owned(),
        place: place.clone(),
        node: Node { value, place },
    }
}

/// The file as a layer.
fn read_file(path: &Path, name: &Arc<str>, reading: &Reading<'_>) -> Result<Vec<Entry>, Mistakes> {
    let whole = Place::File {
        name: name.clone(),
        line: None,
    };
    let unreadable = |what: String| {
        Mistakes::one(
            whole.clone(),
            "",
            Wrong::new(what, "a readable YAML file in UTF-8 of at most 1MiB"),
        )
    };
    let bytes = reading
        .surroundings()
        .read(path, FILE_MAX)
        .map_err(|error| unreadable(format!("cannot read the file: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("the file is not UTF-8".to_owned()))?;
    let document = yaml::parse(&text, |line| Place::File {
        name: name.clone(),
        line: Some(line),
    });
    let Some(root) = document.root else {
        if !document.mistakes.is_empty() {
            return Err(Mistakes::new(document.mistakes));
        }
        let wrong = Wrong::new(
            "the file is empty",
            "keys and values; without --config the embedded default is used",
        );
        return Err(Mistakes::one(whole, "", wrong));
    };
    let Value::Mapping(entries) = root.value else {
        let wrong = Wrong::new(
            format!("{} where keys are expected", root.value.kind()),
            "a mapping of keys to values",
        );
        return Err(Mistakes::one(root.place, "", wrong));
    };
    reading.mistakes(document.mistakes);
    Ok(entries)
}
