//! Messages that come to a domain again. Tables disagree for a moment while link states travel, and going back may be the right way round a cut: so nothing is
//! dropped for it, but nothing spins either.

use std::time::Duration;

use crate::id::DomainName;
use crate::limit::HOPS_MAX;

/// How long a message waits that is in a domain for the second time: the tables have mostly settled then, and the neighbour that sent it back has long confirmed that
/// it had it. Were it taken before that, the confirmation would be taken for one of what has come back.
const FIRST: Duration = Duration::from_secs(1);
/// The longest that a message waits.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a message that came along `path`, and is not for the domain `own`, waits there before it goes on. `None`: not at all.
pub fn pause(path: &[DomainName], own: &DomainName) -> Option<Duration> {
    if path.len() >= HOPS_MAX {
        return Some(LONGEST);
    }
    let times = path.iter().filter(|domain| *domain == own).count() as u32;
    let doubled = times.checked_sub(1)?;
    let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
    Some(FIRST.saturating_mul(factor).min(LONGEST))
}

/// The path of a message that came along `path` and leaves the domain `own`. One that would be too long keeps its first domain, where the message was sent, and
/// the newest of the others: half of what is allowed, so that it can go on for a while.
pub fn left(path: &[DomainName], own: &DomainName) -> Vec<DomainName> {
    let kept = match path {
        [origin, rest @ ..] if path.len() >= HOPS_MAX => {
            // The origin and `own` are two more.
            let newest = &rest[rest.len() - (HOPS_MAX / 2 - 2)..];
            (Some(origin), newest)
        }
        _ => (None, path),
    };
    kept.0.into_iter().chain(kept.1).chain([own]).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<DomainName> {
        let name = |number: usize| format!("d{number}").parse().unwrap();
        numbers.into_iter().map(name).collect()
    }

    #[test]
    fn a_message_that_was_not_here_goes_on_at_once() {
        let own = &names([0])[0];
        assert_eq!(pause(&[], own), None);
        assert_eq!(pause(&names(1..HOPS_MAX), own), None);
    }

    #[test]
    fn a_message_waits_longer_each_time_it_comes_again() {
        let own = &names([0])[0];
        let mut path = names([7, 0]);
        let mut pauses = Vec::new();
        while path.len() < HOPS_MAX {
            pauses.push(pause(&path, own).unwrap().as_secs());
            path.extend(names([8, 0]));
        }
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(pauses[7..].iter().all(|pause| *pause == 30));
    }

    #[test]
    fn a_message_sent_to_and_fro_a_few_times_is_still_waited_for() {
        let (a, b) = (&names([0])[0], &names([1])[0]);
        let mut path = Vec::new();
        let mut waited = Duration::ZERO;
        for _ in 0..4 {
            for own in [a, b] {
                waited += pause(&path, own).unwrap_or_default();
                path = left(&path, own);
            }
        }
        assert!(waited < super::super::WAIT, "{waited:?}");
    }

    #[test]
    fn a_message_that_has_passed_too_many_domains_waits_longest() {
        let own = &names([0])[0];
        assert_eq!(pause(&names(1..HOPS_MAX + 1), own), Some(LONGEST));
        assert_eq!(pause(&names(1..HOPS_MAX + 9), own), Some(LONGEST));
    }

    #[test]
    fn a_path_tells_all_domains_left() {
        let own = &names([900])[0];
        assert_eq!(left(&[], own), names([900]));
        assert_eq!(left(&names([1, 900, 2]), own), names([1, 900, 2, 900]));
        let nearly_full = left(&names(1..HOPS_MAX), own);
        assert_eq!(nearly_full.len(), HOPS_MAX);
        assert_eq!(nearly_full, names((1..HOPS_MAX).chain([900])));
    }

    #[test]
    fn a_path_too_long_keeps_where_it_began_and_what_is_newest() {
        let own = &names([900])[0];
        for len in [HOPS_MAX, HOPS_MAX + 40] {
            let cut = left(&names(0..len), own);
            assert_eq!(cut.len(), HOPS_MAX / 2);
            let newest = len - (HOPS_MAX / 2 - 2);
            assert_eq!(cut, names([0].into_iter().chain(newest..len).chain([900])));
            assert_eq!(pause(&cut, &names([901])[0]), None, "it can go on");
        }
    }
}
