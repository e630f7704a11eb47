//! Numbers that stand in rows: never to be changed.

use std::collections::BTreeMap;

use linker_core::envelope::Kind;
use linker_core::id::{DomainName, MessageId};
use linker_core::port::WaitReason;

/// What counts towards the inbox limit.
pub(in crate::adapter) const CLASS_COUNTED: i16 = 1;
const CLASS_OTHER: i16 = 2;
const CLASS_EVENT: i16 = 3;

pub(in crate::adapter) fn class_of(kind: Kind) -> i16 {
    if kind.is_event() {
        CLASS_EVENT
    } else if kind.counts() {
        CLASS_COUNTED
    } else {
        CLASS_OTHER
    }
}

pub(in crate::adapter) fn reason_of(reason: WaitReason) -> i16 {
    match reason {
        WaitReason::Absent => 1,
        WaitReason::Behind => 2,
        WaitReason::Fault => 3,
        WaitReason::Forward => 4,
    }
}

/// What [`reason_of`] has written; what is not known here waits as for somebody absent.
pub(in crate::adapter) fn reason_in(code: i64) -> WaitReason {
    match code {
        2 => WaitReason::Behind,
        3 => WaitReason::Fault,
        4 => WaitReason::Forward,
        _ => WaitReason::Absent,
    }
}

/// SQL's integers are signed; no time, size or sequence number gets near the end of them.
pub(in crate::adapter) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How many domains a row's message has left; what is more than there can be is as much as there can be.
pub(in crate::adapter) fn hops_of(column: i64) -> u8 {
    u8::try_from(column).unwrap_or(u8::MAX)
}

/// Rows that go elsewhere, by where: a statement for each.
pub(in crate::adapter) fn by_home(
    redirected: &[(MessageId, DomainName)],
) -> BTreeMap<&DomainName, Vec<&MessageId>> {
    let mut by_home: BTreeMap<&DomainName, Vec<&MessageId>> = BTreeMap::new();
    for (id, home) in redirected {
        by_home.entry(home).or_default().push(id);
    }
    by_home
}

/// Rows to remove, by how many domains their messages had left: a statement for each number, of which there are few.
pub(in crate::adapter) fn by_hops(forwarded: &[(MessageId, u8)]) -> BTreeMap<u8, Vec<MessageId>> {
    let mut by_hops: BTreeMap<u8, Vec<MessageId>> = BTreeMap::new();
    for (id, hops) in forwarded {
        by_hops.entry(*hops).or_default().push(*id);
    }
    by_hops
}
