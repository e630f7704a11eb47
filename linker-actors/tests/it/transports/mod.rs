//! One suite of behaviour, run on both transports: what a host mounts is the same Linker that the stock server runs.

mod delivery;
mod framing;
mod handshake;
mod heartbeat;
mod pressure;
mod slow;
mod stalled;
mod store_away;

use crate::harness::Transport;

/// A test of its own for each behaviour on each transport.
macro_rules! on_both {
    ($($area:ident: $($behaviour:ident)+;)+) => {
        mod upgraded {
            $($(#[tokio::test]
            async fn $behaviour() {
                super::$area::$behaviour(super::Transport::Upgraded).await;
            })+)+
        }
        mod hosted {
            $($(#[tokio::test]
            async fn $behaviour() {
                super::$area::$behaviour(super::Transport::Hosted).await;
            })+)+
        }
    };
}

on_both! {
    delivery:
        a_login_is_answered_and_a_bad_one_closed_with_4003
        a_message_arrives_and_is_confirmed
        a_fast_message_arrives_without_an_acceptance
        messages_of_one_sender_arrive_in_order
        a_fetch_brings_what_was_missed_and_the_sender_its_confirmation
        a_replay_brings_what_was_missed_before_what_is_live
        with_client_acks_only_an_ack_is_a_proof
        a_frame_that_cannot_be_done_is_answered_and_the_connection_lives;
    framing:
        fragments_are_joined_around_control_frames
        a_frame_to_the_byte_passes_and_one_more_closes_with_1009
        an_announced_size_is_refused_before_anything_of_it_came
        fragments_too_large_together_close_with_1009
        a_binary_frame_closes_with_1003
        invalid_utf_8_closes_with_1007
        an_unmasked_frame_closes_with_1002
        a_ping_is_answered_with_its_payload
        a_close_frame_is_answered_and_the_connection_ends
        frames_before_a_close_frame_are_processed;
    handshake:
        a_request_that_is_no_handshake_is_400
        too_many_connections_from_an_address_are_429
        too_many_connections_are_503
        an_origin_that_is_not_allowed_is_403;
    heartbeat:
        an_idle_connection_is_pinged
        a_silent_connection_is_closed_with_4008
        a_connection_without_a_login_is_closed_with_4001;
    slow:
        a_session_that_fell_behind_catches_up_in_order_and_is_live_again
        a_session_that_proves_nothing_is_closed_with_4011_and_gives_back;
    stalled:
        a_client_that_reads_nothing_is_gone_in_time_and_its_messages_are_given_back
        a_flood_to_a_client_that_reads_nothing_costs_its_bound
        a_flood_of_pings_from_a_client_that_reads_nothing_costs_its_bound
        a_client_that_reads_nothing_holds_up_nobody;
    pressure:
        a_flood_to_absent_users_is_slowed_and_nothing_is_lost
        a_crowded_node_slows_its_senders_and_loses_nothing;
    store_away:
        a_store_that_is_away_holds_up_no_live_message
        without_a_store_messages_are_kept_to_the_bound_then_refused_and_it_recovers;
}

/// The full name of a test, for [`crate::harness::in_a_process_of_its_own`].
fn test_name(transport: Transport, behaviour: &str) -> String {
    let side = match transport {
        Transport::Upgraded => "upgraded",
        Transport::Hosted => "hosted",
    };
    format!("transports::{side}::{behaviour}")
}
