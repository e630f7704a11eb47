//! Lanes: whatever fails, and however often, each sender's messages are handed over in their order and none is lost.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use linker_core::envelope::Feature;
use linker_core::id::UserId;
use linker_core::port::UpstreamPace;
use linker_core::testkit::sample::{message_id, user};
use linker_core::upstream::{LaneKey, Lanes, Next, Verdict};
use proptest::prelude::*;

fn key(sender: u64) -> LaneKey {
    (user(sender), Feature::Reliable)
}

fn lanes(at_once: usize, of_one_sender: usize) -> Lanes<u64> {
    Lanes::new(UpstreamPace {
        at_once,
        of_one_sender,
    })
}

fn push(lanes: &mut Lanes<u64>, sender: u64, n: u64) {
    lanes.push(key(sender), message_id(n), 100, n);
}

fn next(lanes: &mut Lanes<u64>, now: u64) -> Option<Next<u64>> {
    lanes.next(usize::MAX, Duration::from_secs(now))
}

#[test]
fn one_sender_does_not_wait_for_another() {
    let mut lanes = lanes(3, 1);
    for n in 1..=3 {
        push(&mut lanes, 1, n);
    }
    push(&mut lanes, 2, 4);
    let first = next(&mut lanes, 0).unwrap();
    assert_eq!(first.item, 1);
    assert_eq!(next(&mut lanes, 0).unwrap().item, 4, "of the other sender");
    assert!(next(&mut lanes, 0).is_none(), "one of each at a time");
    assert_eq!(lanes.done(first.key, first.number, Duration::ZERO), Some(1));
    assert_eq!(next(&mut lanes, 0).unwrap().item, 2);
}

#[test]
fn no_more_are_under_way_than_the_sink_takes_and_a_trial_takes_fewer() {
    let mut lanes = lanes(3, 2);
    for n in 0..10 {
        push(&mut lanes, n, n);
    }
    assert!(lanes.next(1, Duration::ZERO).is_some());
    assert!(lanes.next(1, Duration::ZERO).is_none());
    assert!(next(&mut lanes, 0).is_some() && next(&mut lanes, 0).is_some());
    assert!(next(&mut lanes, 0).is_none());
    assert_eq!(lanes.under_way(), 3);
}

#[test]
fn what_fails_is_handed_over_again_later_and_later_before_what_is_behind_it() {
    let mut lanes = lanes(10, 4);
    for n in 1..=3 {
        push(&mut lanes, 1, n);
    }
    let out: Vec<_> = std::iter::from_fn(|| next(&mut lanes, 0)).collect();
    assert_eq!(out.len(), 3);
    let now = Duration::ZERO;
    // The first fails while the others are under way: it waits for them, so that nothing is overtaken but what is taken.
    let (verdict, _) = lanes.failed(out[0].key, out[0].number, 1.0, now).unwrap();
    assert_eq!(verdict, Verdict::Again(Duration::from_millis(250)));
    push(&mut lanes, 1, 4);
    assert!(next(&mut lanes, 100).is_none(), "others are under way");
    lanes.done(out[1].key, out[1].number, now);
    lanes.failed(out[2].key, out[2].number, 0.0, now);
    let mut at = Duration::ZERO;
    for (attempt, doubled) in (2..).zip([500, 1000, 2000]) {
        at = at.max(lanes.deadline().unwrap());
        let again = lanes.next(usize::MAX, at).unwrap();
        assert_eq!(again.item, 1);
        assert!(
            lanes.next(usize::MAX, at).is_none(),
            "one at a time until something is taken"
        );
        let (verdict, _) = lanes.failed(again.key, again.number, 1.0, at).unwrap();
        let after = Duration::from_millis(doubled);
        let expected = match attempt {
            2 => Verdict::Again(after),
            _ => Verdict::Aside(after),
        };
        assert_eq!(verdict, expected);
        assert!(lanes.next(usize::MAX, at).is_none(), "not before its time");
    }
    let at = lanes.deadline().unwrap();
    let again = lanes.next(usize::MAX, at).unwrap();
    lanes.done(again.key, again.number, at);
    let rest: Vec<u64> = std::iter::from_fn(|| lanes.next(usize::MAX, at).map(|next| next.item)).collect();
    assert_eq!(rest, [3, 4]);
}

