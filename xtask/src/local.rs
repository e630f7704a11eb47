//! This machine's own address: its ports, and short questions to who listens there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// A node that is busy takes its time.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

/// A port of this machine's own address.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

/// A connection on which nothing takes longer than `time_max`.
pub(crate) fn connect(address: SocketAddr, time_max: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, time_max)?;
    stream.set_read_timeout(Some(time_max))?;
    stream.set_write_timeout(Some(time_max))?;
    Ok(stream)
}

/// Status and body of a `GET`.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = connect(address, ANSWER_TIME_MAX)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("not HTTP")?, body.to_owned()))
}

/// The metric of this name in Prometheus' text, over all labels that contain `label`; what was never counted is 0.
pub(crate) fn metric(text: &str, name: &str, label: &str) -> f64 {
    let value = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let whole = labels.is_empty() || labels.starts_with('{');
        (whole && labels.contains(label)).then(|| value.parse().ok())?
    };
    text.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_the_labels_asked_for() {
        let text = "# TYPE linker_x counter\nlinker_x{outcome=\"stored\"} 3\nlinker_x{outcome=\"dropped\"} 4\n\
                    linker_x_more 100\nlinker_y 1.5\n";
        assert_eq!(metric(text, "linker_x", ""), 7.0);
        assert_eq!(metric(text, "linker_x", "stored"), 3.0);
        assert_eq!(metric(text, "linker_y", ""), 1.5);
        assert_eq!(metric(text, "linker_z", ""), 0.0);
    }

    #[test]
    fn a_metric_is_found_with_its_labels() {
        let text = "# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 4.5\nab 7\n";
        assert_eq!(metric(text, "a", "x=\"2\""), 4.5);
        assert_eq!(metric(text, "ab", ""), 7.0);
        assert_eq!(metric(text, "b", ""), 0.0);
    }
}
