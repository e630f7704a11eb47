//! The directory a node works with: from the meta document where there is one, else its own domain alone.

use std::collections::HashSet;
use std::sync::Arc;

use linker_actors::core::app::ClientApps;
use linker_actors::core::directory::Directory;
use linker_actors::core::meta::MetaDocument;
use linker_actors::core::network::Domain;

use crate::config::{Config, MetaFile, Mistake, Mistakes, Place, Wrong};

/// The directory, and what is odd about the document it comes from. `own_url` is what clients of this domain are told to connect to where no document
/// says so.
pub(crate) fn directory(config: &Config, own_url: String) -> Result<(Directory, Vec<String>), Mistakes> {
    match &config.meta {
        Some(meta) => from_document(config, meta),
        None => {
            let domain = Domain {
                name: config.node.domain.clone(),
                ws_urls: vec![own_url],
                amqp_urls: Vec::new(),
            };
            Ok((Directory::single(domain, Arc::new(own_apps(config)?)), Vec::new()))
        }
    }
}

fn own_apps(config: &Config) -> Result<ClientApps, Mistakes> {
    ClientApps::new(config.client_apps.apps.clone()).map_err(|problems| {
        let place = config.client_apps.place.clone().unwrap_or(Place::Default);
        let mistakes = problems.into_iter().map(|problem| Mistake {
            place: place.clone(),
            key: format!("clientApps[{}]", problem.index),
            wrong: Wrong::new(problem.fault.to_string(), "apps with names and ids of their own"),
        });
        Mistakes::new(mistakes.collect())
    })
}

fn from_document(config: &Config, meta: &MetaFile) -> Result<(Directory, Vec<String>), Mistakes> {
    let name: Arc<str> = meta.path.display().to_string().into();
    let place = Place::File { name, line: None };
    let unreadable = |error: std::io::Error| {
        Mistakes::one(
            meta.place.clone(),
            "meta.file",
            Wrong::new(
                format!("{} cannot be read: {error}", meta.path.display()),
                "the path of a meta document",
            ),
        )
    };
    let text = std::fs::read_to_string(&meta.path).map_err(unreadable)?;
    let document: MetaDocument = serde_saphyr::from_str(&text).map_err(|error| {
        Mistakes::one(
            place.clone(),
            "",
            Wrong::new(error.to_string(), "a meta document in YAML"),
        )
    })?;
    let checked = document.validate().map_err(|problems| {
        let mistakes = problems.into_iter().map(|problem| Mistake {
            place: place.clone(),
            key: String::new(),
            wrong: Wrong::new(problem.to_string(), "see the message"),
        });
        Mistakes::new(mistakes.collect())
    })?;
    let warnings = checked
        .warnings
        .iter()
        .map(|warning| format!("{}: {warning}", meta.path.display()))
        .collect();
    let network = checked.value;
    let apps = match (network.apps.is_empty(), config.client_apps.apps.is_empty()) {
        (true, true) => {
            let wrong = Wrong::new(
                "no client app stands here or in the meta document",
                "at least one",
            );
            return Err(Mistakes::one(place, "clientApps", wrong));
        }
        (false, false) => {
            let own = config.client_apps.place.clone().unwrap_or(Place::Default);
            let wrong = Wrong::new(
                "client apps stand here and in the meta document",
                "one of the two",
            );
            return Err(Mistakes::one(own, "clientApps", wrong));
        }
        (true, false) => own_apps(config)?,
        (false, true) => network.apps,
    };
    let directory = Directory::new(
        &config.node.domain,
        Arc::new(apps),
        Arc::new(network.distributions),
        &Arc::new(network.topology),
        &HashSet::new(),
    )
    .map_err(|error| {
        Mistakes::one(
            place,
            "domains",
            Wrong::new(error.to_string(), "a domain named like node.domain"),
        )
    })?;
    Ok((directory, warnings))
}
