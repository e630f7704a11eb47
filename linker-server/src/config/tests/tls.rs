use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use super::{APP, Start};

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn start(cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Start {
    Start::with(&format!("{APP}server:\n  tls: {{cert: c.pem, key: k.pem}}"))
        .and_file("/etc/linker/c.pem", cert)
        .and_file("/etc/linker/k.pem", key)
}

#[test]
fn certificate_and_key_are_read_and_clients_are_told_wss() {
    let CertifiedKey { cert, signing_key } = pair();
    let config = start(cert.pem(), signing_key.serialize_pem()).config();
    let tls = config.server.tls.as_ref().unwrap();
    assert_eq!(tls.cert, cert.pem().trim_end());
    assert_eq!(tls.cert_file.to_str(), Some("/etc/linker/c.pem"));
    assert_eq!(
        config.server.public_url_at("127.0.0.1:1".parse().unwrap()),
        "wss://127.0.0.1:1/ws"
    );
    let secret = signing_key.serialize_pem();
    assert!(!format!("{config:?}").contains(secret.lines().nth(1).unwrap()));
    assert!(config.server.admin_tls.is_none());
}

#[test]
fn the_admin_port_has_a_pair_of_its_own() {
    let CertifiedKey { cert, signing_key } = pair();
    let config = Start::with(&format!("{APP}server:\n  adminTls: {{cert: c.pem, key: k.pem}}"))
        .and_file("/etc/linker/c.pem", cert.pem())
        .and_file("/etc/linker/k.pem", signing_key.serialize_pem())
        .config();
    assert!(config.server.tls.is_none() && config.server.admin_tls.is_some());
    assert_eq!(
        (config.server.ws_scheme(), config.server.admin_scheme()),
        ("ws", "https")
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_name() {
    let CertifiedKey { cert, signing_key } = pair();
    let (cert, key) = (cert.pem(), signing_key.serialize_pem());
    let other = pair().signing_key.serialize_pem();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let no_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: [(&str, &str, &str); 9] = [
        ("", &key, "server.tls.cert: in /etc/linker/c.pem: it is empty"),
        (
            &key,
            &key,
            "server.tls.cert: in /etc/linker/c.pem: no certificate in it",
        ),
        (
            no_base64,
            &key,
            "server.tls.cert: in /etc/linker/c.pem: a certificate that cannot be read",
        ),
        (
            no_der,
            &key,
            "server.tls.key: /etc/linker/k.pem with /etc/linker/c.pem: a certificate that cannot be read",
        ),
        (
            &cert,
            "hunter2",
            "server.tls.key: in /etc/linker/k.pem: no private key in it",
        ),
        (
            &cert,
            &cert,
            "server.tls.key: in /etc/linker/k.pem: no private key in it",
        ),
        (
            &cert,
            &encrypted,
            "server.tls.key: in /etc/linker/k.pem: a private key that is encrypted",
        ),
        (
            &cert,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "server.tls.key: in /etc/linker/k.pem: a private key of an unknown kind",
        ),
        (
            &cert,
            &other,
            "server.tls.key: /etc/linker/k.pem with /etc/linker/c.pem: the key is not the certificate's",
        ),
    ];
    for (cert, key, expected) in cases {
        let lines = start(cert, key).mistakes();
        assert_eq!(lines.len(), 1, "{expected}: {lines:#?}");
        assert!(
            lines[0].starts_with(&format!("node.yml:3: {expected}")),
            "{expected}: {lines:#?}"
        );
        assert!(
            lines[0].contains("; allowed: ") && !lines[0].contains("hunter2"),
            "{lines:#?}"
        );
    }
}

#[test]
fn a_half_and_a_file_that_is_not_there_are_told() {
    let half = Start::with(&format!("{APP}server: {{tls: {{cert: c.pem}}}}"))
        .and_file("/etc/linker/c.pem", pair().cert.pem())
        .mistakes();
    assert_eq!(half.len(), 1, "{half:#?}");
    assert!(
        half[0].starts_with("node.yml:2: server.tls.key: missing"),
        "{half:#?}"
    );
    let absent = Start::with(&format!("{APP}server: {{tls: {{cert: c.pem, key: k.pem}}}}")).mistakes();
    assert_eq!(absent.len(), 2, "{absent:#?}");
    for (line, name) in absent.iter().zip([
        "cert: cannot read /etc/linker/c.pem",
        "key: cannot read /etc/linker/k.pem",
    ]) {
        assert!(
            line.starts_with(&format!("node.yml:2: server.tls.{name}")),
            "{line}"
        );
    }
}
