//! Who may log in: everybody, whom an HTTP service of the operator's believes, or who holds a signed token.
//!
//! Each is an [`Authenticator`]. What they check is the client app's own authentication; that the app is known, the user
//! fits to it and is at home here has been checked before.

mod allow_all;
#[cfg(feature = "auth")]
mod callback;
#[cfg(feature = "auth")]
mod jwt;

use std::sync::Arc;

use linker_core::app::AuthMethod;
use linker_core::port::Authenticator;

pub use allow_all::AllowAll;
#[cfg(feature = "auth")]
pub use callback::{CallbackAuthenticator, CallbackConfigError};
#[cfg(feature = "auth")]
pub use jwt::{JwtAuthenticator, JwtConfigError};

/// Why there is no authenticator for a client app.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthSetupError {
    /// See [`CallbackConfigError`].
    #[cfg(feature = "auth")]
    #[error(transparent)]
    Callback(#[from] CallbackConfigError),
    /// See [`JwtConfigError`].
    #[cfg(feature = "auth")]
    #[error(transparent)]
    Jwt(#[from] JwtConfigError),
    /// The method needs what this build leaves out.
    #[cfg(not(feature = "auth"))]
    #[error("{0} needs linker-actors built with its feature `auth`")]
    MissingFeature(&'static str),
}

/// The authenticator for an app whose users log in by `method`. Reads the key file, if there is one, and blocks for it.
///
/// # Errors
/// What is wrong with the url or the key, or that the build has not got the method.
#[cfg(feature = "auth")]
pub fn for_method(method: &AuthMethod) -> Result<Arc<dyn Authenticator>, AuthSetupError> {
    Ok(match method {
        AuthMethod::None => Arc::new(AllowAll),
        AuthMethod::Callback { url, timeout } => Arc::new(CallbackAuthenticator::new(url, *timeout)?),
        AuthMethod::Jwt {
            algorithm,
            key,
            expected,
        } => Arc::new(JwtAuthenticator::new(*algorithm, key)?.expecting(expected.clone())),
    })
}

/// The authenticator for an app whose users log in by `method`: this build has [`AllowAll`] only.
///
/// # Errors
/// For every other method, that the build has not got it.
#[cfg(not(feature = "auth"))]
pub fn for_method(method: &AuthMethod) -> Result<Arc<dyn Authenticator>, AuthSetupError> {
    match method {
        AuthMethod::None => Ok(Arc::new(AllowAll)),
        AuthMethod::Callback { .. } => Err(AuthSetupError::MissingFeature("authUrl")),
        AuthMethod::Jwt { .. } => Err(AuthSetupError::MissingFeature("jwt")),
    }
}

#[cfg(all(test, not(feature = "auth")))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn without_the_feature_only_switched_off_authentication_works() {
        assert!(for_method(&AuthMethod::None).is_ok());
        let url = "http://localhost/auth".to_owned();
        let timeout = Duration::from_secs(1);
        let refused = for_method(&AuthMethod::Callback { url, timeout });
        let text = refused.err().map(|error| error.to_string());
        let expected = "authUrl needs linker-actors built with its feature `auth`";
        assert_eq!(text.as_deref(), Some(expected));
    }
}
