//! What every [`Store`] must do.

mod forwarding;
mod inserts;
mod limits;
mod pages;
mod records;
mod rehoming;
mod removals;
mod taking;

use std::fmt::Debug;
use std::sync::Arc;

pub use forwarding::*;
pub use inserts::*;
pub use limits::*;
pub use pages::*;
pub use records::*;
pub use rehoming::*;
pub use removals::*;
pub use taking::*;

use crate::envelope::Envelope;
use crate::id::{MessageId, UserId};
use crate::port::{
    CountRequest, Insert, InsertOutcome, Page, PageFilter, PageRequest, Store, StoreBatch, StoreError,
    WaitReason,
};
use crate::testkit::sample::EPOCH_MS;

/// One test per law of [`Store`]; see [`crate::testkit::conformance`].
#[macro_export]
macro_rules! store_conformance {
    (#[$test:meta] => $fixture:expr) => {
        $crate::store_conformance! { @each #[$test] => $fixture;
            envelopes_come_back_equal
            contents_of_64_kib_come_back_equal
            pages_are_in_order_of_arrival
            sequence_numbers_grow_over_all_users
            pages_go_on_after_a_sequence_number
            pages_are_bounded_by_rows
            pages_are_bounded_by_bytes
            pages_can_be_of_rows_behind_only
            interleaved_users_do_not_see_each_others_rows
            unknown_users_have_empty_pages
            rows_are_found_by_their_ids
            counts_are_of_all_kinds
            counts_leave_out_the_excepted
            inserting_again_changes_nothing
            inserting_again_after_a_lost_answer_gives_the_same_answer
            deleted_ids_can_be_inserted_again
            a_repetition_is_answered_with_the_id_that_waits
            a_repetition_within_one_batch_is_found
            a_repetition_after_the_window_is_a_new_message
            a_repetition_of_a_deleted_message_is_a_new_one
            other_senders_recipients_and_references_are_no_repetitions
            only_reliable_messages_are_repetitions
            a_full_inbox_refuses_messages_only
            a_full_inbox_refuses_within_one_batch
            the_inbox_limit_is_exact_while_rows_come_and_go
            a_refused_message_is_not_taken_for_the_first_of_two
            a_repetition_for_a_full_inbox_is_a_duplicate
            of_events_about_one_user_only_the_newest_waits
            of_events_within_one_batch_only_the_newest_waits
            an_event_inserted_again_stays_where_it_is
            deletes_take_only_what_they_name
            unknown_ids_are_deleted_without_complaint
            inserts_come_before_deletes
            an_empty_batch_is_answered_empty
            large_batches_are_taken
            expiry_takes_the_oldest_first
            expiry_makes_room_in_the_inbox
            expiry_leaves_what_arrived_at_the_limit
            repeatable_rows_are_told_newest_first
            a_probe_changes_nothing
            what_a_node_left_is_taken_over
            only_the_spared_keep_their_own
            only_what_was_being_moved_is_taken_over
            taking_over_is_bounded
            each_row_is_taken_over_by_one
            rows_let_go_are_nobodys
            letting_go_comes_with_the_rest_of_its_batch
            rows_left_to_those_behind_are_theirs
            pages_tell_why_a_row_waits
            inserting_again_leaves_a_row_whose_it_is
            what_waits_for_a_domain_is_taken_over_for_it
            a_node_that_does_not_spare_itself_is_told_its_own_again
            what_is_handed_over_is_apart_from_what_is_moved
            taking_over_for_a_domain_is_bounded
            each_row_is_handed_over_by_one
            a_backlog_is_drained_page_by_page
            rows_let_go_are_not_handed_over
            redirected_rows_are_handed_over_elsewhere_in_their_order
            what_is_handed_over_is_in_the_pages_of_its_recipient
            what_is_handed_over_is_counted_and_recognised
            inserting_again_leaves_a_row_where_it_goes
            what_has_come_back_is_not_removed_for_having_been_sent_on
            what_has_come_back_is_not_removed_in_the_same_batch_either
            what_has_come_back_takes_the_place_of_what_was_sent_on
            what_comes_a_longer_way_leaves_a_row_that_waits_for_its_recipient
            an_event_that_has_come_back_gives_way_to_a_newer_one
            the_backlog_is_told_by_domain
            recipients_come_in_the_order_of_their_texts
            recipients_are_those_for_whom_something_waits
            what_waits_for_one_who_moved_away_is_handed_over
            what_waits_for_one_who_moved_here_is_moved
            many_users_move_at_once
            records_have_versions
            records_are_written_all_or_none
            records_are_listed_in_order
            records_come_back_equal
            expired_records_go
            a_record_is_changed_by_one
        }
    };
    (@each #[$test:meta] => $fixture:expr; $($law:ident)*) => {$(
        #[$test]
        async fn $law() {
            let fixture = $fixture.await;
            $crate::testkit::conformance::store::$law(&*fixture).await;
        }
    )*};
}

