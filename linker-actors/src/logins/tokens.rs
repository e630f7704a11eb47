//! Tokens that nodes of a domain make and believe: JSON Web Tokens (RFC 7519), HS256, by a secret that they share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use linker_core::app::ClientApp;
use linker_core::clock::Now;
use linker_core::id::{DomainName, UserId};
use linker_core::limit::TOKEN_LEEWAY_S;
use linker_core::port::{AuthError, Credentials, Expected, Login, Presence, RecordWrite, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::runtime::clock::Clock;

/// `typ` of a token of ours, by which it is told from those of apps.
const TYPE: &str = "linker+jwt";
/// Bytes of a secret, at least: as long as what HS256 makes of it (RFC 7518, 3.2).
pub const TOKEN_SECRET_LEN_MIN: usize = 32;
/// The longest that a token may be believed.
pub const TOKEN_TIME_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Secrets that are believed: what another node has signed before this one learned of a newer secret.
const KEYS_MAX: usize = 3;
/// The shared secret is looked at so often: a registry that was emptied has another one.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How soon it is looked at for a token by an unknown secret.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a node makes tokens.
#[derive(Clone)]
pub struct TokenOptions {
    /// The secret that all nodes of the domain have, at least [`TOKEN_SECRET_LEN_MIN`] bytes; `None`: they share one in their presence registry.
    pub secret: Option<Vec<u8>>,
    /// How long a token is believed.
    pub expires_in: Duration,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            secret: None,
            expires_in: Duration::from_secs(60 * 60),
        }
    }
}

impl std::fmt::Debug for TokenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenOptions")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// The client app's id.
    app: String,
    /// The domain.
    iss: String,
    /// Seconds since the epoch.
    iat: u64,
    /// Seconds since the epoch.
    exp: u64,
    /// When it was made, ms since the epoch.
    made: u64,
    /// What the app's users had to show then.
    how: String,
}

/// What was revoked of a user.
#[derive(Debug, Serialize, Deserialize)]
struct Revoked {
    /// Tokens made until then, ms since the epoch.
    until: u64,
}

struct Key {
    id: String,
    secret: Vec<u8>,
    signs: EncodingKey,
    checks: DecodingKey,
}

impl Key {
    fn new(secret: Vec<u8>) -> Result<Self, AuthError> {
        let signs = EncodingKey::from_secret(&secret);
        // Known to whoever has the secret, and telling nobody else of it.
        let mut id = jsonwebtoken::crypto::sign(b"id", &signs, Algorithm::HS256)
            .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        id.truncate(12);
        Ok(Self {
            id,
            signs,
            checks: DecodingKey::from_secret(&secret),
            secret,
        })
    }
}

/// Makes tokens and believes them.
pub(crate) struct SessionTokens {
    domain: DomainName,
    expires_in: Duration,
    clock: Clock,
    /// `None` where the secret is given.
    presence: Option<Arc<dyn Presence>>,
    store: Arc<dyn Store>,
    /// The first one signs.
    keys: ArcSwap<Vec<Arc<Key>>>,
    looked_at: Mutex<Option<Instant>>,
}

/// Whether these show a token that claims to be one of ours.
pub(super) fn is_ours(credentials: &Credentials) -> bool {
    let header = credentials.token.as_deref().map(jsonwebtoken::decode_header);
    matches!(header, Some(Ok(header)) if header.typ.as_deref() == Some(TYPE))
}

impl SessionTokens {
    pub(crate) fn new(
        options: TokenOptions,
        domain: DomainName,
        clock: Clock,
        presence: Arc<dyn Presence>,
        store: Arc<dyn Store>,
    ) -> Result<Self, AuthError> {
        let presence = options.secret.is_none().then_some(presence);
        let keys = options.secret.map(Key::new).transpose()?;
        Ok(Self {
            domain,
            expires_in: options.expires_in,
            clock,
            presence,
            store,
            keys: ArcSwap::from_pointee(keys.into_iter().map(Arc::new).collect()),
            looked_at: Mutex::default(),
        })
    }

    /// A token for this user, and for how long it is believed: not longer than `ends_at_s`, seconds since the epoch.
    pub(crate) async fn make(
        &self,
        app: &ClientApp,
        user: &UserId,
        ends_at_s: Option<u64>,
    ) -> Result<(String, Duration), AuthError> {
        self.look(LOOK_EVERY).await?;
        let keys = self.keys.load_full();
        let key = keys.first().ok_or_else(no_secret)?;
        let now = self.clock.now();
        let now_s = now.unix_ms / 1000;
        let ends_at_s = ends_at_s
            .unwrap_or(u64::MAX)
            .min(now_s + self.expires_in.as_secs());
        let claims = Claims {
            sub: user.to_string(),
            app: app.app_id.clone(),
            iss: self.domain.to_string(),
            iat: now_s,
            exp: ends_at_s,
            made: now.unix_ms,
            how: how(app, key)?,
        };
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let token = jsonwebtoken::encode(&header, &claims, &key.signs)
            .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        Ok((token, Duration::from_secs(ends_at_s.saturating_sub(now_s))))
    }

    /// As an [`Authenticator`](linker_core::port::Authenticator) does, for tokens that [`is_ours`] tells.
    pub(super) async fn authenticate(
        &self,
        app: &ClientApp,
        credentials: &Credentials,
    ) -> Result<Login, AuthError> {
        let token = credentials.token.as_deref().unwrap_or_default();
        let (claims, key) = self.check(token).await?;
        if claims.sub != credentials.user.to_string() || claims.app != credentials.app_id {
            return Err(refused("the token is another user's"));
        }
        if claims.how != how(app, &key)? {
            return Err(refused("how this app's users log in has changed; log in anew"));
        }
        let until = self
            .revoked_until(&credentials.user)
            .await
            .map_err(|error| away("whether the token was revoked cannot be told now", &error))?;
        if claims.made <= until {
            return Err(refused("the token was revoked; log in anew"));
        }
        Ok(Login {
            expires_at_s: Some(claims.exp),
        })
    }

