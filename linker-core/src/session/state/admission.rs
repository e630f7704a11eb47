//! Logging in, and renewing a login.

use super::super::context::SessionContext;
use super::super::effect::SessionEffect;
use super::super::login::{self, Candidate, LoggedIn, LoginRefusal};
use super::{Phase, Session};
use crate::code::{CloseCode, ErrorCode, FrameError};
use crate::frame::{AuthRequest, ServerFrame};
use crate::port::{AuthError, Login};

const TOO_MANY_LOGINS: &str = "too many logins from this address; try again in a second";

fn may_try(cx: &SessionContext<'_>) -> bool {
    cx.shared.is_none_or(|shared| shared.login(cx.now))
}

impl Session {
    pub(super) fn on_login(&mut self, request: &AuthRequest<'_>, cx: &mut SessionContext<'_>) {
        let checked = match may_try(cx) {
            true => login::check(request, cx.directory),
            false => Err(FrameError::new(ErrorCode::RateLimited, TOO_MANY_LOGINS).into()),
        };
        match checked {
            Ok(candidate) => {
                let credentials = login::credentials(request, candidate.user);
                cx.effects
                    .push(SessionEffect::Authenticate(candidate.app.clone(), credentials));
                self.phase = Phase::Checking(Box::new(candidate));
            }
            Err(refusal) => self.refuse(&request.app_id, &request.user_id, refusal, cx),
        }
    }

    pub(super) fn on_renewal(
        &mut self,
        request: &AuthRequest<'_>,
        cx: &mut SessionContext<'_>,
    ) -> Result<(), FrameError> {
        let already = || {
            FrameError::new(
                ErrorCode::AlreadyAuthenticated,
                "this connection is logged in already",
            )
        };
        let login = self.login.as_mut().ok_or_else(already)?;
        let same = request.app_id == login.app.app_id && request.user_id.parse() == Ok(login.user);
        if !same || login.expires_at_s.is_none() || login.renewing || request.token.is_none() {
            return Err(already());
        }
        if !may_try(cx) {
            return Err(FrameError::new(ErrorCode::RateLimited, TOO_MANY_LOGINS));
        }
        login.renewing = true;
        cx.effects.push(SessionEffect::Authenticate(
            login.app.clone(),
            login::credentials(request, login.user),
        ));
        Ok(())
    }

    /// The app's authenticator has answered.
    pub fn on_authenticated(&mut self, result: Result<Login, AuthError>, cx: &mut SessionContext<'_>) {
        if matches!(self.phase, Phase::Open) {
            self.on_renewed(result, cx);
            return;
        }
        let Phase::Checking(_) = self.phase else {
            return;
        };
        let Phase::Checking(candidate) = std::mem::replace(&mut self.phase, Phase::Registering) else {
            return;
        };
        let result = result.map_err(|error| FrameError::from(&error).into());
        let result = result.and_then(|believed| {
            login::check_again(&candidate, cx.directory)?;
            Ok(believed)
        });
        match result {
            Ok(believed) => {
                let Candidate { app, user, options } = *candidate;
                if options.client_ack {
                    self.proof.use_client_acks();
                }
                if options.replay {
                    self.fall_behind(true, cx);
                }
                let expires_at_s = believed.expires_at_s;
                self.login = Some(Box::new(LoggedIn {
                    app,
                    user,
                    options,
                    expires_at_s,
                    renewing: false,
                }));
                cx.effects.push(SessionEffect::Register {
                    user,
                    replay: options.replay,
                });
            }
            Err(refusal) => {
                self.refuse(&candidate.app.app_id, &candidate.user.to_string(), refusal, cx);
            }
        }
    }

    fn on_renewed(&mut self, result: Result<Login, AuthError>, cx: &mut SessionContext<'_>) {
        let Some(login) = self.login.as_mut().filter(|login| login.renewing) else {
            return;
        };
        login.renewing = false;
        let refusal = match result {
            Ok(believed) => {
                login.expires_at_s = believed.expires_at_s;
                None
            }
            Err(error) => Some(FrameError::from(&error).into()),
        };
        let reply = login::reply(&login.app.app_id, &login.user.to_string(), refusal, None);
        cx.effects
            .push(SessionEffect::Send(ServerFrame::AuthReply(reply)));
    }

    /// Presence knows the session now, and so many messages wait (`None`: the store cannot tell); or it could not be registered.
    pub fn on_registered(&mut self, outcome: Result<Option<u64>, FrameError>, cx: &mut SessionContext<'_>) {
        let (Phase::Registering, Some(login)) = (&self.phase, &self.login) else {
            return;
        };
        let (app_id, user_id) = (login.app.app_id.clone(), login.user.to_string());
        match outcome {
            Ok(missing) => {
                self.phase = Phase::Open;
                cx.effects.push(SessionEffect::Login(None));
                let reply = login::reply(&app_id, &user_id, None, missing);
                cx.effects
                    .push(SessionEffect::Send(ServerFrame::AuthReply(reply)));
                if !self.is_behind() {
                    self.send_deferred(cx);
                }
                self.advance(cx);
            }
            Err(error) => self.refuse(&app_id, &user_id, error.into(), cx),
        }
    }

    fn refuse(&mut self, app_id: &str, user_id: &str, refusal: LoginRefusal, cx: &mut SessionContext<'_>) {
        cx.effects.push(SessionEffect::Login(Some(refusal.error.code)));
        let reply = login::reply(app_id, user_id, Some(refusal), None);
        cx.effects
            .push(SessionEffect::Send(ServerFrame::AuthReply(reply)));
        self.close(CloseCode::LoginRefused, cx);
    }
}
