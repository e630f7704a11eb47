//! From `clientApps` as written to client apps.

use std::time::Duration;

use super::document::{ClientAppDocument, JwtDocument, OneOrMore};
use super::finding::{Findings, MetaCaution, MetaFault, MetaProblem};
use super::validate::Checked;
use crate::app::{
    AUTH_TIMEOUT_DEFAULT, AppFault, AuthMethod, ClientApp, ClientApps, ExpectedClaims, JwtAlgorithm, JwtKey,
};
use crate::duration::parse_duration;
use crate::pem::{self, PublicKeyFault};
use crate::url::PlainUrl;

const AUTH_URLS: &str = "http://HOST:PORT/PATH or https://…";

/// Checks the `clientApps` of a node's own file.
///
/// # Errors
/// Every mistake, with its key from `clientApps` on.
pub fn validate_client_apps(
    documents: &[ClientAppDocument],
) -> Result<Checked<ClientApps>, Vec<MetaProblem>> {
    let mut findings = Findings::default();
    let apps = check_client_apps(documents, &mut findings);
    Checked::or_problems(apps, findings)
}

pub(super) fn check_client_apps(
    documents: &[ClientAppDocument],
    findings: &mut Findings,
) -> Option<ClientApps> {
    let mut apps = Vec::with_capacity(documents.len());
    // Where each of `apps` stands in the document: those that are malformed are left out.
    let mut places = Vec::with_capacity(documents.len());
    for (place, document) in documents.iter().enumerate() {
        if let Some(app) = check_app(document, &format!("clientApps[{place}]"), findings) {
            apps.push(app);
            places.push(place);
        }
    }
    match ClientApps::new(apps) {
        Ok(apps) => Some(apps),
        Err(problems) => {
            for problem in problems {
                let key = match problem.fault {
                    AppFault::RepeatedName(_) | AppFault::ReservedName(_) => "appName",
                    AppFault::RepeatedId(_) | AppFault::IdLength(_) => "appId",
                    AppFault::ForeignMaster { .. } => "masterUserId",
                };
                let place = places[problem.index];
                findings.problem(format!("clientApps[{place}].{key}"), problem.fault);
            }
            None
        }
    }
}

fn check_app(document: &ClientAppDocument, key: &str, findings: &mut Findings) -> Option<ClientApp> {
    let app_name = findings.id(
        format!("{key}.appName"),
        &document.app_name,
        "1 to 32 of A-Z a-z 0-9 _",
    );
    if document.app_id.is_empty() {
        let allowed = "any text, best a uuid";
        findings.problem(format!("{key}.appId"), MetaFault::Missing { allowed });
    }
    let master = document
        .master_user_id
        .as_ref()
        .and_then(|text| findings.id(format!("{key}.masterUserId"), text, "<appName>-<number>"));
    let auth = check_auth(document, key, findings);
    if document.app_id.is_empty() {
        return None;
    }
    // With a fault in its other parts it is good enough to be compared with the other apps; nobody else will see it.
    Some(ClientApp {
        app_name: app_name?,
        app_id: document.app_id.clone(),
        master,
        isolated: document.isolated.unwrap_or(false),
        auth: auth.unwrap_or(AuthMethod::None),
    })
}

/// What is written is checked even where it is not enabled: it may be tomorrow.
fn check_auth(document: &ClientAppDocument, key: &str, findings: &mut Findings) -> Option<AuthMethod> {
    let found_before = findings.problems.len();
    let callback = document
        .auth_url
        .as_ref()
        .map(|url| check_callback(url, document.auth_timeout.as_deref(), key, findings));
    let jwt = document
        .jwt
        .as_ref()
        .map(|jwt| check_jwt(jwt, &format!("{key}.jwt"), findings));
    if callback.is_some() && jwt.is_some() {
        findings.problem(format!("{key}.jwt"), MetaFault::AuthMethodTwice);
    }
    let enabled = document.auth_enabled.unwrap_or(document.jwt.is_some());
    if enabled && callback.is_none() && jwt.is_none() {
        findings.problem(format!("{key}.authEnabled"), MetaFault::AuthMethodMissing);
    }
    if document.auth_enabled.is_none() && callback.is_some() && jwt.is_none() {
        findings.warning(format!("{key}.authUrl"), MetaCaution::AuthUrlUnused);
    }
    if findings.problems.len() > found_before {
        return None;
    }
    match enabled {
        true => callback.or(jwt).flatten(),
        false => Some(AuthMethod::None),
    }
}

