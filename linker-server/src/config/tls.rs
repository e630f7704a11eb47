//! `server.tls` and `server.adminTls`: certificate and key of a port.

use std::path::PathBuf;

use super::mistake::Wrong;
use super::reader::Section;
use super::secret::Secret;
use crate::tls::{self, PairFault};

const CERT_ALLOWED: &str = "the certificate in PEM, and after it those up to the authority";
const KEY_ALLOWED: &str = "the certificate's private key in PEM (PKCS#8, PKCS#1 or SEC1), not encrypted";

/// What a port proves itself by. The files have been read, and fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// `cert`, resolved.
    pub(crate) cert_file: PathBuf,
    /// `key`, resolved.
    pub(crate) key_file: PathBuf,
    /// What stands in `cert`: PEM.
    pub(crate) cert: String,
    /// What stands in `key`: PEM.
    pub(crate) key: Secret,
}

/// Reads the section `name`, if there is one.
pub(super) fn read(server: &mut Section<'_>, name: &'static str) -> Option<TlsConfig> {
    let is_given = server.has(name);
    server.section(name, |section| {
        if !is_given {
            return None;
        }
        for (key, allowed) in [("cert", CERT_ALLOWED), ("key", KEY_ALLOWED)] {
            if !section.has(key) {
                let wrong = Wrong::new("missing", format!("the path of a file with {allowed}"));
                section
                    .reading
                    .mistake(section.place().clone(), section.path_to(key), wrong);
            }
        }
        let cert = section.text_file("cert", |text| {
            let faulty = |fault: PairFault| Wrong::new(fault.to_string(), CERT_ALLOWED);
            tls::check_certificates(text).map_err(faulty)
        });
        let key = section.text_file("key", |text| {
            let faulty = |fault: PairFault| Wrong::new(fault.to_string(), KEY_ALLOWED);
            tls::check_key(text).map_err(faulty)
        });
        let ((cert_file, cert), (key_file, key)) = (cert?, key?);
        if let Err(fault) = tls::certified_key(&cert, &key) {
            let what = format!("{} with {}: {fault}", key_file.display(), cert_file.display());
            section.wrong("key", Wrong::new(what, KEY_ALLOWED));
            return None;
        }
        Some(TlsConfig {
            cert_file,
            key_file,
            cert,
            key: Secret::new(key),
        })
    })
}
