//! Messages that take different ways into a domain leave its sequencer in the order they were sent.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::id::{MessageId, UserId};
use linker_core::link::{PAIR_TIME, PairTails, Sequencer, WAIT};
use proptest::collection::vec;
use proptest::prelude::*;

const UNIX_MS: u64 = 1_730_000_000_000;
const WAYS: usize = 3;
/// Below [`WAIT`].
const DELAY_MS_MAX: u64 = 2_999;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start() -> Now {
    Now {
        elapsed: Duration::ZERO,
        unix_ms: UNIX_MS,
    }
}

/// An id made at this time after [`start`].
fn id(at_ms: u64, number: u64) -> MessageId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    MessageId::new(UNIX_MS + at_ms, random)
}

fn user(number: usize) -> UserId {
    format!("ANZ-{number}").parse().unwrap()
}

/// How one message travels.
#[derive(Debug, Clone)]
struct Travel {
    pair: usize,
    /// After the one sent before it, whatever its pair.
    gap_ms: u64,
    way: usize,
    delay_ms: u64,
    /// Copies that come by any way, so much later than it was sent.
    copies: Vec<u64>,
}

fn travels() -> impl Strategy<Value = Vec<Travel>> {
    let gap = prop_oneof![3 => Just(0), 12 => 0..300u64, 1 => 0..40_000u64];
    let delay = prop_oneof![1 => Just(0), 1 => 0..=DELAY_MS_MAX, 1 => Just(DELAY_MS_MAX)];
    let copies = prop_oneof![4 => Just(vec![]), 1 => vec(0..20_000u64, 1..3)];
    let travel =
        (0..3usize, gap, 0..WAYS, delay, copies).prop_map(|(pair, gap_ms, way, delay_ms, copies)| Travel {
            pair,
            gap_ms,
            way,
            delay_ms,
            copies,
        });
    vec(travel, 1..120)
}

#[derive(Debug, Clone, Copy)]
struct Item {
    pair: usize,
    /// Its place among those of the pair.
    place: usize,
    arrived_ms: u64,
}

struct Arrival {
    id: MessageId,
    after: Option<MessageId>,
    item: Item,
}

/// What arrives, by time. Each way keeps its order. `lost` of each pair never arrives, nor do its copies.
fn arrivals(travels: &[Travel], lost: Option<usize>) -> Vec<Arrival> {
    let mut tails = PairTails::new(Duration::ZERO);
    let mut places = BTreeMap::<usize, usize>::new();
    let mut ways = [0; WAYS];
    let mut sent_ms = 0;
    let mut arrivals = Vec::new();
    for (number, travel) in travels.iter().enumerate() {
        sent_ms += travel.gap_ms;
        let pair = travel.pair;
        let id = id(sent_ms, number as u64);
        let after = tails.next(user(pair), user(9), id, ms(sent_ms));
        let place = places.entry(pair).or_default();
        *place += 1;
        let way = &mut ways[travel.way];
        *way = (sent_ms + travel.delay_ms).max(*way);
        if lost == Some(*place) {
            continue;
        }
        let copies = travel.copies.iter().map(|late| sent_ms + late);
        for arrived_ms in [*way].into_iter().chain(copies) {
            let place = *place;
            let item = Item {
                pair,
                place,
                arrived_ms,
            };
            arrivals.push(Arrival { id, after, item });
        }
    }
    // A stable sort: what one way brings at one time keeps its order.
    arrivals.sort_by_key(|arrival| arrival.item.arrived_ms);
    arrivals
}

/// All that goes on, and when.
fn sequence(arrivals: Vec<Arrival>) -> Vec<(u64, Item)> {
    let mut sequencer = Sequencer::new(usize::MAX, usize::MAX, |_| 1, start());
    let mut gone = Vec::new();
    let mut out = Vec::new();
    let mut note = |at: Duration, out: &mut Vec<Item>| {
        gone.extend(out.drain(..).map(|item| (at.as_millis() as u64, item)));
    };
    let ends = arrivals.into_iter().map(Some).chain([None]);
    for arrival in ends {
        let until = arrival
            .as_ref()
            .map_or(Duration::MAX, |arrival| ms(arrival.item.arrived_ms));
        while let Some(deadline) = sequencer.deadline().filter(|deadline| *deadline <= until) {
            let early = deadline - ms(1);
            sequencer.due(early, &mut out);
            note(early, &mut out);
            sequencer.due(deadline, &mut out);
            note(deadline, &mut out);
        }
        if let Some(Arrival { id, after, item }) = arrival {
            sequencer.accept(id, after, item, until, &mut out);
            note(until, &mut out);
        }
    }
    assert!(sequencer.is_empty());
    assert_eq!((sequencer.len(), sequencer.bytes()), (0, 0));
    gone
}

