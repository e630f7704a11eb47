//! What every [`Presence`] must do: alone here, with several nodes in the files beside.

use std::fmt::Debug;

use crate::port::{Presence, PresenceError, Registered, SessionRef};
use crate::testkit::sample::{node, node_record, session, user};

mod domain;
mod nodes;
mod reconciling;
mod sweeping;
mod turns;
mod watching;

pub use domain::SharedRegistry;
pub use nodes::*;
pub use reconciling::*;
pub use sweeping::*;
pub use turns::*;
pub use watching::*;

/// Nodes that the laws use, from 0.
const NODES: u64 = 10;

/// The limit of sessions per user that the adapter under test is to be made with.
pub const SESSIONS_PER_USER: usize = 3;

/// One test per law of [`Presence`]; see [`crate::testkit::conformance`]. The adapter must allow [`SESSIONS_PER_USER`] sessions.
#[macro_export]
macro_rules! presence_conformance {
    (#[$test:meta] => $fixture:expr) => {
        $crate::presence_conformance! { @each #[$test] => $fixture;
            the_first_session_is_told_from_later_ones
            sessions_are_looked_up_oldest_first
            users_nobody_registered_have_no_sessions
            lookups_at_the_same_time_are_told_apart
            beyond_the_limit_the_oldest_sessions_go
            the_limit_holds_within_one_call
            another_limit_holds_from_the_next_registration_on
            only_the_last_farewell_is_the_last
            a_farewell_of_an_evicted_session_takes_nothing_away
            repeating_a_registration_changes_nothing
            a_repeated_registration_is_answered_alike
            equal_session_numbers_of_two_nodes_are_two_sessions
            entries_are_counted_over_all_users
            empty_calls_are_answered_empty
            a_turn_that_nobody_else_wants_is_had_at_once
            the_secret_is_the_one_proposed_first
        }
    };
    (@each #[$test:meta] => $fixture:expr; $($law:ident)*) => {$(
        #[$test]
        async fn $law() {
            let fixture = $fixture.await;
            $crate::testkit::conformance::presence::$law(&*fixture).await;
        }
    )*};
}

/// One test per law of a [`Presence`] that several nodes share; besides [`presence_conformance`](crate::presence_conformance). The expression yields a
/// [`SharedRegistry`] whose adapters allow [`SESSIONS_PER_USER`] sessions.
#[macro_export]
macro_rules! shared_presence_conformance {
    (#[$test:meta] => $fixture:expr) => {
        $crate::presence_conformance! { @each #[$test] => $fixture;
            a_name_is_taken_while_its_node_lives
            a_name_is_free_once_its_node_is_dead
            a_node_whose_name_was_taken_learns_it
            beats_tell_who_lives
            a_forgotten_node_learns_it
            sessions_of_dead_nodes_are_absent
            sessions_of_a_new_node_are_seen_at_once
            sessions_of_a_node_that_comes_back_are_seen_again
            sessions_of_dead_nodes_go_before_living_ones
            each_user_of_a_dead_node_is_told_to_one_sweeper
            users_with_another_session_are_not_gone
            nothing_of_a_living_node_is_swept
            a_late_sweeper_removes_nothing_newer
            what_a_node_leaves_behind_is_swept
            the_former_run_of_a_node_is_swept
            sweeping_keeps_to_its_bound
            sweeping_leaves_no_node_behind
            reconciling_registers_what_is_missing
            reconciling_many_sessions_is_complete
            reconciling_removes_what_is_no_session
            reconciling_twice_changes_nothing
            a_swept_node_comes_back
            watchers_learn_of_changes_by_others
            watchers_learn_of_sweeping
            watchers_learn_of_a_death
            watchers_learn_that_all_was_lost
            a_turn_is_one_nodes_at_a_time
            who_waits_for_a_turn_is_next
            a_turn_is_ended_by_who_has_it
            who_waits_no_more_is_not_next
            turns_of_several_users_are_apart
            a_turn_is_lost_with_the_registry
            watchers_are_not_told_of_turns
        }
    };
}

fn taken<T: Debug>(answer: Result<T, PresenceError>) -> T {
    answer.expect("presence answers")
}

/// All nodes that these laws use come in.
async fn nodes_join<P: Presence + ?Sized>(presence: &P) {
    for number in 0..NODES {
        taken(presence.join(node_record(number)).await);
    }
}

async fn register<P: Presence + ?Sized>(presence: &P, sessions: &[SessionRef]) -> Vec<Registered> {
    taken(presence.register(sessions.to_vec()).await)
}