#[test]
fn a_message_is_given_up_only_where_others_are_taken() {
    let fail_long = |others: bool| {
        let mut lanes = lanes(10, 1);
        push(&mut lanes, 1, 1);
        let mut verdicts = Vec::new();
        let mut now = Duration::ZERO;
        for n in 0..12 {
            let one = lanes.next(usize::MAX, now).unwrap();
            verdicts.push(lanes.failed(one.key, one.number, 1.0, now).unwrap().0);
            if verdicts.last() == Some(&Verdict::GiveUp) {
                assert!(lanes.is_empty());
                break;
            }
            now = lanes.deadline().unwrap();
            if others {
                push(&mut lanes, 2, 100 + n);
                let other = lanes.next(usize::MAX, now).unwrap();
                let (other, mine) = match other.item {
                    1 => (lanes.next(usize::MAX, now).unwrap(), Some(other)),
                    _ => (other, None),
                };
                lanes.done(other.key, other.number, now);
                if let Some(mine) = mine {
                    // It was its turn already.
                    verdicts.push(lanes.failed(mine.key, mine.number, 1.0, now).unwrap().0);
                    if verdicts.last() == Some(&Verdict::GiveUp) {
                        break;
                    }
                    now = lanes.deadline().unwrap();
                }
            }
        }
        (verdicts, now)
    };
    let (verdicts, now) = fail_long(true);
    assert_eq!(verdicts.last(), Some(&Verdict::GiveUp));
    assert!(
        verdicts.len() >= 8 && now >= Duration::from_secs(30),
        "{} in {now:?}",
        verdicts.len()
    );
    let (verdicts, _) = fail_long(false);
    assert!(
        !verdicts.contains(&Verdict::GiveUp),
        "nobody is taken: it is the application that is away"
    );
}

#[test]
fn what_is_given_up_as_a_whole_comes_back_in_order() {
    let mut lanes = lanes(10, 3);
    for n in 1..=5 {
        push(&mut lanes, 1, n);
    }
    let first = next(&mut lanes, 0).unwrap();
    next(&mut lanes, 0);
    assert_eq!(lanes.clear(), [1, 2, 3, 4, 5]);
    assert!(lanes.is_empty());
    assert_eq!(
        lanes.done(first.key, first.number, Duration::ZERO),
        None,
        "nobody knows of it any more"
    );
    push(&mut lanes, 1, 1);
    assert_eq!(next(&mut lanes, 0).unwrap().item, 1);
}

#[test]
fn what_fails_with_much_behind_it_is_not_held() {
    let mut lanes = lanes(10, 1);
    for n in 1..=3 {
        lanes.push(key(1), message_id(n), 100 * 1024, n);
    }
    let first = next(&mut lanes, 0).unwrap();
    lanes.push(key(2), message_id(9), 100, 9);
    let (verdict, _) = lanes
        .failed(first.key, first.number, 1.0, Duration::ZERO)
        .unwrap();
    assert!(matches!(verdict, Verdict::Aside(_)), "{verdict:?}");
    assert_eq!(
        lanes.take(key(1)),
        [1, 2, 3],
        "what failed before what is behind it"
    );
    assert!(!lanes.has(&key(1)) && lanes.has(&key(2)));
    assert_eq!(next(&mut lanes, 100).unwrap().item, 9);
    assert!(next(&mut lanes, 100).is_none());
}

#[test]
fn what_is_under_way_is_not_taken_out() {
    let mut lanes = lanes(10, 2);
    for n in 1..=4 {
        push(&mut lanes, 1, n);
    }
    let out: Vec<_> = std::iter::from_fn(|| next(&mut lanes, 0)).collect();
    assert_eq!(out.len(), 2);
    lanes.failed(out[1].key, out[1].number, 1.0, Duration::ZERO);
    assert_eq!(lanes.take(key(1)), [2, 3, 4]);
    assert!(lanes.has(&key(1)));
    assert_eq!(lanes.done(out[0].key, out[0].number, Duration::ZERO), Some(1));
    assert!(lanes.is_empty());
}

