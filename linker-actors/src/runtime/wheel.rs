//! One timer wheel a worker instead of a timer a session.

use std::time::Duration;

/// How exact session deadlines are.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const SLOTS: u64 = 2048;

/// Keys by when they are due. No key comes up early: whoever set it may not set it again.
pub(crate) struct Wheel<K> {
    /// With the tick of each key: the wheel may have to turn several times until then.
    slots: Vec<Vec<(u64, K)>>,
    /// The next tick to be looked at.
    next: u64,
    len: usize,
}

fn tick_of(at: Duration) -> u64 {
    at.as_nanos().div_ceil(TICK.as_nanos()) as u64
}

impl<K> Wheel<K> {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            next: tick_of(now),
            len: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, at: Duration, key: K) {
        let tick = tick_of(at).max(self.next);
        self.slots[(tick % SLOTS) as usize].push((tick, key));
        self.len += 1;
    }

    /// Takes out everything due by `now`.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<K> {
        let until = (now.as_nanos() / TICK.as_nanos()) as u64;
        let mut due = Vec::new();
        if until >= self.next + SLOTS {
            // The process stood still for longer than the wheel turns.
            self.next = until - SLOTS + 1;
        }
        while self.next <= until {
            let slot = &mut self.slots[(self.next % SLOTS) as usize];
            due.extend(
                slot.extract_if(.., |(tick, _)| *tick <= until)
                    .map(|(_, key)| key),
            );
            if slot.is_empty() && slot.capacity() > 64 {
                *slot = Vec::new();
            }
            self.next += 1;
        }
        self.len -= due.len();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_key_comes_up_at_its_tick_and_not_before() {
        let mut wheel = Wheel::new(ms(1000));
        wheel.insert(ms(1120), 'a');
        assert!(wheel.expire(ms(1100)).is_empty());
        assert_eq!(wheel.expire(ms(1150)), ['a']);
        assert!(wheel.is_empty());
    }

    #[test]
    fn what_is_overdue_comes_up_at_once_and_what_is_far_in_its_turn() {
        let mut wheel = Wheel::new(ms(10_000));
        wheel.insert(ms(5), 'a');
        wheel.insert(ms(200_000), 'b');
        assert_eq!(wheel.expire(ms(10_000)), ['a']);
        assert!(wheel.expire(ms(199_999)).is_empty());
        assert_eq!(wheel.expire(ms(200_000)), ['b']);
        wheel.insert(ms(400_000), 'c');
        wheel.insert(ms(500_000), 'd');
        // Nobody looked for several turns.
        assert_eq!(wheel.expire(ms(600_000)).len(), 2);
        assert!(wheel.is_empty());
    }

    #[test]
    fn no_key_comes_up_early_by_a_part_of_a_millisecond() {
        let mut wheel = Wheel::new(ms(1000));
        let at = Duration::from_micros(1_100_787);
        wheel.insert(at, 'a');
        assert!(wheel.expire(ms(1100)).is_empty());
        assert!(wheel.expire(at - Duration::from_nanos(1)).is_empty());
        assert_eq!(wheel.expire(ms(1150)), ['a']);
    }
}
