//! `meta`: where the meta document comes from.

use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::mistake::{Place, Wrong};
use super::reader::Section;

const REFRESH: Duration = Duration::from_secs(5);
const REFRESH_MIN: Duration = Duration::from_millis(100);
const REFRESH_MAX: Duration = Duration::from_secs(60 * 60);

/// Where the meta document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetaSource {
    /// `file`.
    File(MetaFile),
    /// A meta server.
    Server {
        /// `url`.
        url: String,
        /// `refresh`: how often it is asked for a newer document; default 5 s.
        refresh: Duration,
    },
}

/// The meta document in a file (`meta.file`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetaFile {
    /// Resolved: relative to the configuration file's folder when given there.
    pub(crate) path: PathBuf,
    /// Where it was named, for what is found wrong in it.
    pub(crate) place: Place,
}

/// Reads `meta`. Also answers whether a document is named at all, be it one that is refused.
pub(super) fn read(root: &mut Section<'_>) -> (Option<MetaSource>, bool) {
    root.section("meta", |section| {
        let file = section.path("file");
        let url = section.parsed("url", "the http url of a meta server", check::meta_url);
        let refresh = section.duration("refresh", REFRESH_MIN..=REFRESH_MAX, REFRESH);
        if section.has("url") && section.has("file") {
            section.wrong("url", Wrong::new("file is given too", "file or url, not both"));
        }
        let is_named = section.has("file") || section.has("url");
        let source = match (file, url) {
            (Some((path, place)), _) => Some(MetaSource::File(MetaFile { path, place })),
            (None, Some(url)) => Some(MetaSource::Server { url, refresh }),
            (None, None) => None,
        };
        (source, is_named)
    })
}