#[test]
fn one_who_takes_all_the_room_is_named() {
    let mut lanes = lanes(10, 1);
    let large = 300 * 1024;
    for n in 1..=2 {
        lanes.push(key(1), message_id(n), large, n);
    }
    for n in 3..=6 {
        lanes.push(key(2), message_id(n), large, n);
    }
    lanes.push(key(3), message_id(7), large, 7);
    let held = 7 * large;
    assert_eq!(lanes.crowding(held, 2 * held), None, "there is room");
    assert_eq!(lanes.crowding(held, held), Some(key(2)), "the largest");
    assert_eq!(lanes.take(key(2)), [3, 4, 5, 6]);
    assert_eq!(lanes.crowding(3 * large, 3 * large), Some(key(1)));
    let first = next(&mut lanes, 0).unwrap();
    lanes.done(first.key, first.number, Duration::ZERO);
    assert_eq!(lanes.crowding(2 * large, 2 * large), None, "nobody holds much");
}

#[derive(Debug, Clone)]
enum Step {
    Push(u64),
    Take,
    Done(usize),
    Fail(usize),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..4).prop_map(Step::Push),
        4 => Just(Step::Take),
        3 => any::<usize>().prop_map(Step::Done),
        2 => any::<usize>().prop_map(Step::Fail),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

fn sender_of(key: &LaneKey) -> UserId {
    key.0
}

proptest! {
    /// With one of each sender at a time, what is taken is in order and complete; with more, it is what is handed over first that is in order.
    #[test]
    fn nothing_is_lost_and_each_sender_keeps_its_order(steps in steps(), of_one_sender in 1_usize..4, at_once in 1_usize..6) {
        let mut lanes = lanes(at_once, of_one_sender);
        let mut now = Duration::ZERO;
        let mut pushed: HashMap<UserId, Vec<u64>> = HashMap::new();
        let mut taken: HashMap<UserId, Vec<u64>> = HashMap::new();
        let mut under_way: BTreeMap<u64, Next<u64>> = BTreeMap::new();
        let mut n = 0;
        for step in steps {
            match step {
                Step::Push(sender) => {
                    n += 1;
                    push(&mut lanes, sender, n);
                    pushed.entry(user(sender)).or_default().push(n);
                }
                Step::Take => {
                    if let Some(next) = lanes.next(usize::MAX, now) {
                        prop_assert!(!under_way.contains_key(&next.item), "twice at once");
                        under_way.insert(next.item, next);
                    }
                }
                Step::Done(pick) | Step::Fail(pick) if under_way.is_empty() => { let _ = pick; }
                Step::Done(pick) => {
                    let item = *under_way.keys().nth(pick % under_way.len()).unwrap();
                    let next = under_way.remove(&item).unwrap();
                    prop_assert_eq!(lanes.done(next.key, next.number, now), Some(item));
                    taken.entry(sender_of(&next.key)).or_default().push(item);
                }
                Step::Fail(pick) => {
                    let item = *under_way.keys().nth(pick % under_way.len()).unwrap();
                    let next = under_way.remove(&item).unwrap();
                    let (verdict, failed) = lanes.failed(next.key, next.number, 0.5, now).unwrap();
                    prop_assert_eq!(failed, item);
                    if verdict == Verdict::GiveUp {
                        taken.entry(sender_of(&next.key)).or_default().push(item);
                    }
                }
                Step::Wait => now = lanes.deadline().unwrap_or(now).max(now),
            }
            prop_assert_eq!(lanes.under_way(), under_way.len());
            prop_assert!(under_way.len() <= at_once);
        }
        // The application is well again.
        let mut rounds = 0;
        while !lanes.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 10_000, "something is stuck");
            while let Some(next) = lanes.next(usize::MAX, now) {
                under_way.insert(next.item, next);
            }
            if let Some((item, next)) = under_way.pop_first() {
                lanes.done(next.key, next.number, now);
                taken.entry(sender_of(&next.key)).or_default().push(item);
            } else {
                let due = lanes.deadline();
                prop_assert!(due.is_some(), "something waits and for no time");
                now = now.max(due.unwrap());
            }
        }
        for (sender, expected) in pushed {
            let mut got = taken.remove(&sender).unwrap_or_default();
            if of_one_sender > 1 {
                got.sort_unstable();
            }
            prop_assert_eq!(got, expected);
        }
    }
}
