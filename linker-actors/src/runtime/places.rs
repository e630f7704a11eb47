//! Names for things that come and go, which keep nothing alive.

use slab::Slab;

/// Where something is. It names nothing any more once that is gone, whoever has its room then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    index: u32,
    generation: u32,
}

/// Things by place.
pub(crate) struct Places<T> {
    things: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            things: Slab::new(),
            generation: 0,
        }
    }
}

impl<T> Places<T> {
    pub(crate) fn insert(&mut self, thing: T) -> Place {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        // Each is a socket: there are never so many that their number would not fit.
        let index = self.things.insert((generation, thing)) as u32;
        Place { index, generation }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.things
            .get(place.index as usize)
            .filter(|(generation, _)| *generation == place.generation)
            .map(|(_, thing)| thing)
    }

    pub(crate) fn remove(&mut self, place: Place) {
        if self.get(place).is_some() {
            self.things.remove(place.index as usize);
            if self.things.is_empty() {
                // After a storm there is no need for so much room.
                self.things.shrink_to_fit();
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.things.iter().map(|(_, (_, thing))| thing)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_removed_is_dropped_at_once_whoever_remembers_its_place() {
        let mut places = Places::default();
        let thing = Rc::new(());
        let place = places.insert(Rc::clone(&thing));
        assert!(places.get(place).is_some());
        places.remove(place);
        assert_eq!(Rc::strong_count(&thing), 1);
        assert!(places.get(place).is_none());
    }

    #[test]
    fn an_old_place_does_not_name_whoever_has_the_room_now() {
        let mut places = Places::default();
        let old = places.insert('a');
        places.remove(old);
        let new = places.insert('b');
        assert_eq!(old.index, new.index);
        assert_eq!(places.get(old), None);
        places.remove(old);
        assert_eq!(places.get(new), Some(&'b'));
        assert_eq!(places.iter().collect::<Vec<_>>(), [&'b']);
    }
}
