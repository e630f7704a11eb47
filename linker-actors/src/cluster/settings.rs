//! What has to be the same on all nodes of a domain.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use linker_core::app::ClientApp;
use linker_core::directory::Directory;

use crate::config::NodeConfig;

/// Changes with what nodes say to each other and expect of each other.
const PROTOCOL: u32 = 1;

/// By name; what is long as a hash.
pub(super) fn settings_in_common(config: &NodeConfig, directory: &Directory) -> BTreeMap<String, String> {
    let session = &config.session;
    BTreeMap::from([
        ("protocol".to_owned(), PROTOCOL.to_string()),
        ("clientApps".to_owned(), digest(&describe_apps(directory))),
        (
            "limits.sessionsPerUser".to_owned(),
            config.sessions_per_user.to_string(),
        ),
        (
            "limits.maxFrameBytes".to_owned(),
            config.max_frame_bytes.to_string(),
        ),
        (
            "limits.maxUnprovenBytes".to_owned(),
            session.max_unproven_bytes.to_string(),
        ),
        (
            "reliable.confirmationEnabled".to_owned(),
            session.confirmation_enabled.to_string(),
        ),
        (
            "reliable.dedupeWindow".to_owned(),
            format!("{:?}", config.dedupe_window),
        ),
        (
            "reliable.retention.maxAge".to_owned(),
            format!("{:?}", config.retention_max_age),
        ),
        (
            "reliable.retention.maxPerUser".to_owned(),
            config.retention_max_per_user.to_string(),
        ),
    ])
}

fn describe_apps(directory: &Directory) -> String {
    let describe = |app: &ClientApp| {
        let master = app.master.map(|master| master.to_string());
        (app.app_name.to_string(), app.app_id.clone(), master, app.isolated)
    };
    let mut apps: Vec<_> = directory.apps().iter().map(|app| describe(app)).collect();
    apps.sort();
    format!("{apps:?}")
}

fn digest(text: &str) -> String {
    // Without a key: the same on every node.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
