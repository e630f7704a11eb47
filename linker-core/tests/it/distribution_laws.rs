//! User distributions against a model that looks through all ranges.

use linker_core::distribution::{RangeFault, UserDistributions, UserRange};
use linker_core::id::USER_NUMBER_MAX;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::strategy::domain_name;

fn has(range: &UserRange, number: u64) -> bool {
    number >= range.from && range.to.is_none_or(|to| number <= to)
}

/// Any ranges, small numbers so that they meet often, some open, some reversed.
fn any_ranges() -> impl Strategy<Value = Vec<UserRange>> {
    let range = (0..5usize, 0..40u64, proptest::option::weighted(0.9, 0..40u64));
    vec(range, 0..6).prop_map(|ranges| {
        ranges
            .into_iter()
            .map(|(domain, from, to)| UserRange {
                domain: domain_name(domain),
                from,
                to,
            })
            .collect()
    })
}

/// Ranges without overlap in any order: cut points, every other stretch between them perhaps left out.
pub(crate) fn good_ranges(domains: usize) -> impl Strategy<Value = Vec<UserRange>> {
    let cuts = btree_set(prop_oneof![0..50u64, 0..=USER_NUMBER_MAX], 0..8);
    let stretch = (0..domains, any::<bool>());
    (cuts, vec(stretch, 8), any::<bool>())
        .prop_map(|(cuts, stretches, open)| {
            let cuts: Vec<u64> = cuts.into_iter().collect();
            let mut ranges = Vec::new();
            for (place, from) in cuts.iter().enumerate() {
                let (domain, kept) = stretches[place];
                let to = match cuts.get(place + 1) {
                    Some(next) => Some(next - 1),
                    None if open => None,
                    None => Some(USER_NUMBER_MAX),
                };
                if kept {
                    let domain = domain_name(domain);
                    ranges.push(UserRange {
                        domain,
                        from: *from,
                        to,
                    });
                }
            }
            ranges
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn a_number_is_at_home_in_the_range_that_has_it(
        ranges in good_ranges(5),
        numbers in vec(prop_oneof![0..60u64, 0..=USER_NUMBER_MAX], 20),
    ) {
        let distributions = UserDistributions::new(ranges.clone()).unwrap();
        let edges = ranges.iter().flat_map(|range| {
            let last = range.to.unwrap_or(USER_NUMBER_MAX);
            [range.from.saturating_sub(1), range.from, last, (last + 1).min(USER_NUMBER_MAX)]
        });
        for number in numbers.into_iter().chain(edges) {
            let expected = ranges.iter().find(|range| has(range, number)).map(|range| &range.domain);
            prop_assert_eq!(distributions.domain_of(number), expected, "{}", number);
            let in_gap = distributions.gaps().iter().any(|gap| gap.contains(&number));
            prop_assert_eq!(in_gap, expected.is_none() && !ranges.is_empty(), "{}", number);
        }
    }

    #[test]
    fn the_order_given_does_not_matter(ranges in good_ranges(5), turned in any::<prop::sample::Index>()) {
        let mut other = ranges.clone();
        other.rotate_left(turned.index(ranges.len().max(1)));
        prop_assert_eq!(UserDistributions::new(ranges), UserDistributions::new(other));
    }

    #[test]
    fn gaps_are_in_order_and_apart(ranges in good_ranges(5)) {
        let gaps = UserDistributions::new(ranges).unwrap().gaps();
        prop_assert!(gaps.iter().all(|gap| !gap.is_empty()));
        prop_assert!(gaps.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));
    }

    /// Refused exactly if some range is reversed or some number is in two; each range at fault is named, and of two that overlap one is.
    #[test]
    fn ranges_are_refused_for_a_reason_only(ranges in any_ranges()) {
        let reversed = |range: &UserRange| range.to.is_some_and(|to| to < range.from);
        let overlap = |a: &UserRange, b: &UserRange| (0..41).any(|number| has(a, number) && has(b, number));
        let problems = UserDistributions::new(ranges.clone()).err().unwrap_or_default();
        for (place, range) in ranges.iter().enumerate() {
            let told_reversed = problems.iter().any(|problem| {
                problem.index == place && matches!(problem.fault, RangeFault::Reversed { .. })
            });
            prop_assert_eq!(told_reversed, reversed(range));
        }
        let mut told_overlaps = Vec::new();
        for problem in &problems {
            if let RangeFault::Overlap { other } = &problem.fault {
                prop_assert!(overlap(&ranges[problem.index], other));
                prop_assert!(ranges.contains(other));
                told_overlaps.push(problem.index);
            }
        }
        for a in 0..ranges.len() {
            for b in 0..a {
                let told = told_overlaps.contains(&a) || told_overlaps.contains(&b);
                prop_assert!(told || !overlap(&ranges[a], &ranges[b]));
            }
        }
    }

    #[test]
    fn bounds_above_all_user_numbers_are_refused(above in USER_NUMBER_MAX + 1..=u64::MAX) {
        let range = UserRange { domain: domain_name(0), from: above, to: Some(above) };
        let faults: Vec<RangeFault> = UserDistributions::new(vec![range])
            .unwrap_err()
            .into_iter()
            .map(|problem| problem.fault)
            .collect();
        prop_assert_eq!(faults, [RangeFault::FromTooLarge(above), RangeFault::ToTooLarge(above)]);
    }
}
