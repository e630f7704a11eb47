//! What a value of each kind may be. Each check answers with the value or with what is wrong and what is allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_http::Uri;
use linker_core::id::{AppName, DomainName, NodeName, UserId};
use linker_core::limit::APP_ID_LEN_MAX;
use linker_core::url::{PlainUrl, UrlFault};

use super::mistake::{Wrong, shown};

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// An address to listen on: `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`; port 0 asks the system for a free one.
pub(crate) fn bind_address(text: &str) -> Result<SocketAddr, Wrong> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    local.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).or_else(|| text.parse().ok()).ok_or_else(
        || {
            Wrong::new(
                format!("{} is not an address to listen on", shown(text)),
                "IP:PORT, [IPv6]:PORT or localhost:PORT, such as 127.0.0.1:8088 or 0.0.0.0:8088; port 0 is any free one",
            )
        },
    )
}

/// A `ws://` or `wss://` url; without a path it gets the endpoint's, `/ws`.
pub(super) fn websocket_url(text: &str) -> Result<String, Wrong> {
    let url = url(
        text,
        &["ws", "wss"],
        "ws://HOST:PORT/ws or wss://HOST/ws, without user, query or fragment",
    )?;
    if url.has_query() {
        return Err(Wrong::new(
            "the url has a query",
            "ws://HOST:PORT/ws or wss://HOST/ws, without a query",
        ));
    }
    Ok(url.with_ws_path())
}

/// Whether a WebSocket url is without TLS, and not of this machine.
pub(super) fn is_plain_and_elsewhere(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    let is_plain = uri
        .scheme_str()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("ws"));
    is_plain && !is_loopback
}

/// An `http://` or `https://` url.
pub(super) fn http_url(text: &str) -> Result<String, Wrong> {
    url(
        text,
        &["http", "https"],
        "http://HOST/PATH or https://HOST/PATH, without user and fragment",
    )?;
    Ok(text.to_owned())
}

/// An `http://` or `https://` url of a meta server, under which its paths begin.
pub(super) fn meta_url(text: &str) -> Result<String, Wrong> {
    const ALLOWED: &str = "http://HOST:PORT or https://HOST:PORT, without user, query and fragment";
    if url(text, &["http", "https"], ALLOWED)?.has_query() {
        return Err(Wrong::new("the url has a query", ALLOWED));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A url of one of `schemes` with a host. The url is never repeated: there may be a password in it.
fn url<'a>(text: &'a str, schemes: &[&str], allowed: &str) -> Result<PlainUrl<'a>, Wrong> {
    let wrong = |what: &str| Wrong::new(what, allowed);
    let other_scheme = || wrong(&format!("not a {} url", schemes.join(" or ")));
    let url = PlainUrl::parse(text).map_err(|fault| match fault {
        UrlFault::NoScheme => other_scheme(),
        UrlFault::Credentials => wrong("the url has a user or a password in it"),
        UrlFault::NoHost => wrong("the url has no host"),
        UrlFault::Port => wrong("the url's port is not 1 to 65535"),
        UrlFault::Malformed => wrong("not a url"),
    })?;
    // What is not ASCII goes over the wire in another form, which is the one to write.
    if !text.is_ascii() {
        return Err(wrong("not a url"));
    }
    if !schemes.iter().any(|scheme| url.has_scheme(scheme)) {
        return Err(other_scheme());
    }
    if url.has_fragment() {
        return Err(wrong("the url has a fragment"));
    }
    Ok(url)
}

/// The crate parses a port as any text after the colon, and answers `None` for what is no number of 16 bits.
fn has_sound_port(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else {
        return true;
    };
    let has_port = authority.as_str().len() > authority.host().len();
    !has_port || uri.port_u16().is_some_and(|port| port != 0)
}

/// An origin as browsers send it, `https://host[:port]`, in the form they use: lower case, without the scheme's own port.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    const ALLOWED: &str = "https://HOST or https://HOST:PORT without a path, or an empty list for any origin";
    let wrong = || Wrong::new(format!("{} is not an origin", shown(text)), ALLOWED);
    if text == "null" {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let uri: Uri = lower.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let is_bare = lower == format!("{scheme}://{authority}");
    let is_host = !authority.host().is_empty() && !authority.as_str().contains(['@', '*']);
    if !is_bare || !is_host || !has_sound_port(&uri) {
        return Err(wrong());
    }
    let own_port = matches!(
        (scheme, uri.port_u16()),
        ("http", Some(80)) | ("https", Some(443))
    );
    Ok(if own_port {
        format!("{scheme}://{}", authority.host())
    } else {
        lower
    })
}

/// The name of a domain.
pub(super) fn domain_name(text: &str) -> Result<DomainName, Wrong> {
    let name: DomainName = text
        .parse()
        .map_err(|_| Wrong::new(format!("{} is not a domain name", shown(text)), NAME_ALLOWED))?;
    match name.is_upstream() {
        true => Err(Wrong::new(
            format!("{} is Linker's own", shown(text)),
            "any other name",
        )),
        false => Ok(name),
    }
}

/// The name of a node.
pub(super) fn node_name(text: &str) -> Result<NodeName, Wrong> {
    text.parse()
        .map_err(|_| Wrong::new(format!("{} is not a node name", shown(text)), NAME_ALLOWED))
}

const NAME_ALLOWED: &str = "1 to 128 of A-Z a-z 0-9 . _ -";

