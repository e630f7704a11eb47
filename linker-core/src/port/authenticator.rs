//! Who may log in.

use super::BoxFuture;
use crate::id::UserId;

/// What a client showed at login. `Debug` never shows the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The id of the client app, known and fitting to the user.
    pub app_id: String,
    /// Who it claims to be.
    pub user: UserId,
    /// What it shows for it.
    pub token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("app_id", &self.app_id)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A login that was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Login {
    /// When the token ends (its `exp`, leeway not included), seconds since the epoch; `None`: the session does not expire.
    pub expires_at_s: Option<u64>,
}

/// Why a login was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Never, with these credentials (`AUTH_FAILED`). The text is shown to the client: no secrets.
    #[error("{0}")]
    Refused(String),
    /// Nobody could tell now (`AUTH_UNAVAILABLE`); trying later may help.
    #[error("{0}")]
    Unavailable(String),
}

/// Believes or refuses credentials. Called once a login, on the backend runtime; it bounds its own time.
pub trait Authenticator: Send + Sync + 'static {
    /// Checks `credentials`.
    fn authenticate(&self, credentials: Credentials) -> BoxFuture<'_, Result<Login, AuthError>>;
}
