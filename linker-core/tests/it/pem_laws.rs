//! Public keys in PEM are told from what is none.

use linker_core::pem::{PublicKeyFault, check_public_key, has_block};

fn block(label: &str) -> String {
    format!("-----BEGIN {label}-----\nMCowBQYDK2VwAyEA\n-----END {label}-----\n")
}

#[test]
fn a_public_key_is_told_from_what_is_none() {
    let public = block("PUBLIC KEY");
    let cases = [
        (public.clone(), Ok(())),
        (block("RSA PUBLIC KEY"), Ok(())),
        (format!("{public}{public}"), Err(PublicKeyFault::SeveralBlocks)),
        (block("CERTIFICATE"), Err(PublicKeyFault::Certificate)),
        (block("PRIVATE KEY"), Err(PublicKeyFault::PrivateKey)),
        (block("ENCRYPTED PRIVATE KEY"), Err(PublicKeyFault::PrivateKey)),
        (
            format!("{public}{}", block("EC PRIVATE KEY")),
            Err(PublicKeyFault::PrivateKey),
        ),
        (public[..30].to_owned(), Err(PublicKeyFault::NotPem)),
        ("MIIB".to_owned(), Err(PublicKeyFault::NotPem)),
        (String::new(), Err(PublicKeyFault::NotPem)),
    ];
    for (text, expected) in cases {
        assert_eq!(check_public_key(&text), expected, "{text}");
    }
    assert!(has_block(&public) && !has_block("MIIB"));
}