/// For each pair the places of its messages, repetitions left out.
fn order(gone: &[(u64, Item)]) -> BTreeMap<usize, Vec<usize>> {
    let mut order = BTreeMap::<usize, Vec<usize>>::new();
    for (_, item) in gone {
        let places = order.entry(item.pair).or_default();
        if !places.contains(&item.place) {
            places.push(item.place);
        }
    }
    order
}

proptest! {
    #[test]
    fn whatever_way_they_take_messages_of_a_pair_keep_their_order(travels in travels()) {
        let arrivals = arrivals(&travels, None);
        let arrived = arrivals.len();
        let gone = sequence(arrivals);
        prop_assert_eq!(gone.len(), arrived, "all copies go on, once");
        for (pair, places) in order(&gone) {
            prop_assert!(places.is_sorted(), "pair {}: {:?}", pair, places);
        }
    }

    #[test]
    fn a_lost_message_delays_by_a_bounded_time_and_turns_nothing_round(travels in travels(), lost in 1..20usize) {
        let arrivals = arrivals(&travels, Some(lost));
        let arrived = arrivals.len();
        let gone = sequence(arrivals);
        prop_assert_eq!(gone.len(), arrived);
        for (at, item) in &gone {
            prop_assert!(ms(at - item.arrived_ms) <= WAIT, "{:?} goes on at {}", item, at);
        }
        for (pair, places) in order(&gone) {
            prop_assert!(places.is_sorted(), "pair {}: {:?}", pair, places);
        }
    }

    /// Messages that wait for anything, themselves and each other included.
    #[test]
    fn memory_is_bounded_and_nothing_stays(
        items in vec((0..40u64, prop::option::of(0..40u64), 0..60usize, 0..900u64), 0..200),
    ) {
        let (items_max, bytes_max) = (7, 150);
        let mut sequencer = Sequencer::new(items_max, bytes_max, |(_, cost): &(usize, usize)| *cost, start());
        let mut out = Vec::new();
        let mut now = Duration::ZERO;
        let mut held = HashMap::new();
        let count = items.len();
        let mut gone = 0;
        for (number, (own, after, cost, gap_ms)) in items.into_iter().enumerate() {
            now += ms(gap_ms);
            sequencer.due(now, &mut out);
            held.insert(number, now);
            sequencer.accept(id(0, own), after.map(|after| id(0, after)), (number, cost), now, &mut out);
            for (number, _) in out.drain(..) {
                gone += 1;
                let since = held.remove(&number);
                prop_assert!(since.is_some(), "goes on once");
            }
            prop_assert_eq!(sequencer.len(), held.len());
            prop_assert!(sequencer.len() <= items_max && sequencer.bytes() <= bytes_max);
            prop_assert!(held.values().all(|since| *since + WAIT > now));
        }
        sequencer.due(now + WAIT, &mut out);
        prop_assert_eq!(gone + out.len(), count);
        prop_assert!(sequencer.is_empty());
    }
}

/// What goes on at once.
fn accept(
    sequencer: &mut Sequencer<u64>,
    own: MessageId,
    after: Option<MessageId>,
    item: u64,
    now: Duration,
) -> Vec<u64> {
    let mut out = Vec::new();
    sequencer.accept(own, after, item, now, &mut out);
    out
}

fn roomy() -> Sequencer<u64> {
    Sequencer::new(100, 100, |_| 1, start())
}

#[test]
fn what_waits_for_a_message_follows_it_in_order() {
    let mut sequencer = roomy();
    let at = ms(10);
    for number in [4, 3, 2] {
        let gone = accept(&mut sequencer, id(0, number), Some(id(0, number - 1)), number, at);
        assert!(gone.is_empty());
    }
    assert_eq!(sequencer.deadline(), Some(at + WAIT));
    assert_eq!(accept(&mut sequencer, id(0, 1), None, 1, at), [1, 2, 3, 4]);
    assert_eq!(sequencer.deadline(), None);
    // A repetition goes its way, and what comes after it too.
    assert_eq!(accept(&mut sequencer, id(0, 3), Some(id(0, 2)), 3, at), [3]);
    assert_eq!(accept(&mut sequencer, id(0, 5), Some(id(0, 4)), 5, at), [5]);
}

