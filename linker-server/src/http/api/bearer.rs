//! Who may call what: tokens and their scopes.

use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use arc_swap::ArcSwap;
use linker_core::id::{AppName, UserId};
use subtle::ConstantTimeEq;

use crate::config::{ApiToken, Scope, Secret, ServerConfig};
use crate::http::problem::Problem;

/// The tokens of this node, which may change while it runs.
pub(crate) struct Tokens(ArcSwap<InForce>);

struct InForce {
    tokens: Vec<ApiToken>,
    /// Of the administrator: needed for the metrics, where they are guarded.
    admin: Option<Secret>,
    metrics_auth: bool,
}

impl InForce {
    fn new(config: &ServerConfig) -> Self {
        let admin = config.admin_token.iter().map(|token| ApiToken {
            token: token.clone(),
            scopes: BTreeSet::from([Scope::Admin]),
            apps: None,
        });
        Self {
            tokens: admin.chain(config.tokens.iter().cloned()).collect(),
            admin: config.admin_token.clone(),
            metrics_auth: config.metrics_auth,
        }
    }
}

impl Tokens {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self(ArcSwap::from_pointee(InForce::new(config)))
    }

    /// From now on these, and no others.
    pub(crate) fn replace(&self, config: &ServerConfig) {
        self.0.store(Arc::new(InForce::new(config)));
    }

    /// What the token may that the request bears. None is needed where there is none: then only this machine can ask.
    fn rights(&self, request: &HttpRequest) -> Result<Rights, Problem> {
        let in_force = self.0.load();
        if in_force.tokens.is_empty() {
            return match is_of_this_machine(request) {
                true => Ok(Rights {
                    scopes: BTreeSet::from([Scope::Admin]),
                    apps: None,
                }),
                false => Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "without a token only programs of this machine may call: not pages of other origins, nor by another host name than localhost or an address",
                )),
            };
        }
        let given = given(request);
        let mut found = None;
        // All are compared, so that the time tells nothing.
        for token in &in_force.tokens {
            if given.is_some_and(|given| same(given, &token.token)) {
                found = Some(token);
            }
        }
        let rights = found.map(|token| Rights {
            scopes: token.scopes.clone(),
            apps: token.apps.clone(),
        });
        rights.ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "the API needs `Authorization: Bearer` with server.adminToken or one of server.tokens",
            )
        })
    }

    fn check(&self, request: &HttpRequest, wanted: Scope) -> Result<Rights, Problem> {
        let rights = self.rights(request)?;
        if rights.scopes.contains(&wanted) || rights.scopes.contains(&Scope::Admin) {
            return Ok(rights);
        }
        Err(forbidden(format!(
            "this token does not have the scope {}",
            name(wanted)
        )))
    }

    /// Whether the metrics may be read.
    pub(crate) fn check_metrics(&self, request: &HttpRequest) -> Result<(), Problem> {
        let in_force = self.0.load();
        let Some(token) = in_force.admin.as_ref().filter(|_| in_force.metrics_auth) else {
            return Ok(());
        };
        match given(request).is_some_and(|given| same(given, token)) {
            true => Ok(()),
            false => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "the metrics need `Authorization: Bearer` with server.adminToken",
            )),
        }
    }
}

/// What a token may.
struct Rights {
    scopes: BTreeSet<Scope>,
    /// Of which apps; `None`: of all, and what is no app's.
    apps: Option<BTreeSet<AppName>>,
}

const fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Send => "send",
        Scope::Read => "read",
        Scope::Admin => "admin",
    }
}

/// Whether no page of another origin can have made it, by a name of its own that leads here or otherwise.
fn is_of_this_machine(request: &HttpRequest) -> bool {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let host = header(header::HOST).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = literal.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost");
    let same_origin = header(header::ORIGIN).is_none_or(|origin| {
        let of = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        of == Some(host)
    });
    is_here && same_origin
}

