//! Logging in: by what a client's app wants to see, or by a token that a node of this domain has made (`POST /api/v1/login`).

#[cfg(feature = "auth")]
mod placement;
#[cfg(feature = "auth")]
mod service;
#[cfg(feature = "auth")]
mod tokens;

use std::sync::Arc;

use linker_core::app::ClientApp;
use linker_core::port::{AuthError, Authenticator, Credentials, Login};

#[cfg(feature = "auth")]
pub use service::{LoginError, Placed, RevokeError};
#[cfg(feature = "auth")]
pub(crate) use tokens::SessionTokens;
#[cfg(feature = "auth")]
pub use tokens::{TOKEN_SECRET_LEN_MIN, TOKEN_TIME_MAX, TokenOptions};

use crate::node::Node;

/// Whether these show a token that can be revoked.
pub(crate) fn are_revocable(credentials: &Credentials) -> bool {
    #[cfg(feature = "auth")]
    let is_ours = tokens::is_ours(credentials);
    #[cfg(not(feature = "auth"))]
    let (is_ours, _) = (false, credentials);
    is_ours
}

/// Believes or refuses credentials. `None`: the app is not in force any more.
pub(crate) async fn authenticate(
    node: &Node,
    app: &ClientApp,
    authenticator: Option<Arc<dyn Authenticator>>,
    credentials: Credentials,
) -> Result<Login, AuthError> {
    let Some(authenticator) = authenticator else {
        return Err(AuthError::Unavailable(
            "the client apps have just changed; log in again".to_owned(),
        ));
    };
    #[cfg(feature = "auth")]
    if let Some(tokens) = node.tokens.get()
        && tokens::is_ours(&credentials)
    {
        return tokens.authenticate(app, &credentials).await;
    }
    #[cfg(not(feature = "auth"))]
    let _ = (node, app);
    authenticator.authenticate(credentials).await
}