fn check_callback(
    url: &str,
    timeout: Option<&str>,
    key: &str,
    findings: &mut Findings,
) -> Option<AuthMethod> {
    let fault = match PlainUrl::parse(url) {
        Ok(parsed) if parsed.has_scheme("http") || parsed.has_scheme("https") => None,
        Ok(parsed) => Some(MetaFault::UrlScheme {
            scheme: parsed.scheme().to_owned(),
            allowed: AUTH_URLS,
        }),
        Err(fault) => Some(MetaFault::of_url(fault, AUTH_URLS)),
    };
    let url_fits = fault.is_none();
    if let Some(fault) = fault {
        findings.problem(format!("{key}.authUrl"), fault);
    }
    let timeout = match timeout.map(parse_duration) {
        None => Ok(AUTH_TIMEOUT_DEFAULT),
        Some(Ok(Duration::ZERO)) => Err(MetaFault::DurationZero),
        Some(Ok(timeout)) => Ok(timeout),
        Some(Err(error)) => Err(error.into()),
    };
    match timeout {
        Ok(timeout) => url_fits.then(|| AuthMethod::Callback {
            url: url.to_owned(),
            timeout,
        }),
        Err(fault) => {
            findings.problem(format!("{key}.authTimeout"), fault);
            None
        }
    }
}

fn check_jwt(document: &JwtDocument, key: &str, findings: &mut Findings) -> Option<AuthMethod> {
    let algorithm = match document.algorithm.parse::<JwtAlgorithm>() {
        Ok(algorithm) => Some(algorithm),
        Err(error) => {
            findings.problem(format!("{key}.algorithm"), error);
            None
        }
    };
    let keys = [&document.public_key, &document.key_file, &document.jwks_file];
    let given = keys.into_iter().flatten().count();
    if given != 1 {
        findings.problem(key, MetaFault::JwtKeyCount(given));
    }
    if let Some(text) = &document.public_key {
        let symmetric = algorithm.is_some_and(JwtAlgorithm::is_symmetric);
        if let Some(fault) = public_key_fault(text, symmetric) {
            findings.problem(format!("{key}.publicKey"), fault);
            return None;
        }
    }
    for (name, file) in [("keyFile", &document.key_file), ("jwksFile", &document.jwks_file)] {
        if file.as_ref().is_some_and(String::is_empty) {
            let allowed = "the name of a file on the nodes";
            findings.problem(format!("{key}.{name}"), MetaFault::Missing { allowed });
        }
    }
    let expected = check_expected(document, key, findings);
    let public_key = document.public_key.clone().map(JwtKey::PublicKey);
    let key_file = document
        .key_file
        .as_ref()
        .map(|file| JwtKey::KeyFile(file.into()));
    let jwks_file = document
        .jwks_file
        .as_ref()
        .map(|file| JwtKey::JwksFile(file.into()));
    Some(AuthMethod::Jwt {
        algorithm: algorithm?,
        key: public_key.or(key_file).or(jwks_file)?,
        expected,
    })
}

fn check_expected(document: &JwtDocument, key: &str, findings: &mut Findings) -> ExpectedClaims {
    let audience = document.audience.as_ref().map(OneOrMore::as_slice);
    if let Some(audience) = audience
        && !(1..=ExpectedClaims::AUDIENCES_MAX).contains(&audience.len())
    {
        findings.problem(
            format!("{key}.audience"),
            MetaFault::JwtAudienceCount(audience.len()),
        );
    }
    let audience = audience.unwrap_or_default();
    for (name, texts) in [("audience", audience), ("issuer", document.issuer.as_slice())] {
        if !texts.iter().all(|text| ExpectedClaims::is_claim(text)) {
            findings.problem(format!("{key}.{name}"), MetaFault::JwtClaim);
        }
    }
    ExpectedClaims {
        audience: audience.to_vec(),
        issuer: document.issuer.clone(),
    }
}

fn public_key_fault(text: &str, symmetric: bool) -> Option<MetaFault> {
    match pem::check_public_key(text) {
        _ if symmetric => Some(MetaFault::JwtSecret),
        Ok(()) => None,
        Err(PublicKeyFault::PrivateKey) => Some(MetaFault::JwtSecret),
        Err(PublicKeyFault::NotPem | PublicKeyFault::SeveralBlocks | PublicKeyFault::Certificate) => {
            Some(MetaFault::JwtPublicKey)
        }
    }
}
