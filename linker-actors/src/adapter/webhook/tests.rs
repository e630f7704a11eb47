use super::*;

#[test]
fn the_signature_is_of_time_and_body() {
    // As `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef` says.
    let signer = Signer::new(b"0123456789abcdef");
    let signed = signer.sign(1_700_000_000, br#"{"a":1}"#);
    assert_eq!(
        signed,
        "t=1700000000,v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
    );
    assert_ne!(signer.sign(1_700_000_001, br#"{"a":1}"#)[13..], signed[13..]);
    assert_ne!(signer.sign(1_700_000_000, br#"{"a":2}"#), signed);
}

#[test]
fn only_what_is_about_the_message_is_a_refusal() {
    let of = |status: u16| judge(StatusCode::from_u16(status).unwrap());
    for good in [200, 201, 202, 204] {
        assert_eq!(of(good), Ok(()));
    }
    for refused in [400, 413, 415, 422] {
        assert!(matches!(of(refused), Err(UpstreamError::Refused(_))), "{refused}");
    }
    for fault in [
        301, 302, 401, 403, 404, 405, 408, 409, 410, 425, 429, 500, 502, 503, 504,
    ] {
        assert!(matches!(of(fault), Err(UpstreamError::Failed(_))), "{fault}");
    }
}

#[test]
fn neither_secret_nor_url_is_in_any_text() {
    let time = Duration::from_secs(1);
    let secret = b"hunter2hunter2hunter2";
    let sink = WebhookSink::new("https://joe:hunter2@app.example/hook?key=hunter2", secret, time).unwrap();
    assert!(!format!("{sink:?} {:?}", sink.signer).contains("hunter2"));
    for (url, secret) in [
        ("ftp://joe:hunter2@app.example", &secret[..]),
        ("joe:hunter2", &secret[..]),
        ("http://app.example", &b"hunter2"[..]),
    ] {
        let error = WebhookSink::new(url, secret, time).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