fn given(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn same(given: &str, token: &Secret) -> bool {
    given.as_bytes().ct_eq(token.expose().as_bytes()).into()
}

/// A scope, as a type.
pub(super) trait Needed {
    const SCOPE: Scope;
}

/// May send.
pub(super) struct Sends;
/// May read.
pub(super) struct Reads;
/// May do everything.
pub(super) struct Administers;

impl Needed for Sends {
    const SCOPE: Scope = Scope::Send;
}

impl Needed for Reads {
    const SCOPE: Scope = Scope::Read;
}

impl Needed for Administers {
    const SCOPE: Scope = Scope::Admin;
}

/// Proof that the request bears a token of that scope which is bound to no apps: to be the first argument of a handler, so that nothing else is looked at before.
pub(super) struct Bearer<S>(PhantomData<S>);

impl<S: Needed> FromRequest for Bearer<S> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bearer = AppBearer::<S>::from_request(request, payload).into_inner();
        ready(bearer.and_then(|bearer| match bearer.apps {
            None => Ok(Self(PhantomData)),
            Some(_) => Err(forbidden("this is not of an app, and the token is bound to some")),
        }))
    }
}

/// As [`Bearer`], but the token may be bound to apps: what the request is about has to be checked.
pub(super) struct AppBearer<S> {
    apps: Option<BTreeSet<AppName>>,
    scope: PhantomData<S>,
}

impl<S> AppBearer<S> {
    /// The apps that the token is bound to; none where it is bound to none.
    pub(super) fn apps(&self) -> Vec<AppName> {
        self.apps.iter().flatten().copied().collect()
    }

    /// Whether the token may act for, or see, this app.
    pub(super) fn check_app(&self, app: &AppName) -> Result<(), Problem> {
        match &self.apps {
            Some(apps) if !apps.contains(app) => {
                Err(forbidden(format!("the token is not for the app {app}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it may do what is for all apps.
    pub(super) fn check_all(&self) -> Result<(), Problem> {
        match &self.apps {
            Some(_) => Err(forbidden("this is for all apps, and the token is bound to some")),
            None => Ok(()),
        }
    }

    /// Whether it may act in the name of `from`, or where that is not said, of the master of the recipient's app.
    pub(super) fn check_sender(&self, from: Option<&UserId>, to: &UserId) -> Result<(), Problem> {
        self.check_app(from.unwrap_or(to).app())
    }

    /// Whether it may know of what has to do with these apps.
    pub(super) fn sees(&self, apps: &[AppName]) -> bool {
        self.apps
            .as_ref()
            .is_none_or(|own| apps.iter().any(|app| own.contains(app)))
    }

    /// Whether it may know of what a token with these apps has made.
    pub(super) fn check_made_by(&self, apps: &[AppName]) -> Result<(), Problem> {
        match &self.apps {
            Some(own) if apps.is_empty() || !apps.iter().all(|app| own.contains(app)) => {
                Err(forbidden("another token has made this, for other apps"))
            }
            _ => Ok(()),
        }
    }
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

impl<S: Needed> FromRequest for AppBearer<S> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = match request.app_data::<web::Data<Tokens>>() {
            Some(tokens) => tokens.check(request, S::SCOPE),
            None => Err(Problem::away("the node starts")),
        };
        ready(checked.map(|rights| Self {
            apps: rights.apps,
            scope: PhantomData,
        }))
    }
}

/// What the request's token may, whatever that is.
pub(super) struct Scopes(Rights);

impl Scopes {
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.scopes.iter().copied().map(name).collect()
    }

    /// The apps that it is bound to, if it is.
    pub(super) fn apps(&self) -> Option<Vec<String>> {
        let apps = self.0.apps.as_ref()?;
        Some(apps.iter().map(ToString::to_string).collect())
    }
}

impl FromRequest for Scopes {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let scopes = match request.app_data::<web::Data<Tokens>>() {
            Some(tokens) => tokens.rights(request),
            None => Err(Problem::away("the node starts")),
        };
        ready(scopes.map(Self))
    }
}
