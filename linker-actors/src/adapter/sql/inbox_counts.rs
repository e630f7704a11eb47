//! How many rows count towards each user's inbox limit, without counting them each time.

use std::collections::HashMap;

use linker_core::id::UserId;

/// Users of one generation; there are two. About 10 MB each.
const USERS_PER_GENERATION: usize = 100_000;

/// Exact counts of the users lately asked for. A user who is not here is counted in the file.
///
/// Two generations instead of a list by age: when the young one is full it becomes the old one, whose users are then forgotten unless they were
/// asked for again meanwhile.
#[derive(Debug)]
pub(in crate::adapter) struct InboxCounts {
    young: HashMap<UserId, u64>,
    old: HashMap<UserId, u64>,
    generation_max: usize,
}

impl Default for InboxCounts {
    fn default() -> Self {
        Self::new(USERS_PER_GENERATION)
    }
}

impl InboxCounts {
    fn new(generation_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            generation_max,
        }
    }

    /// The count, if it is known; it is then kept for longer.
    pub(in crate::adapter) fn get(&mut self, user: &UserId) -> Option<u64> {
        if let Some(&count) = self.young.get(user) {
            return Some(count);
        }
        let count = self.old.remove(user)?;
        self.set(*user, count);
        Some(count)
    }

    /// What was counted in the file.
    pub(in crate::adapter) fn set(&mut self, user: UserId, count: u64) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&user);
        self.young.insert(user, count);
    }

    /// After a commit. Who is not known stays unknown.
    pub(in crate::adapter) fn add(&mut self, user: &UserId, rows: u64) {
        if let Some(count) = self.known(user) {
            *count += rows;
        }
    }

    /// After a commit. Who is not known stays unknown.
    #[cfg(any(feature = "sqlite", test))]
    pub(in crate::adapter) fn subtract(&mut self, user: &UserId, rows: u64) {
        if let Some(count) = self.known(user) {
            *count = count.saturating_sub(rows);
        }
    }

    fn known(&mut self, user: &UserId) -> Option<&mut u64> {
        match self.young.get_mut(user) {
            Some(count) => Some(count),
            None => self.old.get_mut(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample::user;

    use super::*;

    #[test]
    fn counts_change_only_where_they_are_known() {
        let mut counts = InboxCounts::new(10);
        counts.add(&user(1), 3);
        assert_eq!(counts.get(&user(1)), None);
        counts.set(user(1), 5);
        counts.add(&user(1), 3);
        counts.subtract(&user(1), 2);
        assert_eq!(counts.get(&user(1)), Some(6));
    }

    #[test]
    fn who_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut counts = InboxCounts::new(10);
        for n in 0..1000 {
            counts.set(user(n), n);
            counts.add(&user(0), 1);
            assert_eq!(counts.get(&user(0)), Some(n + 1));
            assert!(counts.young.len() <= 10 && counts.old.len() <= 10);
        }
        assert_eq!(counts.get(&user(1)), None);
        assert_eq!(counts.get(&user(999)), Some(999));
    }
}
