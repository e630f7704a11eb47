//! Senders who are set aside: each has its turn, in bounded memory, and together with the lanes and a store nothing is lost, and nobody's messages change their order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use linker_core::envelope::Feature;
use linker_core::id::UserId;
use linker_core::port::UpstreamPace;
use linker_core::testkit::sample::{message_id, user};
use linker_core::upstream::{Aside, Lanes, Next, Verdict};
use proptest::prelude::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn each_has_its_turn_after_its_rest_and_so_many_at_a_time() {
    let mut aside = Aside::new(2);
    for (sender, until) in [(1, 3), (2, 1), (3, 2), (4, 9)] {
        assert!(aside.rest(user(sender), at(until)));
    }
    assert_eq!(aside.next(at(0)), None);
    assert_eq!(aside.deadline(), Some(at(1)));
    assert_eq!(aside.next(at(5)), Some(user(2)), "who has waited longest");
    assert_eq!(aside.next(at(5)), Some(user(3)));
    assert_eq!(aside.next(at(5)), None, "two at a time");
    assert_eq!(aside.deadline(), None);
    assert!(aside.fed(user(2), true, at(5)));
    assert!(!aside.contains(&user(2)));
    assert_eq!(aside.next(at(5)), Some(user(1)));
}

#[test]
fn one_that_fails_while_it_is_fed_rests_once_nothing_is_read_for_it_any_more() {
    let mut aside = Aside::new(2);
    aside.rest(user(1), at(0));
    assert_eq!(aside.next(at(0)), Some(user(1)));
    assert!(aside.rest(user(1), at(7)));
    assert_eq!(aside.next(at(9)), None, "it is being read for yet");
    assert!(
        !aside.fed(user(1), true, at(1)),
        "it stays aside, whatever was read"
    );
    assert_eq!(aside.next(at(6)), None);
    assert_eq!(aside.next(at(7)), Some(user(1)));
    assert!(!aside.fed(user(1), false, at(8)), "something waits");
    assert_eq!(aside.next(at(8)), Some(user(1)));
}

#[test]
fn after_an_outage_nobody_is_fed_and_everybody_may_be() {
    let mut aside = Aside::new(1);
    aside.rest(user(1), at(0));
    aside.rest(user(2), at(100));
    assert_eq!(aside.next(at(0)), Some(user(1)));
    assert_eq!(aside.wake(at(1)), [user(1)]);
    let first = aside.next(at(1)).unwrap();
    aside.fed(first, true, at(1));
    let second = aside.next(at(1)).unwrap();
    aside.fed(second, true, at(1));
    assert!(first != second && aside.is_empty());
}

#[test]
fn they_are_bounded() {
    let mut aside = Aside::new(1);
    let taken = (0..20_000).filter(|n| aside.rest(user(*n), at(*n))).count();
    assert_eq!((taken, aside.len()), (10_000, 10_000));
    assert!(aside.rest(user(1), at(5)), "who is aside may rest again");
}

const COST: usize = 60 * 1024;

#[derive(Debug, Clone)]
enum Step {
    Send(u64),
    Answer(usize, bool),
    Wait,
}

/// What custody and the pump do, in a few lines: one queue a sender in the store, read a page at a time.
struct World {
    lanes: Lanes<u64>,
    aside: Aside,
    now: Duration,
    stored: HashMap<UserId, VecDeque<u64>>,
    fed: Vec<UserId>,
    under_way: BTreeMap<u64, Next<u64>>,
    taken: HashMap<UserId, Vec<u64>>,
    held: HashMap<UserId, usize>,
}

impl World {
    fn push(&mut self, sender: UserId, n: u64) {
        *self.held.entry(sender).or_default() += 1;
        self.lanes
            .push((sender, Feature::Reliable), message_id(n), COST, n);
    }

    fn send(&mut self, sender: UserId, n: u64) {
        match self.aside.contains(&sender) {
            true => self.stored.entry(sender).or_default().push_back(n),
            false => self.push(sender, n),
        }
    }

