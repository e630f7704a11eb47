//! `clientApps`: whose users may come, and who vouches for them.

use std::collections::HashMap;
use std::time::Duration;

use linker_core::app::{AUTH_TIMEOUT_DEFAULT, AuthMethod, ClientApp};

use super::check;
use super::jwt;
use super::mistake::{Place, Wrong};
use super::reader::{Reading, Section, parsed};
use super::yaml::{Node, Value};

const AUTH_TIMEOUT_MIN: Duration = Duration::from_millis(10);
const AUTH_TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);

/// The client apps that the node's own configuration gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientAppsConfig {
    /// Empty only where a meta document is named, which must have them then.
    pub(crate) apps: Vec<ClientApp>,
    /// Where they are given; `None` for the embedded default's, and where none are. With a meta document that has
    /// client apps too this is the place of the mistake.
    pub(crate) place: Option<Place>,
}

impl ClientAppsConfig {
    /// Reads `clientApps`. Without a file and without a meta document the seed's demo app is the default.
    pub(super) fn read(root: &mut Section<'_>, has_file: bool, has_meta: bool) -> Self {
        const NEEDED: &str = "one client app at least, here or in the document of meta.file";
        let list = root.list("clientApps");
        if !root.has("clientApps") {
            if has_file && !has_meta {
                root.wrong("clientApps", Wrong::new("missing", NEEDED));
            }
            let apps = if has_file || has_meta { Vec::new() } else { demo() };
            return Self { apps, place: None };
        }
        let is_empty_list = list.as_ref().is_some_and(Vec::is_empty);
        let items = list.unwrap_or_default();
        if is_empty_list && !has_meta {
            root.wrong("clientApps", Wrong::new("the list is empty", NEEDED));
        }
        let place = (!items.is_empty()).then(|| root.place_of("clientApps"));
        let mut names = Uniqueness::new("appName");
        let mut ids = Uniqueness::new("appId");
        let mut apps = Vec::new();
        for (path, item) in items {
            apps.extend(read_app(root.reading, path, item, &mut names, &mut ids));
        }
        Self { apps, place }
    }
}

/// The demo client app of the seed, the embedded default.
#[expect(clippy::expect_used, reason = "constants that the test of the defaults reads")]
fn demo() -> Vec<ClientApp> {
    vec![ClientApp {
        app_name: "ANZ".parse().expect("the default is a name"),
        app_id: "app-id-343".to_owned(),
        master: Some("ANZ-123223".parse().expect("the default is a user id")),
        isolated: false,
        auth: AuthMethod::None,
    }]
}

fn read_app(
    reading: &Reading<'_>,
    path: String,
    item: Node,
    names: &mut Uniqueness,
    ids: &mut Uniqueness,
) -> Option<ClientApp> {
    let Node { value, place } = parsed(item);
    let Value::Mapping(entries) = value else {
        let wrong = Wrong::new(
            format!("{} where keys are expected", value.kind()),
            "{appName: …, appId: …}",
        );
        reading.mistake(place, path, wrong);
        return None;
    };
    Section::read_layers(reading, path, place, vec![entries], |app| {
        let app_name = required(app, "appName", check::app_name);
        let app_id = required(app, "appId", check::app_id);
        if let Some(name) = &app_name {
            names.check(app, name.as_str());
        }
        if let Some(id) = &app_id {
            ids.check(app, id);
        }
        let master = app.parsed("masterUserId", "a user id", check::user_id);
        if let (Some(name), Some(master)) = (&app_name, &master)
            && master.app() != name
        {
            let wrong = Wrong::new(
                format!("{master} is a user of another app"),
                format!("a user of {name}, {name}-1 say"),
            );
            app.wrong("masterUserId", wrong);
        }
        let isolated = app.boolean("isolated", false);
        let auth = read_authentication(app);
        Some(ClientApp {
            app_name: app_name?,
            app_id: app_id?,
            master,
            isolated,
            auth,
        })
    })
}

fn required<T>(app: &mut Section<'_>, name: &'static str, check: fn(&str) -> Result<T, Wrong>) -> Option<T> {
    if !app.has(name) {
        app.wrong(
            name,
            Wrong::new("missing", "every client app has an appName and an appId"),
        );
    }
    app.parsed(name, "a text", check)
}

fn read_authentication(app: &mut Section<'_>) -> AuthMethod {
    let enabled = app.boolean("authEnabled", false);
    let url = app.parsed("authUrl", "an http url", check::http_url);
    let timeout = app.duration(
        "authTimeout",
        AUTH_TIMEOUT_MIN..=AUTH_TIMEOUT_MAX,
        AUTH_TIMEOUT_DEFAULT,
    );
    let has_jwt = app.has("jwt");
    let jwt = app.section("jwt", |section| if has_jwt { jwt::read(section) } else { None });
    let has_url = app.has("authUrl");
    if has_jwt && has_url {
        app.wrong(
            "jwt",
            Wrong::new("authUrl is given too", "authUrl or jwt, not both"),
        );
    }
    if has_jwt && app.has("authTimeout") {
        app.wrong(
            "authTimeout",
            Wrong::new(
                "jwt asks nobody, so there is nothing to wait for",
                "authTimeout with authUrl",
            ),
        );
    }
    // The seed lists an authUrl that is switched off; a key for tokens that nobody checks is a mistake with consequences.
    if has_jwt && !app.has("authEnabled") {
        app.wrong(
            "jwt",
            Wrong::new(
                "tokens are not checked without authEnabled",
                "authEnabled: true beside it, or false",
            ),
        );
    }
    if enabled && !has_jwt && !has_url {
        app.wrong(
            "authEnabled",
            Wrong::new("true, but nothing says how", "authUrl or jwt beside it"),
        );
    }
    match (enabled, url, jwt) {
        (true, Some(url), _) => AuthMethod::Callback { url, timeout },
        (true, None, Some(jwt)) => jwt,
        // With `enabled` this is a mistake that has been reported: such a configuration never gets out.
        _ => AuthMethod::None,
    }
}

/// Tells when a value that must be unique comes again.
struct Uniqueness {
    key: &'static str,
    seen: HashMap<String, Place>,
}

impl Uniqueness {
    fn new(key: &'static str) -> Self {
        Self {
            key,
            seen: HashMap::new(),
        }
    }

    fn check(&mut self, app: &Section<'_>, value: &str) {
        let place = app.place_of(self.key);
        if let Some(first) = self.seen.get(value) {
            let what = format!(
                "{} is given twice, first at {first}",
                super::mistake::shown(value)
            );
            app.wrong(
                self.key,
                Wrong::new(what, format!("an {} of its own for every client app", self.key)),
            );
            return;
        }
        self.seen.insert(value.to_owned(), place);
    }
}