/// How long before its arrival a repetition is looked for, in these laws, ms.
const WINDOW_MS: u64 = 300_000;

const STORED: InsertOutcome = InsertOutcome::Stored;

fn taken<T: Debug>(answer: Result<T, StoreError>) -> T {
    answer.expect("the store answers")
}

fn insert(envelope: &Envelope, reason: WaitReason) -> Insert {
    Insert {
        envelope: Arc::new(envelope.clone()),
        reason,
        home: None,
    }
}

/// A batch that arrives `after_ms` after the epoch of the samples, with room for everything.
fn batch(after_ms: u64, envelopes: &[Envelope], deletes: &[MessageId]) -> StoreBatch {
    let now_ms = EPOCH_MS + after_ms;
    StoreBatch {
        inserts: envelopes
            .iter()
            .map(|envelope| insert(envelope, WaitReason::Absent))
            .collect(),
        deletes: deletes.to_vec(),
        forwarded: Vec::new(),
        absent: Vec::new(),
        behind: Vec::new(),
        redirected: Vec::new(),
        node: None,
        dedupe_since_ms: now_ms - WINDOW_MS,
        now_ms,
        max_per_user: u64::MAX,
    }
}

async fn apply<S: Store + ?Sized>(store: &S, batch: StoreBatch) -> Vec<InsertOutcome> {
    let inserts = batch.inserts.len();
    let outcomes = taken(store.apply(batch).await);
    assert_eq!(outcomes.len(), inserts, "one outcome an insert");
    outcomes
}

/// Stores all, and expects nothing to be in the way.
async fn keep<S: Store + ?Sized>(store: &S, envelopes: &[Envelope]) {
    let outcomes = apply(store, batch(0, envelopes, &[])).await;
    assert!(outcomes.iter().all(|outcome| *outcome == STORED), "{outcomes:?}");
}

async fn delete<S: Store + ?Sized>(store: &S, ids: &[MessageId]) {
    apply(store, batch(0, &[], ids)).await;
}

fn everything(user: UserId) -> PageRequest {
    PageRequest {
        user,
        after_seq: 0,
        max_rows: 10_000,
        max_bytes: usize::MAX,
        filter: PageFilter::All,
    }
}

async fn page<S: Store + ?Sized>(store: &S, request: PageRequest) -> Page {
    taken(store.page(request).await)
}

fn ids(page: &Page) -> Vec<MessageId> {
    page.rows.iter().map(|row| row.envelope.id).collect()
}

/// The ids of all that waits for `user`, oldest first.
async fn waiting<S: Store + ?Sized>(store: &S, user: UserId) -> Vec<MessageId> {
    let page = page(store, everything(user)).await;
    assert!(page.exhausted, "nothing was left out");
    ids(&page)
}

async fn count<S: Store + ?Sized>(store: &S, user: UserId, except: &[MessageId]) -> u64 {
    let request = CountRequest {
        user,
        except: except.to_vec(),
    };
    let counts = taken(store.count(vec![request]).await);
    assert_eq!(counts.len(), 1, "one count a request");
    counts[0]
}

#[cfg(test)]
mod tests {
    /// A law that the macro does not name would never be run.
    #[test]
    fn the_macro_names_every_law() {
        let suite = include_str!("mod.rs");
        let laws = [
            include_str!("forwarding.rs"),
            include_str!("inserts.rs"),
            include_str!("limits.rs"),
            include_str!("pages.rs"),
            include_str!("rehoming.rs"),
            include_str!("removals.rs"),
            include_str!("taking.rs"),
        ];
        for file in laws {
            for rest in file.split("\npub async fn ").skip(1) {
                let law = rest.split('<').next().expect("a name");
                assert!(suite.contains(&format!("            {law}\n")), "{law}");
            }
        }
    }
}
