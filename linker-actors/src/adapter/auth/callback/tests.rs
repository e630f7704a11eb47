//! The callback over TLS, with an authority of the tests' own: the public constructor trusts only the system's.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use linker_core::port::{AuthError, Authenticator, Credentials, Login};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{CallbackAuthenticator, CallbackConfigError, parse_url};
use crate::adapter::http::tls;

const AUTHORITY: &[u8] = include_bytes!("../../../../tests/keys/tls_authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/keys/tls_certificate.pem");
const PRIVATE_KEY: &[u8] = include_bytes!("../../../../tests/keys/tls_private.pem");
const BELIEVED: &str = r#"{"appId":"app-id-343","userId":"ANZ-1","isAuthenticated":true}"#;

/// Serves one connection; tells what it was asked, decrypted, or why it was not.
fn serve_once() -> (u16, JoinHandle<std::io::Result<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")],
            PrivateKeyDer::from_pem_slice(PRIVATE_KEY).expect("a key"),
        )
        .expect("a key that fits the certificate");
    let served = std::thread::spawn(move || {
        let (socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let connection = ServerConnection::new(Arc::new(config)).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        let mut asked = String::new();
        while !asked.contains('}') {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            asked.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        let length = BELIEVED.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{BELIEVED}"
        )?;
        stream.flush()?;
        Ok(asked)
    });
    (port, served)
}

async fn ask(port: u16, roots: RootCertStore) -> Result<Login, AuthError> {
    let url = parse_url(&format!("https://localhost:{port}/auth")).expect("a url");
    let tls = tls::trusting(roots).expect("a TLS configuration");
    let authenticator =
        CallbackAuthenticator::with_tls(url, Duration::from_secs(10), tls).expect("an authenticator");
    let credentials = Credentials {
        app_id: "app-id-343".to_owned(),
        user: "ANZ-1".parse().expect("a user id"),
        token: Some("token-12345".to_owned()),
    };
    authenticator.authenticate(credentials).await
}

#[tokio::test]
async fn a_service_with_a_trusted_certificate_is_asked_over_tls() {
    let (port, served) = serve_once();
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate");
    roots.add(authority).expect("an authority");

    assert_eq!(ask(port, roots).await, Ok(Login { expires_at_s: None }));
    let asked = served.join().expect("the server ends").expect("a question");
    assert!(asked.contains("token-12345"), "{asked}");
}

#[tokio::test]
async fn a_service_with_an_untrusted_certificate_gets_no_token() {
    let (port, served) = serve_once();

    let result = ask(port, RootCertStore::empty()).await;
    assert!(matches!(result, Err(AuthError::Unavailable(_))), "{result:?}");
    served
        .join()
        .expect("the server ends")
        .expect_err("the handshake fails");
}

#[test]
fn https_neither_needs_nor_sets_a_crypto_provider_of_the_process() {
    let built = CallbackAuthenticator::new("https://localhost/auth", Duration::from_secs(1));
    // A machine without any certificates to trust is told so.
    assert!(
        matches!(built, Ok(_) | Err(CallbackConfigError::Tls(_))),
        "{built:?}"
    );
    assert!(CryptoProvider::get_default().is_none());
}
