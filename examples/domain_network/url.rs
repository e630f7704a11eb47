//! Taking urls of services apart, as far as is needed here.

/// The url with another database, or vhost, in the place of its own.
pub(crate) fn with_path(url: &str, path: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let from = url.find("://").map_or(0, |at| at + 3);
    let to = url[from..].find('/').map_or(url.len(), |at| from + at);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}/{path}{mark}{query}", &url[..to])
}

/// What stands between the scheme and the path: user and password where there are some, host, port where there is one.
fn authority(url: &str) -> (Option<&str>, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    }
}

/// Host and port; never the password, so that it may be shown.
pub(crate) fn host(url: &str, standard_port: u16) -> String {
    let (_, host) = authority(url);
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port {
        host.to_owned()
    } else {
        format!("{host}:{standard_port}")
    }
}

/// Where the management API of the RabbitMQ at this url usually is.
pub(crate) fn management_of(url: &str) -> String {
    let host = host(url, 5672);
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    format!("{name}:15672")
}

/// User and password, still percent-encoded.
pub(crate) fn login(url: &str) -> (&str, &str) {
    let user = authority(url).0.unwrap_or("guest:guest");
    user.split_once(':').unwrap_or((user, ""))
}

/// The url by way of this address, a proxy's.
pub(crate) fn by_way_of(url: &str, address: impl ToString) -> String {
    url.replacen(authority(url).1, &address.to_string(), 1)
}
