//! Keys of the contract whose parts this build does not have. Each is known, so that it is refused by its own name and
//! not as a slip.

use super::mistake::Wrong;
use super::reader::Section;

const ABSENT: &str = "no such key";

/// Refuses `telemetry.otlpUrl`.
pub(super) fn refuse_otlp(telemetry: &mut Section<'_>) {
    refuse_key(telemetry, "otlpUrl", "export over OTLP");
}

fn refuse_key(section: &mut Section<'_>, name: &'static str, what: &str) {
    if section.find(name).is_some() {
        section.wrong(name, Wrong::not_built(what, ABSENT));
    }
}