    async fn check(&self, token: &str) -> Result<(Claims, Arc<Key>), AuthError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused("the token is malformed"))?;
        let named = header.kid.unwrap_or_default();
        let find = || {
            self.keys
                .load()
                .iter()
                .find(|key| key.id == named)
                .map(Arc::clone)
        };
        let mut key = find();
        if key.is_none() {
            let is_known = self.look(LOOK_AGAIN).await?;
            key = find();
            if key.is_none() && !is_known {
                return Err(AuthError::Unavailable(
                    "whose token that is cannot be told just now; log in again in a second".to_owned(),
                ));
            }
        }
        let key = key.ok_or_else(|| refused("the token is of no node of this domain"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = TOKEN_LEEWAY_S;
        // By this node's clock, below.
        validation.validate_exp = false;
        validation.set_issuer(&[self.domain.as_str()]);
        let claims: Claims = jsonwebtoken::decode(token, &key.checks, &validation)
            .map_err(|_| refused("the token is not signed by a node of this domain"))?
            .claims;
        let now_s = self.clock.now().unix_ms / 1000;
        if claims.exp.saturating_add(TOKEN_LEEWAY_S) < now_s {
            return Err(refused("the token has expired"));
        }
        Ok((claims, key))
    }

    /// Learns the secret that the nodes share, or tells it.
    pub(crate) async fn refresh(&self) {
        if let Err(error) = self.look(Duration::ZERO).await {
            tracing::debug!(%error, "the nodes' secret is not known");
        }
    }

    /// Learns the secret that the nodes share, where it was not looked at for so long. Whether it is known now: not while another one looks, or where the registry
    /// cannot be asked.
    async fn look(&self, at_least: Duration) -> Result<bool, AuthError> {
        let Some(presence) = &self.presence else {
            return Ok(true);
        };
        let is_recent = {
            let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_recent = looked_at.is_some_and(|at| at.elapsed() < at_least);
            if !is_recent {
                *looked_at = Some(Instant::now());
            }
            is_recent
        };
        let known = self.keys.load_full();
        if is_recent && !known.is_empty() {
            return Ok(false);
        }
        let proposed = match known.first() {
            Some(key) => key.secret.clone(),
            None => random_secret(),
        };
        match presence.secret(proposed).await {
            Ok(secret) => self.take(secret).map(|()| true),
            // What is known is good as long as nobody says otherwise.
            Err(_) if !known.is_empty() => Ok(false),
            Err(error) => Err(away("whose token that is cannot be told now", &error)),
        }
    }

    fn take(&self, secret: Vec<u8>) -> Result<(), AuthError> {
        let new = Arc::new(Key::new(secret)?);
        self.keys.rcu(|known| {
            let others = known.iter().filter(|key| key.id != new.id).cloned();
            std::iter::once(Arc::clone(&new))
                .chain(others)
                .take(KEYS_MAX)
                .collect::<Vec<_>>()
        });
        Ok(())
    }

    async fn revoked_until(&self, user: &UserId) -> Result<u64, StoreError> {
        let found = self.store.read_records(vec![revoked_key(user)]).await?;
        let body = found.first().map(|record| &record.body);
        let revoked: Option<Revoked> = body.and_then(|body| serde_json::from_slice(body).ok());
        Ok(revoked.map_or(0, |revoked| revoked.until))
    }

    /// No node believes a token of this user that was made until now.
    pub(super) async fn revoke(&self, user: &UserId, now: Now) -> Result<(), StoreError> {
        let revoked = Revoked { until: now.unix_ms };
        // Whatever another node gives, or gave yesterday.
        let kept = TOKEN_TIME_MAX + Duration::from_secs(2 * TOKEN_LEEWAY_S);
        let write = RecordWrite {
            key: revoked_key(user),
            expected: Expected::Anything,
            // A number has no way to fail.
            body: Some(serde_json::to_vec(&revoked).unwrap_or_default().into()),
            expires_ms: now.unix_ms + kept.as_millis() as u64,
        };
        self.store.write_records(vec![write]).await.map(|_| ())
    }
}

/// What the app's users have to show, told to nobody who does not know the secret.
fn how(app: &ClientApp, key: &Key) -> Result<String, AuthError> {
    let shown = format!("{:?}", app.auth);
    let mut signed = jsonwebtoken::crypto::sign(shown.as_bytes(), &key.signs, Algorithm::HS256)
        .map_err(|error| AuthError::Unavailable(error.to_string()))?;
    signed.truncate(12);
    Ok(signed)
}

fn revoked_key(user: &UserId) -> String {
    format!("revoked/{user}")
}

fn refused(why: &str) -> AuthError {
    AuthError::Refused(why.to_owned())
}

/// Clients are told what cannot be done. Why, with the names of services in it, is for who runs the node: `/health/ready` has it too.
fn away(what: &str, why: &dyn std::fmt::Display) -> AuthError {
    tracing::debug!(error = %why, "{what}");
    AuthError::Unavailable(what.to_owned())
}

fn no_secret() -> AuthError {
    AuthError::Unavailable("the nodes of this domain share no secret yet".to_owned())
}

fn random_secret() -> Vec<u8> {
    (0..TOKEN_SECRET_LEN_MIN / 8)
        .flat_map(|_| crate::runtime::ids::random_u64().to_be_bytes())
        .collect()
}