async fn sessions_of<P: Presence + ?Sized>(presence: &P, number: u64) -> Vec<SessionRef> {
    let mut answers = taken(presence.lookup(vec![user(number)]).await);
    assert_eq!(answers.len(), 1, "one answer for one user");
    answers.remove(0)
}

/// Of all nodes that these laws use.
async fn entries<P: Presence + ?Sized>(presence: &P) -> u64 {
    let mut all = 0;
    for number in 0..NODES {
        all += taken(presence.entries(&node(number)).await);
    }
    all
}

/// Only the session that finds none before it is the first, on whatever node.
pub async fn the_first_session_is_told_from_later_ones<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let answers = register(presence, &[session(1, 1, 1), session(1, 2, 1), session(2, 1, 2)]).await;
    let first: Vec<bool> = answers.iter().map(|answer| answer.first).collect();
    assert_eq!(first, [true, false, true]);
    let later = register(presence, &[session(1, 1, 7)]).await;
    assert!(!later[0].first, "there were others");
    taken(presence.farewell(vec![session(2, 1, 2)]).await);
    let back = register(presence, &[session(2, 1, 3)]).await;
    assert!(back[0].first, "after the last had gone");
}

/// The order of registration, per user, answered in the order asked.
pub async fn sessions_are_looked_up_oldest_first<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    register(presence, &[session(1, 2, 9), session(2, 1, 1), session(1, 1, 3)]).await;
    register(presence, &[session(1, 1, 1)]).await;
    let answers = taken(presence.lookup(vec![user(2), user(1), user(2)]).await);
    assert_eq!(
        answers,
        [
            vec![session(2, 1, 1)],
            vec![session(1, 2, 9), session(1, 1, 3), session(1, 1, 1)],
            vec![session(2, 1, 1)],
        ]
    );
}

/// An answer for every user, also where there is nothing to tell.
pub async fn users_nobody_registered_have_no_sessions<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    register(presence, &[session(2, 1, 1)]).await;
    let answers = taken(presence.lookup(vec![user(1), user(2), user(3)]).await);
    assert_eq!(answers, [vec![], vec![session(2, 1, 1)], vec![]]);
}

/// However they are put together; also when one asks for many, or for nobody.
pub async fn lookups_at_the_same_time_are_told_apart<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let sessions: Vec<SessionRef> = (0..300).map(|n| session(n, n % NODES, n)).collect();
    register(presence, &sessions).await;
    let asked = |call: usize| {
        let numbers = 0..call % 12 * 12;
        numbers.map(move |n| (n * 7 + call) % 400).collect::<Vec<usize>>()
    };
    let lookups = (0..60).map(|call| {
        let users = asked(call).into_iter().map(|number| user(number as u64));
        presence.lookup(users.collect())
    });
    for (call, found) in domain::all_at_once(lookups.collect())
        .await
        .into_iter()
        .enumerate()
    {
        let own = |number: usize| sessions.get(number).cloned().into_iter().collect::<Vec<_>>();
        let expected: Vec<Vec<SessionRef>> = asked(call).into_iter().map(own).collect();
        assert_eq!(found, Ok(expected));
    }
}

/// The limit is decided by the registry, which names who has to go and knows them no more.
pub async fn beyond_the_limit_the_oldest_sessions_go<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    for n in 0..SESSIONS_PER_USER as u64 {
        let answer = register(presence, &[session(1, n % 2, n)]).await;
        assert_eq!(answer[0].evicted, [], "within the limit");
    }
    let answer = register(presence, &[session(1, 5, 100)]).await;
    assert_eq!(
        answer,
        [Registered {
            first: false,
            evicted: vec![session(1, 0, 0)]
        }]
    );
    let left = sessions_of(presence, 1).await;
    assert_eq!(left.len(), SESSIONS_PER_USER);
    assert_eq!(left.first(), Some(&session(1, 1, 1)));
    assert_eq!(left.last(), Some(&session(1, 5, 100)));
    assert_eq!(entries(presence).await, SESSIONS_PER_USER as u64);
}

/// Entries of one call are decided one after the other.
pub async fn the_limit_holds_within_one_call<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let count = SESSIONS_PER_USER as u64 + 2;
    let all: Vec<SessionRef> = (0..count).map(|n| session(1, 1, n)).collect();
    let answers = register(presence, &all).await;
    let evicted: Vec<SessionRef> = answers.into_iter().flat_map(|answer| answer.evicted).collect();
    assert_eq!(evicted, all[..2]);
    assert_eq!(sessions_of(presence, 1).await, all[2..]);
}

