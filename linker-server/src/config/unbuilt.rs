//! Keys of the contract whose parts this build does not have. Each is known, so that it is refused by its own name and
//! not as a slip; its default is accepted, so that a file may spell all defaults out.

use std::time::Duration;

use super::duration;
use super::mistake::Wrong;
use super::reader::Section;

const ABSENT: &str = "no such key";
const LOGIN_EXPIRES_IN: Duration = Duration::from_secs(60 * 60);
const LOGIN_PER_SECOND_PER_ADDRESS: u64 = 20;

/// Refuses `login`.
pub(super) fn refuse_login(root: &mut Section<'_>) {
    root.section("login", |login| {
        refuse_key(login, "keyFile", "POST /api/v1/login");
        only_default(login, "expiresIn", "POST /api/v1/login", "1h", |text| {
            duration::parse(text).map(|given| given == LOGIN_EXPIRES_IN)
        });
        only_default(login, "perSecondPerAddress", "POST /api/v1/login", "20", |text| {
            Ok(text.parse() == Ok(LOGIN_PER_SECOND_PER_ADDRESS))
        });
    });
}

/// Refuses `server.tls`.
pub(super) fn refuse_tls(server: &mut Section<'_>) {
    refuse_key(server, "tls", "TLS");
}

/// Refuses `telemetry.otlpUrl`.
pub(super) fn refuse_otlp(telemetry: &mut Section<'_>) {
    refuse_key(telemetry, "otlpUrl", "export over OTLP");
}

fn refuse_key(section: &mut Section<'_>, name: &'static str, what: &str) {
    if section.find(name).is_some() {
        section.wrong(name, Wrong::not_built(what, ABSENT));
    }
}

/// Accepts the default, refuses another value; a value that is none is reported as such.
fn only_default(
    section: &mut Section<'_>,
    name: &'static str,
    what: &str,
    default: &str,
    is_default: impl FnOnce(&str) -> Result<bool, Wrong>,
) {
    section.parsed(name, default, |text| {
        if is_default(text)? {
            Ok(())
        } else {
            Err(Wrong::not_built(what, format!("{default}, or no such key")))
        }
    });
}
