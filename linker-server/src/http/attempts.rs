//! How often each address may try something.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered at one time; beyond it those that have rested are forgotten, and then all.
const ADDRESSES_MAX: usize = 50_000;

/// A bucket for each address, with room for a second's worth.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// 0: no limit.
    per_second: u32,
    /// When the bucket would be full again.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Attempts {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            full_at: Mutex::default(),
        }
    }

    /// Whether one more is all right now.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let one = Duration::from_secs(1) / self.per_second;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= ADDRESSES_MAX && !full_at.contains_key(&address) {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= ADDRESSES_MAX {
                full_at.clear();
            }
        }
        let at = full_at.entry(address).or_insert(now);
        let then = (*at).max(now) + one;
        let has_room = then <= now + Duration::from_secs(1);
        if has_room {
            *at = then;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u32) -> IpAddr {
        Ipv4Addr::from(last).into()
    }

    #[test]
    fn a_seconds_worth_at_once_and_then_as_they_come() {
        let attempts = Attempts::new(5);
        let start = Instant::now();
        let taken = |at: Duration| (0..10).filter(|_| attempts.take(address(1), start + at)).count();
        assert_eq!(taken(Duration::ZERO), 5);
        assert_eq!(taken(Duration::from_millis(410)), 2);
        assert!(attempts.take(address(2), start), "others have their own");
        assert_eq!(taken(Duration::from_secs(60)), 5);
        let unlimited = Attempts::new(0);
        assert!((0..1000).all(|_| unlimited.take(address(1), start)));
    }

    #[test]
    fn no_more_addresses_are_kept_than_the_bound() {
        let attempts = Attempts::new(1);
        let now = Instant::now();
        for n in 0..ADDRESSES_MAX as u32 + 10 {
            assert!(attempts.take(address(n), now));
        }
        assert!(attempts.full_at.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