/// Nobody goes for the limit itself.
pub async fn another_limit_holds_from_the_next_registration_on<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let all: Vec<SessionRef> = (0..3).map(|number| session(1, 0, number)).collect();
    register(presence, &all).await;
    presence.limit_sessions(2);
    assert_eq!(sessions_of(presence, 1).await, all);
    let answer = register(presence, &[session(1, 0, 3)]).await;
    assert_eq!(answer[0].evicted, all[..2]);
    presence.limit_sessions(0);
    let answer = register(presence, &[session(1, 0, 4)]).await;
    assert_eq!(
        answer[0].evicted,
        [session(1, 0, 2), session(1, 0, 3)],
        "one at least"
    );
}

/// Only who leaves nobody behind was the last; who was not there never is.
pub async fn only_the_last_farewell_is_the_last<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    register(presence, &[session(1, 1, 1), session(1, 2, 2), session(2, 1, 3)]).await;
    let leaving = vec![
        session(1, 1, 1),
        session(1, 9, 9),
        session(3, 1, 1),
        session(1, 2, 2),
        session(1, 2, 2),
    ];
    let last = taken(presence.farewell(leaving).await);
    assert_eq!(last, [false, false, false, true, false]);
    assert_eq!(sessions_of(presence, 1).await, []);
    assert_eq!(sessions_of(presence, 2).await, [session(2, 1, 3)]);
}

/// An older session's farewell cannot take a newer one's place away.
pub async fn a_farewell_of_an_evicted_session_takes_nothing_away<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let all: Vec<SessionRef> = (0..=SESSIONS_PER_USER as u64).map(|n| session(1, 1, n)).collect();
    register(presence, &all).await;
    let last = taken(presence.farewell(vec![all[0].clone()]).await);
    assert_eq!(last, [false]);
    assert_eq!(sessions_of(presence, 1).await, all[1..]);
}

/// A node that reconciles registers what may be registered already: nothing is counted twice, moved, or evicted.
pub async fn repeating_a_registration_changes_nothing<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let all: Vec<SessionRef> = (0..SESSIONS_PER_USER as u64).map(|n| session(1, 1, n)).collect();
    register(presence, &all).await;
    let again = register(presence, &[all[1].clone(), all[0].clone()]).await;
    assert!(again.iter().all(|answer| answer.evicted.is_empty()));
    assert_eq!(sessions_of(presence, 1).await, all);
    assert_eq!(entries(presence).await, SESSIONS_PER_USER as u64);
}

/// Who does not know whether a registration was taken asks again, and must not miss that it was the first.
pub async fn a_repeated_registration_is_answered_alike<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    let all = [session(1, 1, 1), session(1, 2, 2)];
    for _ in 0..2 {
        let answers = register(presence, &all).await;
        let first: Vec<bool> = answers.iter().map(|answer| answer.first).collect();
        assert_eq!(first, [true, false]);
    }
    taken(presence.farewell(vec![all[0].clone()]).await);
    let left = register(presence, &all[1..]).await;
    assert!(!left[0].first, "the only one now, but not the first");
}

/// A session's number is unique on its node only.
pub async fn equal_session_numbers_of_two_nodes_are_two_sessions<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    register(presence, &[session(1, 1, 4), session(1, 2, 4)]).await;
    assert_eq!(taken(presence.farewell(vec![session(1, 1, 4)]).await), [false]);
    assert_eq!(sessions_of(presence, 1).await, [session(1, 2, 4)]);
}

/// Both counts, of sessions and of entries, must agree.
pub async fn entries_are_counted_over_all_users<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    assert_eq!(entries(presence).await, 0);
    let sessions: Vec<SessionRef> = (0..50).map(|n| session(n, n % 3, n)).collect();
    register(presence, &sessions).await;
    register(presence, &[session(0, 7, 1)]).await;
    assert_eq!(entries(presence).await, 51);
    taken(presence.farewell(sessions[..20].to_vec()).await);
    assert_eq!(entries(presence).await, 31);
}

/// No entries, no answers.
pub async fn empty_calls_are_answered_empty<P: Presence + ?Sized>(presence: &P) {
    nodes_join(presence).await;
    assert_eq!(register(presence, &[]).await, []);
    assert_eq!(taken(presence.farewell(vec![]).await), Vec::<bool>::new());
    assert_eq!(
        taken(presence.lookup(vec![]).await),
        Vec::<Vec<SessionRef>>::new()
    );
}
