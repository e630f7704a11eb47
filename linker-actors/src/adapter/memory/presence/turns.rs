//! Which node serves the fetches of a user, and which is next. No clock and no lock.

use std::collections::HashMap;
use std::time::Instant;

use linker_core::id::{NodeInstance, UserId};
use linker_core::port::{TURN_ASK_TIME, TURN_TIME, Turn};

#[derive(Debug, Default)]
pub(super) struct Turns {
    of: HashMap<UserId, Places>,
}

/// Who has the turn, and who waits for it, each until then.
#[derive(Debug, Default)]
struct Places {
    holder: Option<(NodeInstance, Instant)>,
    next: Option<(NodeInstance, Instant)>,
}

impl Places {
    fn forget_old(&mut self, now: Instant) {
        self.holder.take_if(|(_, until)| *until <= now);
        self.next.take_if(|(_, until)| *until <= now);
    }

    fn is_empty(&self) -> bool {
        self.holder.is_none() && self.next.is_none()
    }
}

impl Turns {
    pub(super) fn begin(&mut self, user: UserId, node: NodeInstance, now: Instant) -> Turn {
        let places = self.of.entry(user).or_default();
        places.forget_old(now);
        let holds = places.holder.as_ref().map(|(holder, _)| *holder == node);
        let wanted = places.next.as_ref().is_some_and(|(next, _)| *next != node);
        if holds == Some(true) || (holds.is_none() && !wanted) {
            places.next.take_if(|(next, _)| *next == node);
            places.holder = Some((node, now + TURN_TIME));
            return Turn::Ours { wanted };
        }
        if !wanted {
            places.next = Some((node, now + TURN_ASK_TIME));
        }
        Turn::Theirs
    }

    pub(super) fn end(&mut self, user: &UserId, node: &NodeInstance) {
        let Some(places) = self.of.get_mut(user) else {
            return;
        };
        places.holder.take_if(|(holder, _)| holder == node);
        places.next.take_if(|(next, _)| next == node);
        if places.is_empty() {
            self.of.remove(user);
        }
    }

    /// Forgets what nodes left that died with it.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.of.retain(|_, places| {
            places.forget_old(now);
            !places.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use linker_core::port::{TURN_ASK_TIME, TURN_TIME, Turn};
    use linker_core::testkit::sample::{node, user};

    use super::Turns;

    const OURS: Turn = Turn::Ours { wanted: false };

    #[test]
    fn a_turn_that_nobody_renews_is_over_in_time() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        assert_eq!(turns.begin(user(1), node(1), now), OURS);
        assert_eq!(turns.begin(user(1), node(1), now + TURN_TIME / 2), OURS);
        let over = now + TURN_TIME / 2 + TURN_TIME;
        assert_eq!(
            turns.begin(user(1), node(2), over - TURN_ASK_TIME / 2),
            Turn::Theirs
        );
        assert_eq!(turns.begin(user(1), node(2), over), OURS);
    }

    #[test]
    fn who_asks_no_more_is_not_next() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        turns.begin(user(1), node(1), now);
        assert_eq!(turns.begin(user(1), node(2), now), Turn::Theirs);
        turns.end(&user(1), &node(1));
        let before = now + TURN_ASK_TIME / 2;
        assert_eq!(turns.begin(user(1), node(3), before), Turn::Theirs);
        assert_eq!(turns.begin(user(1), node(3), now + TURN_ASK_TIME), OURS);
    }

    #[test]
    fn nothing_is_kept_of_turns_that_are_over() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        for number in 0..4 {
            turns.begin(user(number), node(1), now);
        }
        turns.end(&user(0), &node(1));
        turns.end(&user(1), &node(2));
        assert_eq!(turns.of.len(), 3);
        turns.forget_old(now + TURN_TIME);
        assert!(turns.of.is_empty());
    }
}
