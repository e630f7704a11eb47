//! A node's configuration file: read, or every mistake on a line of its own.
#![no_main]

use std::ffi::OsString;
use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;

// The stock server is a program and no library.
#[allow(dead_code, unused_imports)]
#[path = "../../linker-server/src/config/mod.rs"]
mod config;

// What the configuration asks of it: whether a pair of files is one.
#[allow(dead_code)]
#[path = "../../linker-server/src/tls/pair.rs"]
mod pair;

mod tls {
    pub(crate) use crate::pair::{PairFault, certified_key, check_certificates, check_key};
}

use config::{Overrides, Surroundings, load};

const FILE: &str = "/etc/linker/node.yml";

struct OneFile<'a>(&'a [u8]);

impl Surroundings for OneFile<'_> {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        Vec::new()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match path == Path::new(FILE) && self.0.len() as u64 <= limit {
            true => Ok(self.0.to_vec()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn host_name(&self) -> String {
        "host".to_owned()
    }

    fn random_suffix(&self) -> u32 {
        1
    }
}

fuzz_target!(|data: &[u8]| {
    if let Err(mistakes) = load(Some(Path::new(FILE)), &Overrides::default(), &OneFile(data)) {
        let lines = mistakes.to_string();
        assert!(!lines.is_empty(), "an error without a mistake");
        assert!(lines.lines().all(|line| line.starts_with(FILE)), "{lines}");
    }
});
