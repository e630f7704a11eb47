//! Memory of sessions as columns of the table.

use serde::Serialize;

use super::MIB;
use crate::cli::TargetKind;
use crate::process::ProcessReading;

/// Memory of sessions at one stage.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionsRow {
    pub(crate) target: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) sessions: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_anonymous_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
    /// Above the base stage, divided by the sessions.
    pub(crate) bytes_per_session: Option<f64>,
    /// While nothing was sent, of one core.
    pub(crate) idle_cpu_percent: Option<f64>,
}

impl SessionsRow {
    /// The stage at `reading`, compared with `base`.
    pub(crate) fn new(
        target: TargetKind,
        stage: &'static str,
        sessions: u64,
        reading: &ProcessReading,
        base: Option<&ProcessReading>,
        idle_cpu_percent: Option<f64>,
    ) -> Self {
        let above = |base: &ProcessReading| reading.rss_bytes as f64 - base.rss_bytes as f64;
        Self {
            target: target.name(),
            stage,
            sessions,
            rss_bytes: reading.rss_bytes,
            rss_anonymous_bytes: reading.rss_anonymous_bytes,
            rss_peak_bytes: reading.rss_peak_bytes,
            bytes_per_session: base.map(|base| above(base) / sessions.max(1) as f64),
            idle_cpu_percent,
        }
    }

    /// Its figures by name, for the table.
    pub(super) fn cells(&self) -> Vec<(&'static str, String)> {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB);
        let mut cells = vec![
            ("target", self.target.to_owned()),
            ("stage", self.stage.to_owned()),
            ("sessions", self.sessions.to_string()),
            ("server RSS, MiB", mib(self.rss_bytes)),
            ("of it anonymous, MiB", mib(self.rss_anonymous_bytes)),
            ("peak RSS, MiB", mib(self.rss_peak_bytes)),
        ];
        cells.extend(
            self.bytes_per_session
                .map(|bytes| ("KiB per session above base", format!("{:.2}", bytes / 1024.0))),
        );
        cells.extend(
            self.idle_cpu_percent
                .map(|percent| ("server CPU while idle, %", format!("{percent:.2}"))),
        );
        cells
    }
}
