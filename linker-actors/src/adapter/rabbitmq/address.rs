//! Where the broker is, and as whom to go there.

use std::fmt;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use linker_core::port::BusError;

/// A checked url. Its text forms leave the password out.
#[derive(Clone)]
pub(super) struct Address {
    uri: AMQPUri,
}

impl Address {
    pub(super) fn parse(url: &str, heartbeat: Duration) -> Result<Self, BusError> {
        let malformed = || {
            BusError::Refused(
                "the url of the broker is not one like amqp://user:password@host:port/vhost (or amqps://); \
                 special characters in user, password and vhost are written as %XX"
                    .into(),
            )
        };
        let (_, rest) = url.split_once("://").ok_or_else(malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        // The parser takes these for localhost.
        if host.is_empty() || host.starts_with(':') {
            return Err(malformed());
        }
        let mut uri: AMQPUri = url.parse().map_err(|_| malformed())?;
        if let Some((v6, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            uri.authority.host = v6.into();
        }
        // What people mean by a slash at the end.
        if uri.vhost.is_empty() {
            uri.vhost = "/".into();
        }
        let seconds = heartbeat.as_secs().clamp(1, u16::MAX.into());
        uri.query.heartbeat = u16::try_from(seconds).ok();
        Ok(Self { uri })
    }

    pub(super) fn uri(&self) -> &AMQPUri {
        &self.uri
    }

    pub(super) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    pub(super) fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    pub(super) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }
}

/// Host and port.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = &self.uri.authority;
        match authority.host.contains(':') {
            true => write!(f, "[{}]:{}", authority.host, authority.port),
            false => write!(f, "{}:{}", authority.host, authority.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BusError> {
        Address::parse(url, Duration::from_secs(5))
    }

    #[test]
    fn a_url_says_where_and_as_whom() {
        let address = parse("amqps://me:se%2Fcret@broker.example:5671/my%2Fhost").unwrap();
        assert_eq!(address.to_string(), "broker.example:5671");
        assert_eq!((address.user(), address.vhost()), ("me", "my/host"));
        assert!(address.is_tls());
        assert_eq!(address.uri().authority.userinfo.password, "se/cret");
        assert_eq!(address.uri().query.heartbeat, Some(5));
        for plain in [
            "amqp://h",
            "amqp://h/",
            "amqp://h/%2F",
            "amqp://guest:guest@h:5672",
        ] {
            let address = parse(plain).unwrap();
            assert_eq!(address.to_string(), "h:5672", "{plain}");
            assert_eq!((address.user(), address.vhost()), ("guest", "/"), "{plain}");
            assert!(!address.is_tls());
        }
    }

    #[test]
    fn numeric_addresses_are_taken_as_they_are() {
        for (url, expected) in [
            ("amqp://127.0.0.1:1/", "127.0.0.1:1"),
            ("amqp://u:p@[::1]:7/v", "[::1]:7"),
            ("amqp://[fe80::2]", "[fe80::2]:5672"),
        ] {
            assert_eq!(parse(url).unwrap().to_string(), expected);
        }
        assert_eq!(parse("amqp://[::1]").unwrap().uri().authority.host, "::1");
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "memory",
            "redis://me:hunter2@h/",
            "amqp://me:hunter2@/v",
            "amqp://:5672",
            "amqp:me:hunter2",
            "amqp://me:hunter2@h:99999/",
            "amqp://me:hunter2@h/?heartbeat=hunter2",
            "amqp://me:hunter2@h/%ff",
        ] {
            let Err(BusError::Refused(why)) = parse(url) else {
                panic!("{url} was taken")
            };
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn the_password_is_in_no_text_form() {
        let address = parse("amqp://me:hunter2@h/v").unwrap();
        assert!(!format!("{address} {address:?}").contains("hunter2"));
    }
}
