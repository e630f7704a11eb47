//! Users whose home has moved, and how far their rows have followed: a bounded number of rows at a time.

use std::collections::{BTreeMap, HashMap};

use linker_core::id::{DomainName, UserId};

/// Rows that one statement moves: some ten milliseconds of work.
pub(in crate::adapter) const ROWS_MAX: usize = 5000;
/// Users that one statement looks for.
const USERS_MAX: usize = 500;

/// Users who move to the same place.
#[derive(Debug)]
pub(in crate::adapter) struct Party {
    /// Where to; `None` is here.
    pub(in crate::adapter) home: Option<DomainName>,
    /// With the number of the last row that has followed.
    users: BTreeMap<UserId, i64>,
}

impl Party {
    /// In the same order wherever it is asked: nodes that move the same users do not meet head-on.
    pub(in crate::adapter) fn all_of(users: Vec<(UserId, Option<DomainName>)>) -> Vec<Self> {
        let mut by_home: BTreeMap<Option<DomainName>, Vec<UserId>> = BTreeMap::new();
        for (user, home) in users {
            by_home.entry(home).or_default().push(user);
        }
        let mut parties = Vec::new();
        for (home, mut users) in by_home {
            users.sort_unstable();
            parties.extend(users.chunks(USERS_MAX).map(|users| Self {
                home: home.clone(),
                users: users.iter().map(|user| (*user, 0)).collect(),
            }));
        }
        parties
    }

    /// Users, and after which row of theirs to go on.
    pub(in crate::adapter) fn users(&self) -> impl Iterator<Item = (&UserId, &i64)> {
        self.users.iter()
    }

    /// So many rows have followed, the last of each user being these; answers whether there may be more.
    pub(in crate::adapter) fn follow(&mut self, rows: usize, last: &HashMap<UserId, i64>) -> bool {
        for (user, after_seq) in &mut self.users {
            if let Some(last) = last.get(user) {
                *after_seq = *last;
            }
        }
        rows >= ROWS_MAX
    }
}
