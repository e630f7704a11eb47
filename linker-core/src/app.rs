//! Client apps: whose users may log in, how, and with whom they may speak.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{AppName, UserId};
use crate::limit::APP_ID_LEN_MAX;

/// Signature algorithms of tokens (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum JwtAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// As in a token's `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether who can check a token could also make one: its key is a secret.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl std::fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm of [`JwtAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a known algorithm; allowed: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
)]
pub struct JwtAlgorithmError;

impl FromStr for JwtAlgorithm {
    type Err = JwtAlgorithmError;

    fn from_str(text: &str) -> Result<Self, JwtAlgorithmError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(JwtAlgorithmError)
    }
}

/// Where the key that checks tokens is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKey {
    /// A public key in PEM, never a secret.
    PublicKey(String),
    /// A file on the node with one key: PEM, or the secret of an `HS…` algorithm. The line end after a secret that is text is not part of it.
    KeyFile(PathBuf),
    /// A file on the node with a JWK set (RFC 7517), chosen from by the token's `kid`.
    JwksFile(PathBuf),
}

/// What a token has to say besides whose it is and until when, so that one that the same key signs for another service is not believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedClaims {
    /// Its `aud` is one of these, or has one of these in it; empty: anything, and none at all.
    pub audience: Vec<String>,
    /// Its `iss`; `None`: anything, and none at all.
    pub issuer: Option<String>,
}

impl ExpectedClaims {
    /// Audiences of one app.
    pub const AUDIENCES_MAX: usize = 16;
    /// What [`ExpectedClaims::is_claim`] allows, in words.
    pub const CLAIM_ALLOWED: &str = "1 to 256 bytes without control characters, as the tokens have it";

    /// Whether this can be an audience or an issuer.
    pub fn is_claim(text: &str) -> bool {
        (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
    }
}

/// How long an app that is asked by HTTP has to answer where nothing else is said (`authTimeout`).
pub const AUTH_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);

/// How an app's users prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMethod {
    /// Not at all: the app id is enough.
    None,
    /// Their app is asked by HTTP.
    Callback {
        /// Where to post to, `http://` or `https://`, without user and password.
        url: String,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// By a signed token.
    Jwt {
        /// The one algorithm that is believed.
        algorithm: JwtAlgorithm,
        /// What checks it.
        key: JwtKey,
        /// What else it has to say.
        expected: ExpectedClaims,
    },
}

/// A client app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientApp {
    /// Prefix of its users' ids.
    pub app_name: AppName,
    /// What its clients show at login, 1 to 256 bytes.
    pub app_id: String,
    /// A user of this app with more rights and more events.
    pub master: Option<UserId>,
    /// Its users speak only with each other.
    pub isolated: bool,
    /// How its users log in.
    pub auth: AuthMethod,
}

impl ClientApp {
    /// Whether `user` is this app's master.
    pub fn is_master(&self, user: &UserId) -> bool {
        self.master.as_ref() == Some(user)
    }

    /// Whether a session that began when this app was `former` may go on: its login showed what a login has to show now. Who answers for the app's users, and
    /// within what time, may have changed; what they have to show may not.
    pub fn admits_sessions_of(&self, former: &Self) -> bool {
        let proof_suffices = match (&self.auth, &former.auth) {
            (AuthMethod::None, _) => true,
            (AuthMethod::Callback { .. }, AuthMethod::Callback { .. }) => true,
            (now, then) => now == then,
        };
        self.app_id == former.app_id && proof_suffices
    }
}

/// What is wrong with an app among others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppFault {
    /// Two apps of one name: whose user would `NAME-1` be?
    #[error("the appName {0} is used twice; allowed: a name of its own for each app")]
    RepeatedName(AppName),
    /// Two apps of one id.
    #[error("the appId {0:?} is used twice; allowed: an id of its own for each app")]
    RepeatedId(String),
    /// A name that Linker has for something else.
    #[error("the appName {0} is Linker's own; allowed: any other")]
    ReservedName(AppName),
    /// The id is empty or too long.
    #[error("the appId has {0} bytes; allowed: 1 to {APP_ID_LEN_MAX}")]
    IdLength(usize),
    /// The master is a user of another app.
    #[error("the master {master} is not a user of this app; allowed: {app}-<number>")]
    ForeignMaster {
        /// The master given.
        master: UserId,
        /// The app it was given for.
        app: AppName,
    },
}

/// A fault, and the place in the list given of the app that has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("client app {index}: {fault}")]
pub struct AppProblem {
    /// Which app, from 0.
    pub index: usize,
    /// What is wrong.
    #[source]
    pub fault: AppFault,
}

/// All client apps, by name and by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientApps {
    apps: Vec<Arc<ClientApp>>,
    by_name: HashMap<AppName, usize>,
    by_id: HashMap<String, usize>,
}

impl ClientApps {
    /// Takes the apps if they go together.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn new(apps: Vec<ClientApp>) -> Result<Self, Vec<AppProblem>> {
        let mut problems = Vec::new();
        let mut by_name = HashMap::with_capacity(apps.len());
        let mut by_id = HashMap::with_capacity(apps.len());
        for (index, app) in apps.iter().enumerate() {
            let mut report = |fault| problems.push(AppProblem { index, fault });
            match by_name.entry(app.app_name) {
                Entry::Vacant(place) => drop(place.insert(index)),
                Entry::Occupied(_) => report(AppFault::RepeatedName(app.app_name)),
            }
            if app.app_name == AppName::UPSTREAM {
                report(AppFault::ReservedName(app.app_name));
            }
            if app.app_id.is_empty() || app.app_id.len() > APP_ID_LEN_MAX {
                report(AppFault::IdLength(app.app_id.len()));
            }
            match by_id.entry(app.app_id.clone()) {
                Entry::Vacant(place) => drop(place.insert(index)),
                Entry::Occupied(_) => report(AppFault::RepeatedId(app.app_id.clone())),
            }
            if let Some(master) = app.master.filter(|master| *master.app() != app.app_name) {
                report(AppFault::ForeignMaster {
                    master,
                    app: app.app_name,
                });
            }
        }
        if problems.is_empty() {
            Ok(Self {
                apps: apps.into_iter().map(Arc::new).collect(),
                by_name,
                by_id,
            })
        } else {
            Err(problems)
        }
    }

    /// The app with this id.
    pub fn by_id(&self, app_id: &str) -> Option<&Arc<ClientApp>> {
        self.by_id.get(app_id).and_then(|index| self.apps.get(*index))
    }

    /// The app with this name.
    pub fn by_name(&self, app_name: &AppName) -> Option<&Arc<ClientApp>> {
        self.by_name.get(app_name).and_then(|index| self.apps.get(*index))
    }

    /// All apps, in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<ClientApp>> {
        self.apps.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }
}
