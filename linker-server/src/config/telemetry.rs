//! `telemetry`: what the node tells of itself.

use super::check;
use super::reader::Section;
use super::traces::{self, TracesConfig};

/// Logs and traces of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TelemetryConfig {
    /// `format`; default `auto`.
    pub(crate) format: LogFormat,
    /// `level`: a level, or levels by module (`info,linker_actors=debug`), in the syntax of `tracing`'s filters; default `info`.
    pub(crate) level: String,
    /// `otlpUrl` and what belongs to it; `None`: nothing is traced.
    pub(crate) traces: Option<TracesConfig>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

impl TelemetryConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let formats = [
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
        ];
        Self {
            format: section.choice("format", &formats).unwrap_or_default(),
            level: section
                .parsed("level", "a log level", check::log_filter)
                .unwrap_or_else(|| "info".to_owned()),
            traces: traces::read(section),
        }
    }
}
