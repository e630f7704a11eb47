//! The secret of a node alone, which signs the tokens of `POST /api/v1/login`: kept in the data folder, so that tokens outlast a restart. Nodes of several share one in
//! their presence registry.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use linker_actors::{TOKEN_SECRET_LEN_MIN, TokenOptions};

use crate::config::{Config, PresenceBackend};

const FILE: &str = "login.key";
const SECRET_LEN: usize = 32;

/// How this node makes tokens.
///
/// # Errors
/// The key cannot be read or written; the text says which file.
pub(crate) fn token_options(config: &Config) -> io::Result<TokenOptions> {
    let secret = match (&config.login.key, &config.presence) {
        (Some(key), _) => Some(key.expose().as_bytes().to_vec()),
        (None, PresenceBackend::Memory) => Some(kept_secret(&config.server.data_dir.join(FILE))?),
        (None, _) => None,
    };
    Ok(TokenOptions {
        secret,
        expires_in: config.login.expires_in,
    })
}

fn kept_secret(path: &Path) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match std::fs::read(path) {
        Ok(secret) if secret.len() >= TOKEN_SECRET_LEN_MIN => Ok(secret),
        Ok(_) => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "{} is cut short; remove it, and logins by HTTP begin anew",
                path.display()
            ),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => new_secret(path).map_err(named),
        Err(error) => Err(named(error)),
    }
}

/// Nobody else may read it.
fn new_secret(path: &Path) -> io::Result<Vec<u8>> {
    let mut secret = vec![0; SECRET_LEN];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    // Whole or not at all, whenever the process is killed.
    let begun = path.with_extension("key.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&begun)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    std::fs::rename(&begun, path)?;
    Ok(secret)
}
