//! Lists of things by the user whose they are. A million users have one thing each, and each thing knows whose it is: keys of their own would take as much room again.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use linker_core::id::UserId;
use smallvec::SmallVec;

/// Something that is some user's.
pub(crate) trait OfUser {
    fn user(&self) -> &UserId;
}

/// Things by user, in the order in which they came. Nobody has an empty list.
#[derive(Debug)]
pub(crate) struct ByUser<T> {
    lists: HashTable<SmallVec<[T; 1]>>,
    hasher: RandomState,
}

impl<T> Default for ByUser<T> {
    fn default() -> Self {
        Self {
            lists: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: OfUser> ByUser<T> {
    /// All things of one user.
    pub(crate) fn of(&self, user: &UserId) -> &[T] {
        let hash = self.hasher.hash_one(user);
        let list = self.lists.find(hash, |list| is_of(list, user));
        list.map(SmallVec::as_slice).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, thing: T) {
        match self.entry(*thing.user()) {
            Entry::Occupied(mut list) => list.get_mut().push(thing),
            Entry::Vacant(place) => {
                place.insert(SmallVec::from([thing]));
            }
        }
    }

    /// Drops what is not to be kept of one user's, and answers how many that were and how many are left.
    pub(crate) fn retain(&mut self, user: &UserId, keep: impl Fn(&T) -> bool) -> (usize, usize) {
        let Entry::Occupied(mut list) = self.entry(*user) else {
            return (0, 0);
        };
        let before = list.get().len();
        list.get_mut().retain(|thing| keep(thing));
        let left = list.get().len();
        if left == 0 {
            list.remove();
        }
        (before - left, left)
    }

    /// Everybody's.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.lists.iter().flatten()
    }

    fn entry(&mut self, user: UserId) -> Entry<'_, SmallVec<[T; 1]>> {
        let Self { lists, hasher } = self;
        let hash_of = |list: &SmallVec<[T; 1]>| list.first().map_or(0, |thing| hasher.hash_one(thing.user()));
        lists.entry(hasher.hash_one(user), |list| is_of(list, &user), hash_of)
    }
}

fn is_of<T: OfUser>(list: &[T], user: &UserId) -> bool {
    list.first().is_some_and(|thing| thing.user() == user)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Thing(UserId, u8);

    impl OfUser for Thing {
        fn user(&self) -> &UserId {
            &self.0
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_lists(steps in prop::collection::vec((any::<bool>(), 0_u8..40, 0_u8..4), 0..400)) {
            let mut lists = ByUser::default();
            let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
            let user = |number: u8| -> UserId { format!("ANZ-{number}").parse().unwrap() };
            for (push, number, kind) in steps {
                let known = model.entry(number).or_default();
                if push {
                    lists.push(Thing(user(number), kind));
                    known.push(kind);
                } else {
                    let before = known.len();
                    known.retain(|of| *of != kind);
                    let (removed, left) = lists.retain(&user(number), |thing| thing.1 != kind);
                    prop_assert_eq!((removed, left), (before - known.len(), known.len()));
                }
                let kinds: Vec<u8> = lists.of(&user(number)).iter().map(|thing| thing.1).collect();
                prop_assert_eq!(&kinds, known);
            }
            prop_assert_eq!(lists.all().count(), model.values().map(Vec::len).sum::<usize>());
            prop_assert_eq!(lists.lists.len(), model.values().filter(|list| !list.is_empty()).count());
        }
    }
}
