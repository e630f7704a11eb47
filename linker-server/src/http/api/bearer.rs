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

    /// Which token the request bears. None is needed where there is none: then only this machine can ask.
    fn scopes(&self, request: &HttpRequest) -> Result<BTreeSet<Scope>, Problem> {
        let in_force = self.0.load();
        if in_force.tokens.is_empty() {
            return match is_of_this_machine(request) {
                true => Ok(BTreeSet::from([Scope::Admin])),
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
                found = Some(&token.scopes);
            }
        }
        found.cloned().ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "the API needs `Authorization: Bearer` with server.adminToken or one of server.tokens",
            )
        })
    }

    fn check(&self, request: &HttpRequest, wanted: Scope) -> Result<(), Problem> {
        let scopes = self.scopes(request)?;
        if scopes.contains(&wanted) || scopes.contains(&Scope::Admin) {
            return Ok(());
        }
        let detail = format!("this token does not have the scope {}", name(wanted));
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
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

/// Proof that the request bears a token of that scope: to be the first argument of a handler, so that nothing else is looked at before.
pub(super) struct Bearer<S>(PhantomData<S>);

impl<S: Needed> FromRequest for Bearer<S> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = match request.app_data::<web::Data<Tokens>>() {
            Some(tokens) => tokens.check(request, S::SCOPE),
            None => Err(Problem::away("the node starts")),
        };
        ready(checked.map(|()| Self(PhantomData)))
    }
}

/// What the request's token may, whatever that is.
pub(super) struct Scopes(BTreeSet<Scope>);

impl Scopes {
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.iter().copied().map(name).collect()
    }
}

impl FromRequest for Scopes {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let scopes = match request.app_data::<web::Data<Tokens>>() {
            Some(tokens) => tokens.scopes(request),
            None => Err(Problem::away("the node starts")),
        };
        ready(scopes.map(Self))
    }
}
