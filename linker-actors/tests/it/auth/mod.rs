//! Authenticators.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows functions marked as tests only, not what they call"
)]

mod callback;
mod jwt_faults;
mod jwt_keys;
mod jwt_tokens;
mod key_file;
mod log;
mod method;
mod server;
mod signer;

use linker_actors::adapter::auth::AllowAll;
use linker_core::port::{AuthError, Authenticator, Credentials, Login};

const APP_ID: &str = "app-id-343";
const USER: &str = "ANZ-123223";

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        app_id: APP_ID.to_owned(),
        user: USER.parse().unwrap(),
        token: token.map(str::to_owned),
    }
}

/// The text of a refusal; anything else fails the test.
#[track_caller]
fn refusal(result: Result<Login, AuthError>) -> String {
    match result {
        Err(AuthError::Refused(text)) => text,
        other => panic!("not refused but {other:?}"),
    }
}

/// The text of an unavailability; anything else fails the test.
#[track_caller]
fn unavailability(result: Result<Login, AuthError>) -> String {
    match result {
        Err(AuthError::Unavailable(text)) => text,
        other => panic!("not unavailable but {other:?}"),
    }
}

#[tokio::test]
async fn everybody_is_believed_where_authentication_is_off() {
    let believed = Ok(Login { expires_at_s: None });
    assert_eq!(AllowAll.authenticate(credentials(None)).await, believed);
    assert_eq!(
        AllowAll.authenticate(credentials(Some("anything"))).await,
        believed
    );
}
