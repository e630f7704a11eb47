//! `upstream`: where what clients send to the application goes, and what the application is told besides.

use std::time::Duration;

use linker_actors::adapter::webhook::{WEBHOOK_SECRET_LEN_MIN, WebhookSink};
use linker_actors::core::upstream::UpstreamEvent;

use super::backend::{broker_url, has_scheme, whole_url};
use super::mistake::{Wrong, shown};
use super::reader::{Found, Section};
use super::secret::Secret;
use super::values::scalar_of;

const ALLOWED: &str =
    "amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…, http://HOST/PATH or https://HOST/PATH";
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// The application behind this domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamConfig {
    /// `url` or `urlFile`; `None`: there is none, and clients cannot send to it.
    pub(crate) target: Option<UpstreamTarget>,
    /// `timeout`: how long a webhook has to answer, or a broker to confirm; default 10 s.
    pub(crate) timeout: Duration,
    /// `events`: what it is told of; default nothing.
    pub(crate) events: Vec<UpstreamEvent>,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamTarget {
    /// `amqp://…`, `amqps://…`: behind a topic exchange. It may hold a password.
    Rabbit(Secret),
    /// `http://…`, `https://…`: a webhook. Its url may hold a password.
    Webhook {
        /// Where to post to.
        url: Secret,
        /// `secret` or the content of `secretFile`: what signs the posts.
        secret: Secret,
    },
}

impl UpstreamConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let url = either(section, "url", "urlFile", check_url);
        let secret = either(section, "secret", "secretFile", check_secret);
        let timeout = section.duration("timeout", TIMEOUT_MIN..=TIMEOUT_MAX, TIMEOUT_DEFAULT);
        let events = read_events(section);
        let has_url = section.has("url") || section.has("urlFile");
        let has_secret = section.has("secret") || section.has("secretFile");
        let key_of_secret = match section.has("secret") {
            true => "secret",
            false => "secretFile",
        };
        let target = match url {
            None => {
                if !has_url && has_secret {
                    section.wrong(
                        key_of_secret,
                        Wrong::new("there is no url to post to", "a url too"),
                    );
                }
                if !has_url && !events.is_empty() {
                    let wrong = Wrong::new("there is no url to tell them to", "a url too, or no events");
                    section.wrong("events", wrong);
                }
                None
            }
            Some(url) if has_scheme(url.expose(), &["http", "https"]) => {
                if !has_secret {
                    let wrong = Wrong::new(
                        "missing",
                        "secret or secretFile, by which the webhook knows who posts",
                    );
                    section.wrong("secret", wrong);
                }
                secret.map(|secret| UpstreamTarget::Webhook { url, secret })
            }
            Some(url) => {
                if has_secret {
                    let wrong =
                        Wrong::new("only posts to a webhook are signed", "no secret with an amqp url");
                    section.wrong(key_of_secret, wrong);
                }
                Some(UpstreamTarget::Rabbit(url))
            }
        };
        Self {
            target,
            timeout,
            events,
        }
    }
}

/// A secret that stands in the configuration or in a file.
fn either(
    section: &mut Section<'_>,
    name: &'static str,
    file: &'static str,
    check: fn(&str) -> Result<(), Wrong>,
) -> Option<Secret> {
    let given = section.secret(name, check);
    let from_file = section.secret_file(file, check);
    if section.has(name) && section.has(file) {
        let wrong = Wrong::new(
            format!("{name} is given too"),
            format!("{name} or {file}, not both"),
        );
        section.wrong(file, wrong);
    }
    given.or(from_file)
}

fn check_url(text: &str) -> Result<(), Wrong> {
    if has_scheme(text, &["amqp", "amqps"]) {
        return broker_url(text, ALLOWED).map(drop);
    }
    whole_url(text, &["http", "https"], ALLOWED)?;
    WebhookSink::check_url(text).map_err(|_| Wrong::new("not a url to post to", ALLOWED))
}

fn check_secret(text: &str) -> Result<(), Wrong> {
    if text.len() >= WEBHOOK_SECRET_LEN_MIN {
        return Ok(());
    }
    Err(Wrong::new(
        format!("a secret of {} bytes", text.len()),
        format!("at least {WEBHOOK_SECRET_LEN_MIN} bytes, the output of `openssl rand -base64 48` say"),
    ))
}

fn read_events(section: &mut Section<'_>) -> Vec<UpstreamEvent> {
    let names = UpstreamEvent::ALL.map(UpstreamEvent::as_str).join(", ");
    let mut events = Vec::new();
    for (path, item) in section.list("events").unwrap_or_default() {
        let place = item.place.clone();
        let found = Found {
            node: item,
            place: place.clone(),
        };
        let event = scalar_of(found, "the name of an event").and_then(|scalar| {
            let mut all = UpstreamEvent::ALL.into_iter();
            let known = all.find(|event| event.as_str() == scalar.text);
            known.ok_or_else(|| Wrong::new(format!("{} is unknown", shown(&scalar.text)), names.as_str()))
        });
        match event {
            Ok(event) if events.contains(&event) => {
                let wrong = Wrong::new(format!("{} is there already", event.as_str()), "each once");
                section.reading.mistake(place, path, wrong);
            }
            Ok(event) => events.push(event),
            Err(wrong) => section.reading.mistake(place, path, wrong),
        }
    }
    events
}
