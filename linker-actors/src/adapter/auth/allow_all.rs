//! Authentication that is switched off.

use linker_core::port::{AuthError, Authenticator, BoxFuture, Credentials, Login};

/// Believes everybody, for client apps with `authEnabled: false`. Their sessions do not expire.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Authenticator for AllowAll {
    fn authenticate(&self, _credentials: Credentials) -> BoxFuture<'_, Result<Login, AuthError>> {
        Box::pin(std::future::ready(Ok(Login { expires_at_s: None })))
    }
}