    fn set_aside(&mut self, sender: UserId, until: Duration) {
        assert!(self.aside.rest(sender, until));
        let back = self.lanes.take((sender, Feature::Reliable));
        *self.held.entry(sender).or_default() -= back.len();
        let stored = self.stored.entry(sender).or_default();
        back.into_iter().rev().for_each(|n| stored.push_front(n));
        if let Some(place) = self.fed.iter().position(|fed| *fed == sender) {
            self.fed.remove(place);
            self.aside.fed(sender, false, self.now);
        }
    }

    /// One message a turn is the smallest page there is.
    fn turn(&mut self) {
        while let Some(sender) = self.aside.next(self.now) {
            self.fed.push(sender);
        }
        for sender in self.fed.clone() {
            if self.lanes.has(&(sender, Feature::Reliable)) {
                continue;
            }
            if let Some(n) = self.stored.get_mut(&sender).and_then(VecDeque::pop_front) {
                self.push(sender, n);
            } else {
                self.fed.retain(|fed| *fed != sender);
                self.aside.fed(sender, true, self.now);
            }
        }
        while let Some(next) = self.lanes.next(usize::MAX, self.now) {
            self.under_way.insert(next.item, next);
        }
    }

    fn answer(&mut self, pick: usize, takes: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let item = *self.under_way.keys().nth(pick % self.under_way.len()).unwrap();
        let next = self.under_way.remove(&item).unwrap();
        let sender = next.key.0;
        let done = match takes {
            true => self.lanes.done(next.key, next.number, self.now).is_some(),
            false => {
                let (verdict, _) = self.lanes.failed(next.key, next.number, 0.5, self.now).unwrap();
                match verdict {
                    Verdict::GiveUp => true,
                    Verdict::Again(_) if !self.aside.contains(&sender) => false,
                    Verdict::Again(after) | Verdict::Aside(after) => {
                        self.set_aside(sender, self.now + after);
                        false
                    }
                }
            }
        };
        if done {
            *self.held.entry(sender).or_default() -= 1;
            self.taken.entry(sender).or_default().push(item);
        }
    }

    fn wait(&mut self) {
        let due = [self.lanes.deadline(), self.aside.deadline()];
        if let Some(due) = due.into_iter().flatten().min() {
            self.now = self.now.max(due);
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u64..5).prop_map(Step::Send),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(pick, takes)| Step::Answer(pick, takes)),
        4 => any::<usize>().prop_map(|pick| Step::Answer(pick, false)),
        2 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn nothing_is_lost_or_overtaken_and_who_is_aside_holds_little(steps in steps(), fed_at_once in 1_usize..4) {
        let pace = UpstreamPace { at_once: 8, of_one_sender: 1 };
        let mut world = World {
            lanes: Lanes::new(pace),
            aside: Aside::new(fed_at_once),
            now: Duration::ZERO,
            stored: HashMap::new(),
            fed: Vec::new(),
            under_way: BTreeMap::new(),
            taken: HashMap::new(),
            held: HashMap::new(),
        };
        let mut sent: HashMap<UserId, Vec<u64>> = HashMap::new();
        let mut n = 0;
        for step in steps {
            match step {
                Step::Send(sender) => {
                    n += 1;
                    world.send(user(sender), n);
                    sent.entry(user(sender)).or_default().push(n);
                }
                Step::Answer(pick, takes) => world.answer(pick, takes),
                Step::Wait => world.wait(),
            }
            world.turn();
            prop_assert!(world.fed.len() <= fed_at_once);
            for sender in sent.keys().filter(|sender| world.aside.contains(sender)) {
                let held = world.held.get(sender).copied().unwrap_or_default();
                prop_assert!(held <= usize::from(world.fed.contains(sender)), "{held} of one that is aside");
            }
        }
        // The application takes everything again.
        let mut rounds = 0;
        while !world.lanes.is_empty() || !world.aside.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 10_000, "something is stuck");
            match world.under_way.is_empty() {
                true => world.wait(),
                false => world.answer(0, true),
            }
            world.turn();
        }
        prop_assert_eq!(world.taken, sent);
    }
}
