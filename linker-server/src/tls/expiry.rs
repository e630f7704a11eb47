//! When the certificates that ports show end, said before it is too late.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::PortTls;

const METRIC: &str = "linker_tls_certificate_expires_seconds";
/// How long before its end a certificate is warned about.
const WARNED_FOR_S: i64 = 14 * DAY_S;
const DAY_S: i64 = 24 * 60 * 60;

/// When the first of these ends, in seconds since the epoch: without any of them the others may prove nothing. One whose end cannot be read is passed over.
pub(super) fn first_end_s(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let ends = chain.iter().filter_map(|certificate| {
        let (_, read) = parse_x509_certificate(certificate).ok()?;
        Some(read.validity().not_after.timestamp())
    });
    ends.min()
}

/// What is to be said of a certificate that ends soon, or has.
fn warning(key: &str, end_s: i64, now_s: i64) -> Option<String> {
    let left_s = end_s.saturating_sub(now_s);
    match left_s {
        ..=0 => Some(format!("{key}: the certificate has ended, clients refuse it")),
        1..=WARNED_FOR_S => {
            let (count, unit) = match left_s / DAY_S {
                0 => (left_s / 3600, "hours"),
                days => (days, "days"),
            };
            Some(format!("{key}: the certificate ends in {count} {unit}"))
        }
        _ => None,
    }
}

impl PortTls {
    /// Name of the port, key of its setting, and when its certificate ends.
    fn ends(&self) -> impl Iterator<Item = (&'static str, &'static str, i64)> {
        let ports = [
            ("clients", "server.tls", &self.clients),
            ("admin", "server.adminTls", &self.admin),
        ];
        ports
            .into_iter()
            .filter_map(|(listener, key, tls)| Some((listener, key, tls.as_ref()?.first_end_s()?)))
    }

    /// Of each port whose certificate ends soon, a sentence.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let now_s = now_s();
        let warnings = self
            .ends()
            .filter_map(|(_, key, end_s)| warning(key, end_s, now_s));
        warnings.collect()
    }

    /// Tells metrics when the certificates in force end, and the log where that is soon.
    pub(crate) fn tell_ends(&self) {
        for (listener, _, end_s) in self.ends() {
            metrics::gauge!(METRIC, "listener" => listener).set(end_s as f64);
        }
        for warning in self.warnings() {
            tracing::warn!("{warning}");
        }
    }

    /// Tells it again every day, for as long as the node runs.
    pub(crate) async fn keep_telling_ends(self) {
        metrics::describe_gauge!(
            METRIC,
            "When the first of the certificates that a port shows ends, in seconds since the epoch"
        );
        loop {
            self.tell_ends();
            tokio::time::sleep(Duration::from_secs(DAY_S as u64)).await;
        }
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_days_before_its_end_a_certificate_is_warned_about() {
        let now_s = 1_800_000_000;
        let warned = |left_s: i64| warning("server.tls", now_s + left_s, now_s);
        assert_eq!(warned(WARNED_FOR_S + 1), None);
        let ends = |left_s: i64, end: &str| {
            let expected = format!("server.tls: the certificate {end}");
            assert_eq!(warned(left_s), Some(expected), "{left_s}");
        };
        ends(WARNED_FOR_S, "ends in 14 days");
        ends(3 * DAY_S + 5, "ends in 3 days");
        ends(DAY_S - 1, "ends in 23 hours");
        ends(0, "has ended, clients refuse it");
        ends(-DAY_S, "has ended, clients refuse it");
    }
}
