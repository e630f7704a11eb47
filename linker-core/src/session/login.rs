//! The checks of a login, in the order PROTOCOL.md gives them.

use std::sync::Arc;

use crate::app::ClientApp;
use crate::code::{ErrorCode, FrameError};
use crate::directory::Directory;
use crate::frame::{AuthOptions, AuthReply, AuthRequest};
use crate::id::UserId;
use crate::port::Credentials;

/// A login that passed all checks but the app's own.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) app: Arc<ClientApp>,
    pub(super) user: UserId,
    pub(super) options: AuthOptions,
}

/// Whom a session belongs to.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) app: Arc<ClientApp>,
    pub(super) user: UserId,
    pub(super) options: AuthOptions,
    /// When the token ends, seconds since the epoch.
    pub(super) expires_at_s: Option<u64>,
    /// A fresh token is being checked.
    pub(super) renewing: bool,
}

/// Why a login was refused, and where to go instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRefusal {
    /// As the client is told.
    pub error: FrameError,
    /// With `WRONG_DOMAIN`: where the user's domain lets clients in.
    pub urls: Vec<String>,
}

impl LoginRefusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            error: FrameError::new(code, message),
            urls: Vec::new(),
        }
    }
}

impl From<FrameError> for LoginRefusal {
    fn from(error: FrameError) -> Self {
        Self {
            error,
            urls: Vec::new(),
        }
    }
}

/// All checks of a login but the app's own, in PROTOCOL.md's order: known app, well-formed user id, the app's own prefix, at home here.
///
/// # Errors
/// [`LoginRefusal`], of the first that fails.
pub fn check_login(
    app_id: &str,
    user_id: &str,
    directory: &Directory,
) -> Result<(Arc<ClientApp>, UserId), LoginRefusal> {
    let app = directory
        .app_by_id(app_id)
        .ok_or_else(|| LoginRefusal::new(ErrorCode::UnknownApp, "`appId`: no client app has this id"))?;
    let user: UserId = user_id
        .parse()
        .map_err(|error| FrameError::user_id("userId", user_id, error))?;
    if *user.app() != app.app_name {
        let message = format!("`userId`: users of this app are called {}-<number>", app.app_name);
        return Err(LoginRefusal::new(ErrorCode::WrongApp, message));
    }
    check_home(&user, directory)?;
    Ok((Arc::clone(app), user))
}

pub(super) fn check(request: &AuthRequest<'_>, directory: &Directory) -> Result<Candidate, LoginRefusal> {
    let (app, user) = check_login(&request.app_id, &request.user_id, directory)?;
    Ok(Candidate {
        app,
        user,
        options: request.options,
    })
}

/// The directory may have changed while the app's authenticator was asked: what was checked before has to hold still.
pub(super) fn check_again(candidate: &Candidate, directory: &Directory) -> Result<(), LoginRefusal> {
    let Candidate { app, user, .. } = candidate;
    let Some(now) = directory
        .app_of(user.app())
        .filter(|now| now.app_id == app.app_id)
    else {
        return Err(LoginRefusal::new(
            ErrorCode::UnknownApp,
            "`appId`: no client app has this id any more",
        ));
    };
    check_home(user, directory)?;
    if !now.admits_sessions_of(app) {
        let message = "how this app's users log in has just been changed; log in again";
        return Err(LoginRefusal::new(ErrorCode::AuthUnavailable, message));
    }
    Ok(())
}

fn check_home(user: &UserId, directory: &Directory) -> Result<(), LoginRefusal> {
    let Some(home) = directory.home_of(user) else {
        let message = format!("`userId`: no distribution covers {user}");
        return Err(LoginRefusal::new(ErrorCode::UnknownDomain, message));
    };
    if directory.is_home(user) {
        return Ok(());
    }
    let error = FrameError::new(ErrorCode::WrongDomain, format!("{user} lives in {home}"));
    Err(LoginRefusal {
        error,
        urls: directory.ws_urls(home).to_vec(),
    })
}

/// What the app's authenticator is asked.
pub(super) fn credentials(request: &AuthRequest<'_>, user: UserId) -> Credentials {
    Credentials {
        app_id: request.app_id.clone().into_owned(),
        user,
        token: request.token.as_deref().map(str::to_owned),
    }
}

/// The reply to a login.
pub(super) fn reply(
    app_id: &str,
    user_id: &str,
    refusal: Option<LoginRefusal>,
    missing: Option<u64>,
) -> Box<AuthReply> {
    let (error, urls) = refusal.map_or((None, Vec::new()), |refusal| (Some(refusal.error), refusal.urls));
    Box::new(AuthReply {
        app_id: app_id.to_owned(),
        user_id: user_id.to_owned(),
        error,
        urls,
        missing,
    })
}
