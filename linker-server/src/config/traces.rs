//! The part of `telemetry` that is about traces: where they go, and of how many messages.

use super::check;
use super::mistake::{Wrong, shown};
use super::reader::Section;
use super::secret::Secret;

/// What traces are sent to where `otlpUrl` has no path, as OpenTelemetry says.
const TRACES_PATH: &str = "/v1/traces";
const RATIO_DEFAULT: f64 = 0.01;

/// Where traces go; nothing is traced without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TracesConfig {
    /// `otlpUrl`: the collector, with the path for traces.
    pub(crate) url: String,
    /// `traceRatio`: the share of messages that are traced; default 0.01.
    pub(crate) ratio: Ratio,
    /// `traceUsers`: whether spans name the users; default true.
    pub(crate) users: bool,
    /// `otlpHeadersFile`: headers for the collector, which are secret.
    pub(crate) headers: Vec<(String, Secret)>,
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio(f64);

/// It is never NaN.
impl Eq for Ratio {}

impl Ratio {
    pub(crate) fn as_f64(self) -> f64 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |what: &str| {
            Wrong::new(
                format!("{} {what}", shown(text)),
                "a number from 0 to 1, such as 0.01",
            )
        };
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b".-+eE".contains(&b));
        let number: f64 = text
            .parse()
            .ok()
            .filter(|_| is_plain)
            .ok_or_else(|| wrong("is not a number"))?;
        match (0.0..=1.0).contains(&number) {
            true => Ok(Self(number)),
            false => Err(wrong("is out of range")),
        }
    }
}

/// `None` without `otlpUrl`.
pub(super) fn read(section: &mut Section<'_>) -> Option<TracesConfig> {
    let url = section.parsed("otlpUrl", "the http url of a collector", otlp_url);
    let ratio = section.parsed("traceRatio", "a number from 0 to 1", Ratio::parse);
    let users = section.boolean("traceUsers", true);
    let headers = section.secret_file("otlpHeadersFile", |text| headers_of(text).map(drop));
    Some(TracesConfig {
        url: url?,
        ratio: ratio.unwrap_or(Ratio(RATIO_DEFAULT)),
        users,
        headers: headers
            .and_then(|text| headers_of(text.expose()).ok())
            .unwrap_or_default(),
    })
}

/// With `/v1/traces` where it has no path.
fn otlp_url(text: &str) -> Result<String, Wrong> {
    let url = check::http_url(text)?;
    let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, path) =
        after_scheme.split_at(after_scheme.find(['/', '?']).unwrap_or(after_scheme.len()));
    if path.contains('?') {
        return Err(Wrong::new(
            "the url has a query",
            "http://HOST:PORT or https://HOST/PATH, without user, query and fragment",
        ));
    }
    let scheme = &url[..url.len() - after_scheme.len()];
    Ok(match path {
        "" | "/" => format!("{scheme}{authority}{TRACES_PATH}"),
        _ => url,
    })
}

/// `NAME: VALUE` a line, as in HTTP; empty lines and those that begin with `#` are none. Never says what a value is.
fn headers_of(text: &str) -> Result<Vec<(String, Secret)>, Wrong> {
    let mut headers = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let header = line
            .split_once(':')
            .map(|(name, value)| (name.trim(), value.trim()));
        let sound = header.filter(|(name, value)| {
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let is_value = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
            !name.is_empty() && name.bytes().all(is_name) && !value.is_empty() && value.bytes().all(is_value)
        });
        let Some((name, value)) = sound else {
            return Err(Wrong::new(
                format!("line {} is not a header", number + 1),
                "NAME: VALUE on each line, such as Authorization: Bearer …",
            ));
        };
        headers.push((name.to_owned(), Secret::new(value)));
    }
    Ok(headers)
}
