//! `links`: how to reach the brokers of neighbouring domains.

use std::collections::HashMap;

use linker_actors::core::id::DomainName;

use super::backend::broker_url;
use super::mistake::Wrong;
use super::reader::Section;
use super::secret::Secret;

const ALLOWED: &str = "amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…";

/// Where neighbours' brokers are (`links.DOMAIN.url` or `links.DOMAIN.urlFile`); wins over the meta document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinksConfig {
    pub(crate) urls: HashMap<DomainName, Secret>,
}

impl LinksConfig {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let read = root.mapped("links", |link| {
            let url = link.secret("url", check_url);
            let from_file = link.secret_file("urlFile", check_url);
            let is_given = link.has("url") || link.has("urlFile");
            if link.has("url") && link.has("urlFile") {
                link.wrong(
                    "urlFile",
                    Wrong::new("url is given too", "url or urlFile, not both"),
                );
            } else if !is_given {
                link.wrong("url", Wrong::new("missing", ALLOWED));
            }
            url.or(from_file)
        });
        let mut urls = HashMap::new();
        for (name, place, url) in read {
            match name.parse::<DomainName>() {
                Ok(domain) => urls.extend(url.map(|url| (domain, url))),
                Err(error) => {
                    let wrong = Wrong::new(error.to_string(), "the name of a domain");
                    root.reading.mistake(place, format!("links.{name}"), wrong);
                }
            }
        }
        Self { urls }
    }
}

fn check_url(text: &str) -> Result<(), Wrong> {
    broker_url(text, ALLOWED).map(drop)
}
