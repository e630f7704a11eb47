//! What a host serves as `POST /api/v1/login`: the app's own check, a token, and the node to connect to.

use std::sync::Arc;
use std::time::Duration;

use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::id::UserId;
use linker_core::port::{Credentials, PresenceError, StoreError};
use linker_core::session::{LoginRefusal, check_login};

use super::{placement, tokens};
use crate::handle::LinkerHandle;
use crate::inspection::Elsewhere;
use crate::runtime::ids::random_u64;
use crate::session::WAITS;

/// A login that was believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Placed {
    /// To be shown as `AUTH_CLIENT`'s token, to any node of the domain.
    pub token: String,
    /// How long it is believed.
    pub expires_in: Duration,
    /// The node to connect to, and then maybe another one.
    pub urls: Vec<String>,
}

impl std::fmt::Debug for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Placed")
            .field("expires_in", &self.expires_in)
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// For what an `AUTH_CLIENT` would be refused for.
    #[error("{0}")]
    Refused(FrameError),
    /// The user lives in another domain.
    #[error("the user lives in {}", .0.domain)]
    Elsewhere(Elsewhere),
    /// No node takes sessions now.
    #[error("no node of the domain takes sessions now")]
    NoNode,
}

/// Why tokens are not revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// It could not be written down; nothing was revoked, for all that is known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tokens are revoked, but where the user's sessions are cannot be told.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl LinkerHandle {
    /// Checks a login as `AUTH_CLIENT` would, and makes a token for it.
    ///
    /// # Errors
    /// [`LoginError`]; a token of this domain's nodes is not believed here, lest one that was stolen be good for ever.
    pub async fn login(
        &self,
        app_id: &str,
        user_id: &str,
        token: Option<String>,
    ) -> Result<Placed, LoginError> {
        let node = self.node();
        if node.admission.is_waiting() {
            let error = FrameError::new(ErrorCode::AuthUnavailable, WAITS);
            return Err(LoginError::Refused(error));
        }
        let (app, user) = {
            let directory = node.directory();
            check_login(app_id, user_id, &directory).map_err(|refusal| self.refused(user_id, refusal))?
        };
        let credentials = Credentials {
            app_id: app_id.to_owned(),
            user,
            token,
        };
        if tokens::is_ours(&credentials) {
            return Err(LoginError::Refused(FrameError::new(
                ErrorCode::AuthFailed,
                "a token of a login is no login; show what the app's users log in with",
            )));
        }
        let checking = Arc::clone(node);
        let authenticator = node.authenticators.of(&app.app_name);
        let believed = node
            .backend
            .spawn(async move {
                let login = super::authenticate(&checking, &app, authenticator, credentials).await?;
                let tokens = checking.tokens.get().ok_or_else(tokens_missing)?;
                tokens.make(&app, &user, login.expires_at_s).await
            })
            .await
            .map_err(|_| LoginError::NoNode)?;
        let (token, expires_in) = believed.map_err(|error| LoginError::Refused(FrameError::from(&error)))?;
        let urls = placement::place(&self.nodes(), random_u64);
        if urls.is_empty() {
            return Err(LoginError::NoNode);
        }
        Ok(Placed {
            token,
            expires_in,
            urls,
        })
    }

    fn refused(&self, user_id: &str, refusal: LoginRefusal) -> LoginError {
        let LoginRefusal { error, urls } = refusal;
        let user: Option<UserId> = user_id.parse().ok();
        let directory = self.node().directory();
        match user.and_then(|user| directory.home_of(&user).cloned()) {
            Some(domain) if error.code == ErrorCode::WrongDomain => {
                LoginError::Elsewhere(Elsewhere { domain, urls })
            }
            _ => LoginError::Refused(error),
        }
    }

    /// No node believes a token any more that was made for this user until now, and the user's sessions are closed with 4001, however they logged in. Answers
    /// how many those were.
    ///
    /// # Errors
    /// [`RevokeError`]; nothing was revoked, for all that is known.
    pub async fn revoke_tokens(&self, user: UserId) -> Result<usize, RevokeError> {
        let node = Arc::clone(self.node());
        let revoking = node.backend.clone().spawn(async move {
            let tokens = node.tokens.get().ok_or(RevokeError::Stopping)?;
            tokens.revoke(&user, node.clock.now()).await?;
            // A login that was believed just before looks again once it is a session that can be found.
            let here = node.close_user(&user, CloseCode::AuthTimeout);
            Ok(here + node.try_close_elsewhere(user, CloseCode::AuthTimeout).await?)
        });
        revoking.await.map_err(|_| RevokeError::Stopping)?
    }
}

fn tokens_missing() -> linker_core::port::AuthError {
    linker_core::port::AuthError::Unavailable("the node is starting".to_owned())
}
