//! From what is said of a client app to its authenticator.

use std::time::Duration;

use linker_actors::adapter::auth::{AuthSetupError, for_method};
use linker_core::app::{AuthMethod, ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::port::Login;
use serde_json::json;

use super::server::{AuthServer, Reply};
use super::signer::{ED25519_PUBLIC, Signer};
use super::{USER, credentials, refusal};

fn callback(url: impl Into<String>) -> AuthMethod {
    let timeout = Duration::from_secs(30);
    let url = url.into();
    AuthMethod::Callback { url, timeout }
}

fn eddsa(key: JwtKey) -> AuthMethod {
    let algorithm = JwtAlgorithm::EdDsa;
    AuthMethod::Jwt {
        algorithm,
        key,
        expected: ExpectedClaims::default(),
    }
}

#[tokio::test]
async fn each_method_checks_in_its_own_way() {
    let open = for_method(&AuthMethod::None).unwrap();
    let believed = Ok(Login { expires_at_s: None });
    assert_eq!(open.authenticate(credentials(None)).await, believed);

    let disbelieved = r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":false}"#;
    let server = AuthServer::replying(Reply::json(200, disbelieved)).await;
    let asking = for_method(&callback(server.url())).unwrap();
    refusal(asking.authenticate(credentials(Some("token-12345"))).await);
    assert_eq!(server.questions().len(), 1);

    let checking = for_method(&eddsa(JwtKey::PublicKey(ED25519_PUBLIC.to_owned()))).unwrap();
    let far_future_s = 253_402_300_000_u64;
    let token = Signer::new(jsonwebtoken::Algorithm::EdDSA).sign(&json!({"sub": USER, "exp": far_future_s}));
    let login = checking.authenticate(credentials(Some(&token))).await;
    let expires_at_s = Some(far_future_s);
    assert_eq!(login, Ok(Login { expires_at_s }));
    refusal(checking.authenticate(credentials(None)).await);
}

#[test]
fn what_cannot_be_set_up_is_told() {
    let error = for_method(&callback("ftp://h")).err().unwrap();
    assert!(matches!(error, AuthSetupError::Callback(_)), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = for_method(&eddsa(JwtKey::KeyFile(absent.clone()))).err().unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot read {}: ", absent.display())),
        "{text}"
    );
}
