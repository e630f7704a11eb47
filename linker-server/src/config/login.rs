//! `login`: the tokens of `POST /api/v1/login`.

use std::time::Duration;

use super::mistake::Wrong;
use super::reader::Section;
use super::secret::Secret;

const EXPIRES_IN_DEFAULT: Duration = Duration::from_secs(60 * 60);
const EXPIRES_IN_MIN: Duration = Duration::from_secs(1);
const PER_SECOND_DEFAULT: u32 = 20;
const PER_SECOND_MAX: u32 = 100_000;

/// How users log in by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginConfig {
    /// The content of `keyFile`, the same on all nodes of the domain; `None`: they share one in their presence registry.
    pub(crate) key: Option<Secret>,
    /// `expiresIn`: how long a token is believed; default 1 h.
    pub(crate) expires_in: Duration,
    /// `perSecondPerAddress`: attempts; default 20, 0: no limit.
    pub(crate) per_second_per_address: u32,
}

impl LoginConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            key: section.secret_file("keyFile", check_key),
            expires_in: section.duration(
                "expiresIn",
                EXPIRES_IN_MIN..=linker_actors::TOKEN_TIME_MAX,
                EXPIRES_IN_DEFAULT,
            ),
            per_second_per_address: section.integer_u32(
                "perSecondPerAddress",
                0..=PER_SECOND_MAX,
                PER_SECOND_DEFAULT,
            ),
        }
    }
}

fn check_key(text: &str) -> Result<(), Wrong> {
    let min = linker_actors::TOKEN_SECRET_LEN_MIN;
    if text.len() >= min {
        return Ok(());
    }
    Err(Wrong::new(
        format!("a secret of {} bytes", text.len()),
        format!("at least {min} bytes, the output of `openssl rand -base64 48` say"),
    ))
}