/// The short name of a client app.
pub(super) fn app_name(text: &str) -> Result<AppName, Wrong> {
    let name: AppName = text.parse().map_err(|_| {
        Wrong::new(
            format!("{} is not an app name", shown(text)),
            "1 to 32 of A-Z a-z 0-9 _",
        )
    })?;
    match name == AppName::UPSTREAM {
        true => Err(Wrong::new(
            format!("{} is Linker's own", shown(text)),
            "any other name",
        )),
        false => Ok(name),
    }
}

/// The long id of a client app.
pub(super) fn app_id(text: &str) -> Result<String, Wrong> {
    let sound = !text.is_empty() && text.len() <= APP_ID_LEN_MAX && !text.chars().any(char::is_control);
    let wrong = || {
        Wrong::new(
            format!("{} is not an app id", shown(text)),
            "1 to 256 bytes without control characters",
        )
    };
    if sound { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// The id of a user.
pub(super) fn user_id(text: &str) -> Result<UserId, Wrong> {
    const ALLOWED: &str =
        "appName-NUMBER, the number 0 to 9223372036854775807 without leading zeros, such as ANZ-123223";
    text.parse()
        .map_err(|_| Wrong::new(format!("{} is not a user id", shown(text)), ALLOWED))
}

/// A token that fits into `Authorization: Bearer`.
pub(super) fn bearer_token(text: &str) -> Result<(), Wrong> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Wrong::new(
        "the token does not fit into a header",
        "visible ASCII characters without spaces, one at least",
    ))
}

/// A level, or levels by module: `info`, `info,linker_actors=debug`.
pub(super) fn log_filter(text: &str) -> Result<String, Wrong> {
    let is_target = |target: &str| {
        !target.is_empty()
            && target
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b))
    };
    let is_directive = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => is_target(target) && LOG_LEVELS.contains(&level),
        None => LOG_LEVELS.contains(&directive),
    };
    if text.split(',').all(is_directive) {
        return Ok(text.to_owned());
    }
    let allowed = format!(
        "one of {}, or several by module such as info,linker_actors=debug",
        LOG_LEVELS.join(", ")
    );
    Err(Wrong::new(format!("{} is not a log level", shown(text)), allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_addresses() {
        assert_eq!(bind_address("127.0.0.1:8088").unwrap().port(), 8088);
        assert_eq!(bind_address("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert!(bind_address("[::1]:1").unwrap().ip().is_loopback());
        for bad in [
            "",
            "8088",
            ":8088",
            "*:8088",
            "127.0.0.1",
            "127.0.0.1:65536",
            "::1:80x",
            "example.org:80",
            "localhost:x",
        ] {
            assert!(bind_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn websocket_urls_get_the_endpoint_as_path() {
        assert_eq!(websocket_url("ws://a:8088").unwrap(), "ws://a:8088/ws");
        assert_eq!(websocket_url("wss://a.example").unwrap(), "wss://a.example/ws");
        assert_eq!(websocket_url("wss://a/x/ws").unwrap(), "wss://a/x/ws");
        assert_eq!(websocket_url("ws://[::1]:8088").unwrap(), "ws://[::1]:8088/ws");
        for bad in [
            "",
            "a",
            "a:1",
            "http://a",
            "ws://",
            "ws:///ws",
            "ws://a:0",
            "ws://a:65536",
            "ws://a:x/",
            "ws://a?b",
            "ws://a/#b",
            "ws://a b",
        ] {
            assert!(websocket_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_without_tls_of_other_machines() {
        for misleading in [
            "ws://a/ws",
            "WS://a:1/ws",
            "ws://10.0.0.1:1/ws",
            "ws://[2001:db8::1]/ws",
        ] {
            assert!(is_plain_and_elsewhere(misleading), "{misleading}");
        }
        for sound in [
            "wss://a/ws",
            "ws://localhost:1/ws",
            "ws://127.0.0.2/ws",
            "ws://[::1]:1/ws",
        ] {
            assert!(!is_plain_and_elsewhere(sound), "{sound}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        let wrong = http_url("http://joe:hunter2@a/auth").unwrap_err();
        assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
        let wrong = http_url("ftp://joe:hunter2@a/auth").unwrap_err();
        assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
        assert!(http_url("http://localhost:8081/auth?app=1").is_ok());
    }

    #[test]
    fn origins_take_the_form_browsers_send() {
        for (given, sent) in [
            ("https://App.Example", "https://app.example"),
            ("https://a:443", "https://a"),
            ("http://a:80", "http://a"),
            ("http://a:8080", "http://a:8080"),
            ("https://a:80", "https://a:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("null", "null"),
        ] {
            assert_eq!(origin(given).unwrap(), sent);
        }
        for bad in [
            "",
            "*",
            "a",
            "a.example",
            "https://a/",
            "https://a/b",
            "https://*.a",
            "https://j@a",
            "https://a:x",
            "https://",
            "a b",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn log_filters() {
        for good in [
            "info",
            "off",
            "warn,linker_actors=debug",
            "linker_server::http=trace",
        ] {
            assert!(log_filter(good).is_ok(), "{good}");
        }
        for bad in ["", "INFO", "verbose", "info,", "=info", "a=b", "info, warn"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_fit_into_a_header() {
        assert!(bearer_token("abc-._~+/=123").is_ok());
        for bad in ["", "a b", "a\n", "é", "\u{7f}"] {
            assert!(bearer_token(bad).is_err(), "{bad:?}");
        }
    }
}
