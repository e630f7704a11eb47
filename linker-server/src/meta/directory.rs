//! The directory a node works with from its start: by the meta document in a file where there is one, else its own domain alone. That of a meta server comes
//! later and may change.

use std::sync::Arc;

use linker_actors::core::app::ClientApps;
use linker_actors::core::directory::Directory;
use linker_actors::core::meta::MetaUnfit;
use linker_actors::core::network::Domain;

use super::document;
use crate::config::{Config, MetaFile, MetaSource, Mistake, Mistakes, Place, Surroundings, Wrong};

/// The directory, and what is odd about the document it comes from; none where the document is a meta server's. `own_url` is what clients of this domain are
/// told to connect to where no document says so; `surroundings` is who reads the document.
pub(crate) fn directory(
    config: &Config,
    own_url: String,
    surroundings: &dyn Surroundings,
) -> Result<(Option<Directory>, Vec<String>), Mistakes> {
    match &config.meta {
        Some(MetaSource::File(meta)) => {
            let (directory, warnings) = from_file(config, meta, surroundings)?;
            Ok((Some(directory), warnings))
        }
        Some(MetaSource::Server { .. }) => Ok((None, Vec::new())),
        None => {
            let domain = Domain {
                name: config.node.domain.clone(),
                ws_urls: vec![own_url],
                amqp_urls: Vec::new(),
            };
            Ok((Some(Directory::single(domain, own_apps(config)?)), Vec::new()))
        }
    }
}

/// The client apps of the node's own configuration.
pub(crate) fn own_apps(config: &Config) -> Result<Arc<ClientApps>, Mistakes> {
    let apps = ClientApps::new(config.client_apps.apps.clone()).map_err(|problems| {
        let place = config.client_apps.place.clone().unwrap_or(Place::Default);
        let mistakes = problems.into_iter().map(|problem| Mistake {
            place: place.clone(),
            key: format!("clientApps[{}]", problem.index),
            wrong: Wrong::new(problem.fault.to_string(), "apps with names and ids of their own"),
        });
        Mistakes::new(mistakes.collect())
    })?;
    Ok(Arc::new(apps))
}

fn from_file(
    config: &Config,
    meta: &MetaFile,
    surroundings: &dyn Surroundings,
) -> Result<(Directory, Vec<String>), Mistakes> {
    let bytes = document::read(&meta.path, surroundings).map_err(|error| {
        let what = format!("{} cannot be read: {error}", meta.path.display());
        let wrong = Wrong::new(what, "the path of a meta document");
        Mistakes::one(meta.place.clone(), "meta.file", wrong)
    })?;
    let sound = document::judge(&meta.path, &bytes)?;
    let own_apps = own_apps(config)?;
    let directory = sound.network.directory(&config.node.domain, &own_apps);
    let directory = directory.map_err(|unfit| {
        let own_place = config.client_apps.place.clone();
        let (place, key) = match &unfit {
            MetaUnfit::AppsTwice => (own_place, "clientApps"),
            MetaUnfit::NoApps => (None, "clientApps"),
            _ => (None, "domains"),
        };
        let place = place.unwrap_or_else(|| document::place(&meta.path));
        let allowed = match &unfit {
            MetaUnfit::Directory(_) => "a domain named like node.domain",
            _ => "",
        };
        Mistakes::one(place, key, Wrong::new(unfit.to_string(), allowed))
    })?;
    Ok((directory, sound.warnings))
}
