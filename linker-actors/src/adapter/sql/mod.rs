//! What the stores that speak SQL have in common; no statement and no driver here.

pub(super) mod code;
pub(super) mod inbox_counts;
pub(super) mod moving;
pub(super) mod plan;
pub(super) mod records;
