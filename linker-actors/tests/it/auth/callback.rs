use std::sync::Arc;
use std::time::{Duration, Instant};

use linker_actors::adapter::auth::{CallbackAuthenticator, CallbackConfigError};
use linker_core::port::{AuthError, Authenticator, Login};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::server::{AuthServer, Reply};
use super::{APP_ID, USER, credentials, log, refusal, unavailability};

const BELIEVED: &str = r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":true}"#;
const DISBELIEVED: &str = r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":false}"#;
/// Longer than any of these tests takes unless it hangs.
const LONG: Duration = Duration::from_secs(30);

fn authenticator_at(url: &str, timeout: Duration) -> Result<CallbackAuthenticator, CallbackConfigError> {
    log::record();
    CallbackAuthenticator::new(url, timeout)
}

async fn login_at(url: &str, timeout: Duration) -> Result<Login, AuthError> {
    let authenticator = authenticator_at(url, timeout).unwrap();
    authenticator.authenticate(credentials(Some("token-12345"))).await
}

async fn login_with(reply: Reply) -> Result<Login, AuthError> {
    let server = AuthServer::replying(reply).await;
    login_at(&server.url(), LONG).await
}

#[tokio::test]
async fn who_the_service_believes_is_believed_without_expiry() {
    let server = AuthServer::replying(Reply::json(200, BELIEVED)).await;

    let login = login_at(&server.url(), LONG).await;

    assert_eq!(login, Ok(Login { expires_at_s: None }));
    let question = &server.questions()[0];
    assert!(
        question.head.starts_with("post /auth http/1.1\r\n"),
        "{}",
        question.head
    );
    assert!(
        question.head.contains("content-type: application/json"),
        "{}",
        question.head
    );
    let asked: serde_json::Value = serde_json::from_str(&question.body).unwrap();
    let expected = serde_json::json!({"appId": APP_ID, "userId": USER, "token": "token-12345"});
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_missing_token_is_asked_about_as_null() {
    let server = AuthServer::replying(Reply::json(200, DISBELIEVED)).await;
    let authenticator = authenticator_at(&server.url(), LONG).unwrap();

    refusal(authenticator.authenticate(credentials(None)).await);

    let asked: serde_json::Value = serde_json::from_str(&server.questions()[0].body).unwrap();
    let expected = serde_json::json!({"appId": APP_ID, "userId": USER, "token": null});
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn unknown_fields_of_the_answer_do_not_matter() {
    let answer = BELIEVED.replace('}', r#","roles":["admin"]}"#);
    login_with(Reply::json(201, &answer)).await.unwrap();
}

#[tokio::test]
async fn who_is_not_authenticated_is_refused_whatever_the_status() {
    for status in [200, 401, 403] {
        refusal(login_with(Reply::json(status, DISBELIEVED)).await);
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_not_believed() {
    let another_user = BELIEVED.replace(USER, "ANZ-123224");
    let another_app = BELIEVED.replace(APP_ID, "app-id-344");
    for answer in [another_user, another_app] {
        let text = refusal(login_with(Reply::json(200, &answer)).await);
        assert!(text.contains("another app or user"), "{text}");
    }
}

#[tokio::test]
async fn a_belief_is_worth_nothing_with_a_status_other_than_2xx() {
    refusal(login_with(Reply::json(401, BELIEVED)).await);
    for status in [302, 500, 503] {
        unavailability(login_with(Reply::json(status, BELIEVED)).await);
    }
}

#[tokio::test]
async fn an_answer_without_the_json_of_the_seed_is_no_answer() {
    let answers = [
        "",
        "OK",
        "[]",
        "true",
        "{}",
        r#"{"isAuthenticated":true}"#,
        r#"{"appId":"app-id-343","userId":"ANZ-123223"}"#,
        r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":"true"}"#,
        r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":false,"isAuthenticated":true}"#,
        r#"{"appId":"app-id-343","userId":"ANZ-123223","isAuthenticated":true} and more"#,
    ];
    for answer in answers {
        for status in [200, 403] {
            unavailability(login_with(Reply::json(status, answer)).await);
        }
    }
}

#[tokio::test]
async fn silence_and_half_answers_end_with_the_timeout() {
    let parts = [
        String::new(),
        "HTTP/1.1 200 OK\r\ncontent-len".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{BELIEVED}"),
    ];
    for part in parts {
        let server = AuthServer::replying(Reply::Part(part)).await;
        let started = Instant::now();
        unavailability(login_at(&server.url(), Duration::from_millis(100)).await);
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(server.questions().len(), 1);
    }
}

#[tokio::test]
async fn a_closed_port_is_unavailable_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    drop(listener);
    let started = Instant::now();

    unavailability(login_at(&url, LONG).await);

    assert!(started.elapsed() < LONG);
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let padded = |length: usize| BELIEVED.to_owned() + &" ".repeat(length - BELIEVED.len());
    login_with(Reply::json(200, &padded(64 * 1024))).await.unwrap();
    unavailability(login_with(Reply::json(200, &padded(64 * 1024 + 1))).await);
    unavailability(login_with(Reply::Endless).await);
}

#[tokio::test]
async fn logins_one_after_the_other_share_a_connection() {
    let server = AuthServer::replying(Reply::json(200, BELIEVED)).await;
    let authenticator = authenticator_at(&server.url(), LONG).unwrap();

    for _ in 0..5 {
        authenticator
            .authenticate(credentials(Some("token-12345")))
            .await
            .unwrap();
    }

    assert_eq!(server.questions().len(), 5);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_redirect_carries_no_token_elsewhere() {
    let elsewhere = AuthServer::replying(Reply::json(200, BELIEVED)).await;
    for status in [301, 307, 308] {
        let redirect = Reply::Answer {
            status,
            headers: format!("location: {}\r\n", elsewhere.url()),
            body: BELIEVED.to_owned(),
        };
        unavailability(login_with(redirect).await);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_flood_of_logins_asks_64_questions_at_a_time() {
    const LOGINS: usize = 100;
    const AT_A_TIME: usize = 64;
    let (arrived, released) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (arriving, waiting) = (Arc::clone(&arrived), Arc::clone(&released));
    let server = AuthServer::start(move |_| {
        let (arriving, waiting) = (Arc::clone(&arriving), Arc::clone(&waiting));
        async move {
            arriving.add_permits(1);
            waiting.acquire().await.unwrap().forget();
            Reply::json(200, BELIEVED)
        }
    })
    .await;
    let authenticator = Arc::new(authenticator_at(&server.url(), LONG).unwrap());
    let logins: Vec<_> = (0..LOGINS)
        .map(|_| {
            let authenticator = Arc::clone(&authenticator);
            tokio::spawn(async move { authenticator.authenticate(credentials(None)).await })
        })
        .collect();

    arrived.acquire_many(AT_A_TIME as u32).await.unwrap().forget();
    // Each answer lets exactly one more question through: never is one there too many.
    for _ in AT_A_TIME..LOGINS {
        assert_eq!(arrived.available_permits(), 0);
        released.add_permits(1);
        arrived.acquire().await.unwrap().forget();
    }
    released.add_permits(AT_A_TIME);
    for login in logins {
        login.await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), AT_A_TIME);
}

#[tokio::test]
async fn neither_clients_nor_logs_are_told_tokens_or_secrets_of_the_url() {
    let server = AuthServer::replying(Reply::json(500, "out of order")).await;
    let url = format!("http://name:p4ssword@127.0.0.1:{}/auth?key=s3cret", server.port());
    let authenticator = authenticator_at(&url, LONG).unwrap();

    let mut told = format!("{authenticator:?}");
    for _ in 0..3 {
        told += &unavailability(authenticator.authenticate(credentials(Some("token-12345"))).await);
    }
    drop(server);
    told += &unavailability(authenticator.authenticate(credentials(Some("token-12345"))).await);

    let lines = log::own_lines();
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("WARN")).count(),
        1,
        "{lines:?}"
    );
    told += &lines.concat();
    for secret in ["p4ssword", "s3cret", "token-12345"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn a_service_that_is_back_is_believed_again_and_that_is_logged() {
    let up = Arc::new(Semaphore::new(0));
    let seen = Arc::clone(&up);
    let server = AuthServer::start(move |_| {
        let status = if seen.available_permits() > 0 { 200 } else { 503 };
        std::future::ready(Reply::json(status, BELIEVED))
    })
    .await;
    let authenticator = authenticator_at(&server.url(), LONG).unwrap();

    unavailability(authenticator.authenticate(credentials(None)).await);
    up.add_permits(1);
    authenticator.authenticate(credentials(None)).await.unwrap();

    let lines = log::own_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN") && lines[0].contains("503"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("INFO") && lines[1].contains("again"),
        "{lines:?}"
    );
}

#[test]
fn a_url_that_cannot_be_posted_to_is_refused_without_repeating_it() {
    for url in [
        "",
        "localhost:8081/auth",
        "ftp://name:p4ssword@host/",
        "http://:p4ssword@/",
        "/auth",
    ] {
        let error = authenticator_at(url, LONG).unwrap_err();
        assert!(matches!(error, CallbackConfigError::Url(_)), "{url}: {error}");
        assert!(!error.to_string().contains("p4ssword"), "{error}");
    }
}
