//! Who checks the logins of which app.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use linker_core::app::{AuthMethod, ClientApps};
use linker_core::id::AppName;
use linker_core::port::Authenticator;

use crate::adapter::auth::for_method;

/// What an app names for its logins, and what that was made into.
type Made = HashMap<AppName, (AuthMethod, Arc<dyn Authenticator>)>;

/// The authenticators of the apps in force, which change with the directory.
pub(crate) struct Authenticators {
    /// The host's own; they win over what an app names.
    own: HashMap<AppName, Arc<dyn Authenticator>>,
    made: ArcSwap<Made>,
}

/// The authenticators of other apps, not in force yet.
#[derive(Default)]
pub(crate) struct PreparedAuthenticators(Made);

impl Authenticators {
    pub(crate) fn new(own: HashMap<AppName, Arc<dyn Authenticator>>) -> Self {
        Self {
            own,
            made: ArcSwap::default(),
        }
    }

    /// `None` for an app that is not in force (any more): nobody is believed unasked.
    pub(crate) fn of(&self, app: &AppName) -> Option<Arc<dyn Authenticator>> {
        let made = self.made.load();
        let own = self.own.get(app);
        own.or_else(|| made.get(app).map(|(_, authenticator)| authenticator))
            .map(Arc::clone)
    }

    /// Makes what these apps need and there is not yet. Reads key files, and blocks for it.
    ///
    /// # Errors
    /// The app and what is wrong with what it names.
    pub(crate) fn prepare(&self, apps: &ClientApps) -> Result<PreparedAuthenticators, String> {
        let in_force = self.made.load();
        let mut made = Made::new();
        for app in apps.iter().filter(|app| !self.own.contains_key(&app.app_name)) {
            // One that goes on keeps its connections, and follows its key file as before.
            let known = in_force
                .get(&app.app_name)
                .filter(|(method, _)| *method == app.auth);
            let authenticator = match known {
                Some((_, authenticator)) => Arc::clone(authenticator),
                None => for_method(&app.auth).map_err(|error| format!("{}: {error}", app.app_name))?,
            };
            made.insert(app.app_name, (app.auth.clone(), authenticator));
        }
        Ok(PreparedAuthenticators(made))
    }

    pub(crate) fn put_in_force(&self, prepared: PreparedAuthenticators) {
        self.made.store(Arc::new(prepared.0));
    }
}
