//! `clientApps[].jwt`: how the tokens of an app's users are checked without asking anybody.

use linker_core::app::{AuthMethod, ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::pem::{self, PublicKeyFault};

use super::mistake::{Wrong, shown};
use super::reader::Section;

const KEY_ALLOWED: &str = "one of publicKey, keyFile and jwksFile";

/// Reads a `jwt` section that is given; `None` when something is wrong with it.
pub(super) fn read(section: &mut Section<'_>) -> Option<AuthMethod> {
    let algorithms = JwtAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let algorithm = section.choice("algorithm", &algorithms);
    if algorithm.is_none() && !section.has("algorithm") {
        let names = algorithms.map(|(name, _)| name).join(", ");
        section.wrong("algorithm", Wrong::new("missing", names));
    }
    let sources: Vec<&str> = ["publicKey", "keyFile", "jwksFile"]
        .into_iter()
        .filter(|name| section.has(name))
        .collect();
    match sources.as_slice() {
        [] => section.reading.mistake(
            section.place().clone(),
            section.path_to("publicKey"),
            Wrong::new("missing, and no keyFile or jwksFile instead", KEY_ALLOWED),
        ),
        [_] => {}
        [first, others @ ..] => {
            for name in others {
                section.wrong(name, Wrong::new(format!("{first} is given too"), KEY_ALLOWED));
            }
        }
    }
    let key = read_key(section, algorithm);
    let expected = read_expected(section);
    Some(AuthMethod::Jwt {
        algorithm: algorithm?,
        key: key?,
        expected,
    })
}

fn read_expected(section: &mut Section<'_>) -> ExpectedClaims {
    let audience = section.one_or_more("audience", "a text or a list of texts", claim);
    if let Some(audience) = &audience
        && audience.len() > ExpectedClaims::AUDIENCES_MAX
    {
        let allowed = format!("{} at most", ExpectedClaims::AUDIENCES_MAX);
        section.wrong(
            "audience",
            Wrong::new(format!("{} audiences", audience.len()), allowed),
        );
    }
    ExpectedClaims {
        audience: audience.unwrap_or_default(),
        issuer: section.parsed("issuer", "a text", claim),
    }
}

fn claim(text: &str) -> Result<String, Wrong> {
    let what = || format!("{} is no text that a token says", shown(text));
    match ExpectedClaims::is_claim(text) {
        true => Ok(text.to_owned()),
        false => Err(Wrong::new(what(), ExpectedClaims::CLAIM_ALLOWED)),
    }
}

/// The key; what kind it must be can only be told where the algorithm is known. Files are looked into so that a mistake in them is found now, and carried
/// on as paths, since they may change.
fn read_key(section: &mut Section<'_>, algorithm: Option<JwtAlgorithm>) -> Option<JwtKey> {
    type Check = fn(&str) -> Result<(), Wrong>;
    let (inline_check, file_check): (Check, Check) = match algorithm.map(JwtAlgorithm::is_symmetric) {
        Some(false) => (public_pem, public_pem),
        Some(true) => (no_public_key, shared_secret),
        None => (|_| Ok(()), |_| Ok(())),
    };
    let public = section.parsed("publicKey", "a text", |text| {
        inline_check(text).map(|()| text.to_owned())
    });
    let file = section.checked_file("keyFile", file_check);
    let set = section.checked_file("jwksFile", key_set);
    let public = public.map(JwtKey::PublicKey);
    public.or(file.map(JwtKey::KeyFile)).or(set.map(JwtKey::JwksFile))
}

fn public_pem(text: &str) -> Result<(), Wrong> {
    const ALLOWED: &str = "a public key in PEM: -----BEGIN PUBLIC KEY----- …";
    pem::check_public_key(text).map_err(|fault| {
        let what = match fault {
            PublicKeyFault::PrivateKey => "a private key, which no node needs to have",
            PublicKeyFault::NotPem => "not a key in PEM",
            PublicKeyFault::SeveralBlocks => "several blocks of PEM; several keys go into a jwksFile",
            PublicKeyFault::Certificate => "a certificate, not the public key in it",
        };
        Wrong::new(what, ALLOWED)
    })
}

fn shared_secret(text: &str) -> Result<(), Wrong> {
    if pem::has_block(text) {
        return Err(Wrong::new(
            "a key in PEM, which an HS algorithm has no use for",
            "the shared secret itself",
        ));
    }
    Ok(())
}

fn no_public_key(_: &str) -> Result<(), Wrong> {
    Err(Wrong::new(
        "an HS algorithm has no public key",
        "keyFile with the shared secret, or another algorithm",
    ))
}

fn key_set(text: &str) -> Result<(), Wrong> {
    let keys = serde_json::from_str::<serde_json::Value>(text).ok();
    let is_set = keys
        .as_ref()
        .and_then(|set| set.get("keys")?.as_array())
        .is_some_and(|keys| !keys.is_empty());
    let wrong = || {
        Wrong::new(
            "not a JSON Web Key Set",
            r#"{"keys": […]} with one key at least (RFC 7517)"#,
        )
    };
    if is_set { Ok(()) } else { Err(wrong()) }
}