#[test]
fn what_passed_before_this_node_took_over_is_not_waited_for() {
    let mut sequencer = roomy();
    let before = MessageId::new(UNIX_MS - 1_001, [0; 10]);
    assert_eq!(accept(&mut sequencer, id(0, 1), Some(before), 1, ms(0)), [1]);
    // The clocks may differ a little.
    let perhaps = MessageId::new(UNIX_MS - 1_000, [0; 10]);
    assert!(accept(&mut sequencer, id(0, 2), Some(perhaps), 2, ms(0)).is_empty());
}

#[test]
fn what_passed_so_long_ago_that_it_is_forgotten_is_not_waited_for() {
    let mut sequencer = roomy();
    let burst = 2 * (1 << 16) + 1;
    for number in 0..burst {
        assert_eq!(accept(&mut sequencer, id(0, number), None, 0, ms(5_000)).len(), 1);
    }
    let gone = accept(&mut sequencer, id(5_000, burst), Some(id(0, 0)), 1, ms(5_000));
    assert_eq!(gone, [1]);
    assert!(
        accept(
            &mut sequencer,
            id(5_000, burst + 1),
            Some(id(5_000, 0)),
            1,
            ms(5_000)
        )
        .is_empty()
    );
}

#[test]
fn what_was_sent_long_before_is_not_waited_for() {
    let mut sequencer = roomy();
    let long = (WAIT + PAIR_TIME).as_millis() as u64 + 1;
    assert_eq!(
        accept(&mut sequencer, id(long, 1), Some(id(0, 0)), 1, ms(long)),
        [1]
    );
    assert!(accept(&mut sequencer, id(long - 1, 2), Some(id(0, 0)), 2, ms(long)).is_empty());
}

#[test]
fn what_waits_longest_makes_room_and_what_it_waits_for_goes_before() {
    let mut sequencer = Sequencer::new(3, 100, |_| 1, start());
    let at = ms(10);
    for number in [4, 3, 9] {
        assert!(accept(&mut sequencer, id(0, number), Some(id(0, number - 1)), number, at).is_empty());
    }
    assert_eq!(accept(&mut sequencer, id(0, 20), Some(id(0, 19)), 20, at), [3, 4]);
    // What made room was what this one waits for.
    assert!(accept(&mut sequencer, id(0, 30), Some(id(0, 29)), 30, at).is_empty());
    assert_eq!(accept(&mut sequencer, id(0, 10), Some(id(0, 9)), 10, at), [9, 10]);
    let mut tight = Sequencer::new(0, 100, |_| 1, start());
    assert_eq!(accept(&mut tight, id(0, 2), Some(id(0, 1)), 2, at), [2]);
}

#[test]
fn a_message_names_the_one_that_left_before_it() {
    let mut tails = PairTails::new(Duration::ZERO);
    let mut next = |to, number, at| tails.next(user(1), user(to), id(0, number), at);
    assert_eq!(next(2, 1, ms(0)), None);
    assert_eq!(next(3, 2, ms(0)), None, "another recipient");
    assert_eq!(next(2, 3, ms(1)), Some(id(0, 1)));
    assert_eq!(next(2, 4, ms(1) + PAIR_TIME), Some(id(0, 3)));
    let late = ms(2) + PAIR_TIME * 2;
    assert_eq!(next(2, 5, late), None, "it left too long ago");
    assert_eq!(next(2, 6, late), Some(id(0, 5)));
}

#[test]
fn messages_that_leave_again_stand_where_they_stood() {
    let mut tails = PairTails::new(Duration::ZERO);
    let mut leave = || [1, 2, 3].map(|number| tails.next(user(1), user(2), id(0, number), ms(number)));
    let first = leave();
    assert_eq!(first, [None, Some(id(0, 1)), Some(id(0, 2))]);
    assert_eq!(leave(), first);
    assert_eq!(tails.next(user(1), user(2), id(0, 4), ms(9)), Some(id(0, 3)));
}

#[test]
fn pairs_are_remembered_in_bounded_memory() {
    let mut tails = PairTails::new(Duration::ZERO);
    let pairs = 2 * (1 << 15) + 1;
    for number in 0..pairs {
        tails.next(user(number), user(0), id(0, number as u64), ms(0));
    }
    let mut next = |pair: usize| tails.next(user(pair), user(0), id(1, pair as u64), ms(1));
    assert_eq!(next(0), None, "forgotten");
    assert_eq!(next(pairs - 1), Some(id(0, pairs as u64 - 1)));
}
