//! `server.tokens`: who may use the API, and for what.

use std::collections::BTreeSet;

use linker_core::id::AppName;

use super::check;
use super::mistake::{Wrong, shown};
use super::reader::{Reading, Section, parsed};
use super::secret::Secret;
use super::yaml::{Node, Value};

const SCOPES: [(&str, Scope); 3] = [
    ("send", Scope::Send),
    ("read", Scope::Read),
    ("admin", Scope::Admin),
];
const SCOPES_ALLOWED: &str = "send, read, admin";

/// What a bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Send messages and pushes.
    Send,
    /// See users, nodes, domains, pushes and messages.
    Read,
    /// All of that, and close sessions.
    Admin,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiToken {
    pub(crate) token: Secret,
    pub(crate) scopes: BTreeSet<Scope>,
    /// `apps`: the client apps that it is bound to; `None`: to none of them.
    pub(crate) apps: Option<BTreeSet<AppName>>,
}

pub(super) fn read(server: &mut Section<'_>) -> Vec<ApiToken> {
    let items = server.list("tokens").unwrap_or_default();
    let tokens = items
        .into_iter()
        .filter_map(|(path, item)| read_token(server.reading, path, item));
    tokens.collect()
}

fn read_token(reading: &Reading<'_>, path: String, item: Node) -> Option<ApiToken> {
    let Node { value, place } = parsed(item);
    let Value::Mapping(entries) = value else {
        let wrong = Wrong::new(
            format!("{} where keys are expected", value.kind()),
            "{token: …, scopes: […]} or {tokenFile: …, scopes: […]}",
        );
        reading.mistake(place, path, wrong);
        return None;
    };
    Section::read_layers(reading, path, place, vec![entries], |section| {
        let token = section.secret("token", check::bearer_token);
        let from_file = section.secret_file("tokenFile", check::bearer_token);
        match (section.has("token"), section.has("tokenFile")) {
            (true, true) => section.wrong(
                "tokenFile",
                Wrong::new("token is given too", "token or tokenFile, not both"),
            ),
            (false, false) => section.wrong("token", Wrong::new("missing", "token or tokenFile")),
            _ => {}
        }
        let scopes = read_scopes(section);
        let apps = section.one_or_more(
            "apps",
            "the appName of a client app, or a list of them",
            check::app_name,
        );
        Some(ApiToken {
            token: token.or(from_file)?,
            scopes,
            apps: apps.map(BTreeSet::from_iter),
        })
    })
}

fn read_scopes(section: &mut Section<'_>) -> BTreeSet<Scope> {
    let known = |text: &str| {
        let scope = SCOPES.iter().find(|(name, _)| *name == text);
        scope
            .map(|(_, scope)| *scope)
            .ok_or_else(|| Wrong::new(format!("{} is no scope", shown(text)), SCOPES_ALLOWED))
    };
    let mistakes_before = section.reading.mistake_count();
    let scopes = section.parsed_list("scopes", SCOPES_ALLOWED, known);
    let is_faulty = section.reading.mistake_count() > mistakes_before;
    if !section.has("scopes") || !is_faulty && scopes.as_ref().is_some_and(Vec::is_empty) {
        section.wrong(
            "scopes",
            Wrong::new("missing", format!("some of {SCOPES_ALLOWED}")),
        );
    }
    scopes.unwrap_or_default().into_iter().collect()
}
