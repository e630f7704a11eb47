//! User distributions: which domain the users of a number range are at home in.

use std::fmt;
use std::ops::RangeInclusive;

use crate::id::{DomainName, USER_NUMBER_MAX};

/// The users whose numbers are in a range live in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRange {
    /// Their home.
    pub domain: DomainName,
    /// The first number.
    pub from: u64,
    /// The last number; `None`: no end.
    pub to: Option<u64>,
}

impl UserRange {
    fn last(&self) -> u64 {
        self.to.unwrap_or(USER_NUMBER_MAX)
    }
}

impl fmt::Display for UserRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{} to {to} of {}", self.from, self.domain),
            None => write!(f, "{} and above of {}", self.from, self.domain),
        }
    }
}

/// What is wrong with a range among others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeFault {
    /// It ends before it begins.
    #[error("the range ends at {to}, before it begins at {from}; allowed: `from` not above `to`")]
    Reversed {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
    },
    /// The first number is no user's.
    #[error("{0} is above the largest user number; allowed: 0 to {USER_NUMBER_MAX}")]
    FromTooLarge(u64),
    /// The last number is no user's.
    #[error("{0} is above the largest user number; allowed: 0 to {USER_NUMBER_MAX}, or left out for no end")]
    ToTooLarge(u64),
    /// Some users would have two homes.
    #[error("the range overlaps with {other}; allowed: each number in one range")]
    Overlap {
        /// The range that has the numbers as well.
        other: UserRange,
    },
}

/// A fault, and the place in the list given of the range that has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("user distribution {index}: {fault}")]
pub struct RangeProblem {
    /// Which range, from 0.
    pub index: usize,
    /// What is wrong.
    #[source]
    pub fault: RangeFault,
}

/// Ranges that do not overlap, in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserDistributions {
    ranges: Vec<UserRange>,
}

impl UserDistributions {
    /// Takes the ranges, in any order, if no two of them have a number in common.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn new(ranges: Vec<UserRange>) -> Result<Self, Vec<RangeProblem>> {
        let mut problems = Vec::new();
        for (index, range) in ranges.iter().enumerate() {
            let mut report = |fault| problems.push(RangeProblem { index, fault });
            if range.from > USER_NUMBER_MAX {
                report(RangeFault::FromTooLarge(range.from));
            }
            if let Some(to) = range.to.filter(|to| *to > USER_NUMBER_MAX) {
                report(RangeFault::ToTooLarge(to));
            }
            if let Some(to) = range.to.filter(|to| range.from > *to) {
                report(RangeFault::Reversed { from: range.from, to });
            }
        }
        find_overlaps(&ranges, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut ranges = ranges;
        ranges.sort_by_key(|range| range.from);
        Ok(Self { ranges })
    }

    /// Which range has the number, as a place in [`UserDistributions::ranges`].
    pub(crate) fn position(&self, number: u64) -> Option<usize> {
        let after = self.ranges.partition_point(|range| range.from <= number);
        let candidate = after.checked_sub(1)?;
        (number <= self.ranges[candidate].last()).then_some(candidate)
    }

    /// The domain in whose range the number is.
    pub fn domain_of(&self, number: u64) -> Option<&DomainName> {
        self.position(number).map(|place| &self.ranges[place].domain)
    }

    /// The ranges, by number.
    pub fn ranges(&self) -> &[UserRange] {
        &self.ranges
    }

    /// Whether there is none, so that a network of one domain is everybody's home.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The numbers no range has, by number: before the first, between two, behind the last. Where there are no ranges at all, there are no gaps.
    pub fn gaps(&self) -> Vec<RangeInclusive<u64>> {
        let mut gaps = Vec::new();
        if self.ranges.is_empty() {
            return gaps;
        }
        let mut next = 0;
        for range in &self.ranges {
            if range.from > next {
                gaps.push(next..=range.from - 1);
            }
            next = range.last() + 1;
        }
        if next <= USER_NUMBER_MAX {
            gaps.push(next..=USER_NUMBER_MAX);
        }
        gaps
    }
}

/// Reports each range that begins inside one that begins no later.
fn find_overlaps(ranges: &[UserRange], problems: &mut Vec<RangeProblem>) {
    let mut by_start: Vec<usize> = (0..ranges.len()).collect();
    by_start.sort_by_key(|index| ranges[*index].from);
    // The range that reaches furthest is the one that any later one would overlap with.
    let mut furthest: Option<&UserRange> = None;
    for index in by_start {
        let range = &ranges[index];
        if range.from > range.last() {
            continue;
        }
        if let Some(other) = furthest.filter(|other| other.last() >= range.from) {
            let fault = RangeFault::Overlap { other: other.clone() };
            problems.push(RangeProblem { index, fault });
        }
        if furthest.is_none_or(|other| other.last() < range.last()) {
            furthest = Some(range);
        }
    }
}
