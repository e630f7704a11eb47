//! As much of a url as has to be known to check it.

use std::net::Ipv6Addr;

/// A url that is well formed and holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainUrl<'a> {
    scheme: &'a str,
    before_path: &'a str,
    path: &'a str,
    after_path: &'a str,
}

/// Why a text is not a [`PlainUrl`]. Never quotes it, for there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// It does not begin with `SCHEME://`.
    NoScheme,
    /// It has a user or a password.
    Credentials,
    /// Nothing stands where a host is expected.
    NoHost,
    /// Its port is not 1 to 65535.
    Port,
    /// It is no url for another reason.
    Malformed,
}

impl<'a> PlainUrl<'a> {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// The first fault that is met.
    pub fn parse(text: &'a str) -> Result<Self, UrlFault> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::NoScheme)?;
        let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_len);
        if authority.contains('@') {
            return Err(UrlFault::Credentials);
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        let is_scheme_char = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme_char) || text.contains(odd) {
            return Err(UrlFault::Malformed);
        }
        check_host_and_port(authority)?;
        let path_len = tail.find(['?', '#']).unwrap_or(tail.len());
        let (path, after_path) = tail.split_at(path_len);
        Ok(Self {
            scheme,
            before_path: &text[..text.len() - tail.len()],
            path,
            after_path,
        })
    }

    /// As written.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// Whether its scheme is `scheme`, whose case does not count.
    pub fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Whether something follows a `?`.
    pub fn has_query(&self) -> bool {
        self.after_path.starts_with('?')
    }

    /// Whether something follows a `#`.
    pub fn has_fragment(&self) -> bool {
        self.after_path.contains('#')
    }

    /// The url, with `/ws` as its path where it has none.
    pub fn with_ws_path(&self) -> String {
        let path = match self.path {
            "" | "/" => "/ws",
            path => path,
        };
        format!("{}{path}{}", self.before_path, self.after_path)
    }
}

fn check_host_and_port(authority: &str) -> Result<(), UrlFault> {
    let port = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => {
            host.parse::<Ipv6Addr>().map_err(|_| UrlFault::Malformed)?;
            after
        }
        None => {
            let host = authority.split(':').next().unwrap_or_default();
            if host.is_empty() {
                return Err(UrlFault::NoHost);
            }
            if !host.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c)) {
                return Err(UrlFault::Malformed);
            }
            &authority[host.len()..]
        }
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        None => Err(UrlFault::Malformed),
        Some(port) if is_port(port) => Ok(()),
        Some(_) => Err(UrlFault::Port),
    }
}
