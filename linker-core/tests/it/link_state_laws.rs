//! Link states: each word is passed on once, and when faults are over all domains know the same.

use std::collections::HashSet;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::id::DomainName;
use linker_core::network::{
    Domain, Link, LinkDirection, LinkState, LinkStates, MAX_AGE, REFRESH, STARTING, Topology,
};
use proptest::prelude::*;

use crate::flooding::{Flooding, plan};
use crate::strategy::domain_name;

proptest! {
    /// Whatever was lost, delayed, repeated or cut off before: once the faults are over, all nodes know which links are down, of every domain whose words can reach them.
    /// The others are silent.
    #[test]
    fn after_faults_everybody_knows_the_truth(plan in plan()) {
        let mut flooding = Flooding::new(&plan);
        flooding.run();
        for node in flooding.nodes() {
            let (known, truth) = (flooding.known_to(node), flooding.truth_for(node));
            prop_assert_eq!(known, truth, "node {} of {:?}", node, flooding);
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn now(elapsed: Duration) -> Now {
    Now {
        elapsed,
        unix_ms: u64::try_from(elapsed.as_millis()).map_or(u64::MAX, |ms| ms.saturating_add(1_000_000)),
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn names(numbers: &[usize]) -> Vec<DomainName> {
    numbers.iter().map(|number| domain_name(*number)).collect()
}

fn state(domain: usize, number: u64, age: Duration, down: &[usize]) -> LinkState {
    LinkState {
        domain: domain_name(domain),
        number,
        age_ms: age.as_millis() as u64,
        down: names(down),
    }
}

/// So many domains in a row, each linked with the next.
fn row(count: usize) -> Topology {
    let links: Vec<Link> = (1..count)
        .map(|number| Link {
            n1: domain_name(number - 1),
            n2: domain_name(number),
            weight: 1,
        })
        .collect();
    Topology::new(
        (0..count).map(|n| Domain::named(domain_name(n))).collect(),
        &links,
    )
    .unwrap()
}

fn directions(pairs: &[(usize, usize)]) -> HashSet<LinkDirection> {
    let direction = |(from, to): &(usize, usize)| LinkDirection {
        from: domain_name(*from),
        to: domain_name(*to),
    };
    pairs.iter().map(direction).collect()
}

#[test]
fn a_domain_speaks_when_something_changes_and_every_so_often() {
    let mut states = LinkStates::new(domain_name(0), SECOND);
    assert_eq!(
        states.next_change(SECOND),
        Some(SECOND + STARTING),
        "nothing said yet"
    );
    let first = states.originate(names(&[]), now(SECOND)).unwrap();
    assert_eq!(first, state(0, 1_001_000, Duration::ZERO, &[]));
    let due = SECOND + REFRESH;
    assert_eq!(states.next_change(SECOND), Some(due));
    let early = due - Duration::from_millis(1);
    assert_eq!(states.originate(names(&[]), now(early)), None);
    let again = states.originate(names(&[]), now(due)).unwrap();
    assert!(again.number > first.number);
    let changed = states.originate(names(&[1]), now(due)).unwrap();
    assert_eq!(changed.down, names(&[1]));
    assert!(changed.number > again.number, "in the same millisecond too");
    assert_eq!(states.known(due), [changed]);
}

#[test]
fn only_a_newer_word_is_news() {
    let mut states = LinkStates::new(domain_name(0), SECOND);
    let zero = Duration::ZERO;
    assert!(states.receive(state(1, 5, zero, &[]), now(SECOND)));
    assert!(!states.receive(state(1, 5, zero, &[2]), now(SECOND)), "equal");
    assert!(!states.receive(state(1, 4, zero, &[2]), now(SECOND)), "older");
    assert!(!states.receive(state(2, 1, MAX_AGE, &[]), now(SECOND)), "too old");
    assert!(states.receive(state(1, 6, zero, &[2]), now(SECOND)));
    assert_eq!(states.known(SECOND), [state(1, 6, zero, &[2])]);
    let later = SECOND * 3;
    let newer = states.newer_than(&state(1, 5, zero, &[]), later);
    assert_eq!(newer, Some(state(1, 6, SECOND * 2, &[2])));
    assert_eq!(states.newer_than(&state(1, 6, zero, &[2]), later), None);
    assert_eq!(states.newer_than(&state(2, 1, zero, &[]), later), None);
}

#[test]
fn a_word_grows_older_on_its_way() {
    let mut word = LinkStates::new(domain_name(9), Duration::ZERO)
        .originate(names(&[8]), now(Duration::ZERO))
        .unwrap();
    // Nobody's clock agrees with another's, and each keeps it for three seconds.
    for (hop, clock) in [70, 5, 900].into_iter().enumerate() {
        let mut states = LinkStates::new(domain_name(hop), secs(clock));
        assert!(states.receive(word, now(secs(clock + 1))));
        word = states.known(secs(clock + 4)).remove(0);
    }
    assert_eq!(word.age_ms, 9000);
    let mut last = LinkStates::new(domain_name(7), SECOND);
    assert!(last.receive(word, now(secs(50))));
    let end = secs(50) + MAX_AGE - secs(9);
    assert_eq!(last.next_change(secs(50)), Some(end));
    assert_eq!(last.known(end - Duration::from_millis(1)).len(), 1);
    assert_eq!(last.known(end), []);
}

#[test]
fn nothing_goes_through_a_domain_that_has_become_silent() {
    let topology = row(4);
    let mut states = LinkStates::new(domain_name(0), SECOND);
    for domain in 1..4 {
        let down: &[usize] = if domain == 2 { &[1] } else { &[] };
        assert!(states.receive(state(domain, 1, Duration::ZERO, down), now(secs(domain as u64))));
    }
    let down = |states: &LinkStates, at| states.down(&topology, &[], at);
    assert_eq!(down(&states, secs(4)), directions(&[(2, 1)]));
    let silent = secs(1) + MAX_AGE;
    assert_eq!(states.next_change(STARTING + secs(2)), Some(silent));
    assert_eq!(
        down(&states, silent - Duration::from_millis(1)),
        directions(&[(2, 1)])
    );
    assert_eq!(down(&states, silent), directions(&[(1, 0), (1, 2), (2, 1)]));
    assert!(states.receive(state(1, 2, Duration::ZERO, &[]), now(silent)));
    assert_eq!(down(&states, silent), directions(&[(2, 1)]));
}

#[test]
fn who_was_never_heard_of_has_time_to_start() {
    let topology = row(3);
    let mut states = LinkStates::new(domain_name(0), SECOND);
    let end = SECOND + STARTING;
    let before = end - Duration::from_millis(1);
    assert_eq!(states.down(&topology, &[], before), directions(&[]));
    assert_eq!(states.next_change(before), Some(end));
    // The own link is what it is, whoever is silent.
    let silent = [(1, 0), (1, 2), (2, 1)];
    assert_eq!(states.down(&topology, &[], end), directions(&silent));
    let with_own = [(0, 1), (1, 0), (1, 2), (2, 1)];
    assert_eq!(states.down(&topology, &names(&[1]), end), directions(&with_own));
    // What the own domain is said to have said does not count here.
    assert!(states.receive(state(0, 1, Duration::ZERO, &[1]), now(end)));
    assert_eq!(states.down(&topology, &[], end), directions(&silent));
}

#[test]
fn a_domain_that_begins_anew_with_its_clock_behind_is_believed() {
    let mut other = LinkStates::new(domain_name(1), Duration::ZERO);
    let mut former = LinkStates::new(domain_name(0), Duration::ZERO);
    let ahead = Now {
        elapsed: SECOND,
        unix_ms: 100_000_000_000,
    };
    assert!(other.receive(former.originate(names(&[1, 2]), ahead).unwrap(), now(SECOND)));
    let mut anew = LinkStates::new(domain_name(0), SECOND);
    let first = anew.originate(names(&[2]), now(SECOND)).unwrap();
    assert!(
        !other.receive(first.clone(), now(secs(3))),
        "its number is smaller"
    );
    let newer = other.newer_than(&first, secs(3)).unwrap();
    assert!(anew.receive(newer, now(secs(2))), "its former self spoke");
    assert!(
        anew.next_change(secs(2)) <= Some(secs(2)),
        "what is wrong is answered at once"
    );
    let answer = anew.originate(names(&[2]), now(secs(2))).unwrap();
    assert_eq!(anew.originate(names(&[2]), now(secs(2))), None);
    assert!(other.receive(answer.clone(), now(secs(3))));
    assert_eq!(other.known(secs(3)), [answer]);
}

#[test]
fn a_domain_that_begins_anew_after_a_long_silence_is_believed_at_once() {
    let mut other = LinkStates::new(domain_name(1), Duration::ZERO);
    assert!(other.receive(state(0, 1_000, Duration::ZERO, &[]), now(SECOND)));
    assert!(!other.receive(state(0, 3, Duration::ZERO, &[]), now(MAX_AGE)));
    assert!(other.receive(state(0, 3, Duration::ZERO, &[]), now(SECOND + MAX_AGE)));
}

/// What it took on its way is in no copy's age: where all have forgotten it, it would go round for ever.
#[test]
fn a_word_that_has_run_out_is_not_taken_in_again() {
    let mut states = LinkStates::new(domain_name(1), Duration::ZERO);
    assert!(states.receive(state(0, 7, Duration::ZERO, &[]), now(SECOND)));
    let end = SECOND + MAX_AGE;
    let late = MAX_AGE - Duration::from_millis(100);
    for number in [7, 6] {
        assert!(!states.receive(state(0, number, late, &[]), now(end + SECOND)));
    }
    assert!(
        states.receive(state(0, 8, late, &[]), now(end + SECOND)),
        "unknown so far"
    );
}

#[test]
fn one_of_the_nodes_of_a_domain_speaks_for_all() {
    let mut nodes = [0, 0].map(|_| LinkStates::new(domain_name(0), SECOND));
    let mut words = 0;
    for second in 1..=60 {
        for speaker in 0..2 {
            if let Some(word) = nodes[speaker].originate(names(&[3]), now(secs(second))) {
                words += 1;
                assert!(nodes[1 - speaker].receive(word, now(secs(second))));
            }
        }
    }
    assert_eq!(
        words,
        2 + 5,
        "each at its start, and one of them every ten seconds"
    );
}

#[test]
fn nodes_of_a_domain_that_disagree_do_not_answer_each_other_without_end() {
    let mut nodes = [0, 0].map(|_| LinkStates::new(domain_name(0), SECOND));
    let mut words = 0;
    for tenth in 10..=600 {
        let at = Duration::from_millis(tenth * 100);
        for speaker in 0..2 {
            let down = names(if speaker == 0 { &[3] } else { &[] });
            if let Some(word) = nodes[speaker].originate(down, now(at)) {
                words += 1;
                assert!(nodes[1 - speaker].receive(word, now(at)));
            }
        }
    }
    assert_eq!(words, 2 * 6);
}

#[test]
fn strangers_are_kept_in_bounded_memory_and_in_nobodys_way() {
    let mut states = LinkStates::new(domain_name(0), SECOND);
    let topology = row(3);
    states.retain(&topology);
    let word = |number: usize, down: &[usize]| state(number, 1, Duration::ZERO, down);
    let taken = (100..6_000).filter(|number| states.receive(word(*number, &[]), now(SECOND)));
    assert!((4_000..5_000).contains(&taken.count()));
    assert!(states.receive(word(1, &[]), now(SECOND)), "one of the network");
    // Those that have not been heard of for long make room.
    assert!(!states.receive(word(7_000, &[]), now(SECOND)));
    assert!(states.receive(word(7_000, &[]), now(SECOND + MAX_AGE)));
    assert!(states.originate(names(&[]), now(SECOND + MAX_AGE)).is_some());
    assert!(states.receive(state(1, 2, Duration::ZERO, &[]), now(SECOND + MAX_AGE)));
    states.retain(&topology);
    let known = states.known(SECOND + MAX_AGE);
    let known: Vec<&DomainName> = known.iter().map(|state| &state.domain).collect();
    assert_eq!(known, [&domain_name(0), &domain_name(1)]);
}

#[test]
fn long_words_are_kept_in_bounded_memory() {
    let mut states = LinkStates::new(domain_name(0), SECOND);
    states.retain(&row(3));
    let down: Vec<usize> = (0..10_000).collect();
    let taken =
        (100..200).filter(|number| states.receive(state(*number, 1, Duration::ZERO, &down), now(SECOND)));
    assert!((5..20).contains(&taken.count()));
    assert!(
        states.receive(state(1, 1, Duration::ZERO, &down), now(SECOND)),
        "one of the network"
    );
    assert_eq!(states.known(SECOND).len(), 1, "strangers make room");
    for number in 2..50 {
        assert!(
            states.receive(state(1, number, Duration::ZERO, &down), now(SECOND)),
            "in place of the last"
        );
    }
}

#[test]
fn no_number_or_age_is_too_large() {
    let mut states = LinkStates::new(domain_name(0), Duration::MAX);
    assert!(states.receive(state(0, u64::MAX, Duration::ZERO, &[]), now(Duration::MAX)));
    let ancient = LinkState {
        age_ms: u64::MAX,
        ..state(1, u64::MAX, Duration::ZERO, &[])
    };
    assert!(!states.receive(ancient, now(Duration::MAX)));
    let end = Now {
        elapsed: Duration::MAX,
        unix_ms: u64::MAX,
    };
    assert!(states.originate(names(&[1]), end).is_some());
    assert!(states.next_change(Duration::MAX).is_some());
    assert_eq!(
        states.down(&row(2), &names(&[1]), Duration::MAX).len(),
        2,
        "silent, for its time to start is over"
    );
}

/// It would leave its domain no larger one to speak with, in this life or another.
#[test]
fn a_number_from_years_ahead_is_nobodys() {
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
    let [mut own, mut other] = [0, 1].map(|domain| LinkStates::new(domain_name(domain), SECOND));
    own.originate(names(&[]), now(SECOND)).unwrap();
    let forged = |number| state(0, number, Duration::ZERO, &[1]);
    for number in [u64::MAX, u64::MAX - 1, u64::MAX / 2, 11 * YEAR_MS] {
        for states in [&mut own, &mut other] {
            assert!(!states.believes(&forged(number), now(SECOND)), "{number}");
            assert!(!states.receive(forged(number), now(SECOND)), "{number}");
        }
    }
    assert_eq!(other.known(SECOND), []);
    // However large a number is believed, its domain has a larger one that the others believe too, even where their clocks are years behind its own.
    let largest = 5 * YEAR_MS;
    assert!(!own.receive(forged(largest + 2 * YEAR_MS), now(SECOND)));
    assert!(own.receive(forged(largest), now(SECOND)));
    assert!(other.receive(forged(largest), now(SECOND)));
    for second in 2..200 {
        if let Some(word) = own.originate(names(&[]), now(secs(second))) {
            assert!(other.receive(word.clone(), now(secs(second))), "{word:?}");
        }
    }
    assert_eq!(other.known(secs(200))[0].down, names(&[]));
}
