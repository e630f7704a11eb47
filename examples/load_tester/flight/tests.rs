use super::*;

#[test]
fn what_is_only_sent_is_forgotten_at_once() {
    let mut flight = Flight::new(Goal::Sent);
    assert_eq!((flight.start(1, 10), flight.start(2, 20)), (0, 1));
    assert_eq!((flight.next_sequence(), flight.len()), (2, 0));
    assert_eq!(flight.expire(u64::MAX), Expired::default());
}

const FREED: Arrival = Arrival::InOrder { slot_freed: true };

#[test]
fn arrivals_in_order_leave_nothing_behind() {
    let mut flight = Flight::new(Goal::Arrival);
    for recipient in 0..100 {
        let sequence = flight.start(recipient, 0);
        assert_eq!(flight.arrived(sequence, recipient), FREED);
    }
    assert_eq!((flight.len(), flight.next_sequence()), (0, 100));
    assert_eq!(flight.expire(u64::MAX), Expired::default());
}

#[test]
fn a_repetition_is_a_duplicate_before_and_after_it_is_forgotten() {
    let mut flight = Flight::new(Goal::Arrival);
    let (first, second) = (flight.start(1, 0), flight.start(2, 0));
    assert_eq!(flight.arrived(second, 2), FREED);
    assert_eq!(flight.arrived(second, 2), Arrival::Duplicate);
    assert_eq!(flight.arrived(first, 1), FREED);
    assert_eq!(flight.arrived(first, 1), Arrival::Duplicate);
    assert_eq!(flight.arrived(second, 2), Arrival::Duplicate);
}

#[test]
fn order_counts_for_the_same_recipient_only() {
    let mut flight = Flight::new(Goal::Arrival);
    let (to_one, to_two, to_one_again) = (flight.start(1, 0), flight.start(2, 0), flight.start(1, 0));
    assert_eq!(flight.arrived(to_one_again, 1), FREED);
    assert_eq!(
        flight.arrived(to_one, 1),
        Arrival::OutOfOrder { slot_freed: true }
    );
    assert_eq!(flight.arrived(to_two, 2), FREED);
    assert_eq!(flight.len(), 0);
}

#[test]
fn what_expires_is_lost_and_may_still_come_late_once() {
    let mut flight = Flight::new(Goal::Arrival);
    let (old, young) = (flight.start(1, 10), flight.start(1, 20));
    assert_eq!(
        flight.expire(15),
        Expired {
            lost: 1,
            unanswered: 0,
            slots_freed: 1
        }
    );
    assert_eq!(
        flight.arrived(young, 1),
        FREED,
        "the lost one no longer counts as overtaken"
    );
    assert_eq!(flight.arrived(old, 1), Arrival::Late);
    assert_eq!(flight.arrived(old, 1), Arrival::Duplicate);
}

#[test]
fn a_confirmed_message_needs_both_and_frees_its_slot_by_the_answer() {
    let mut flight = Flight::new(Goal::ArrivalAndAnswer);
    let sequence = flight.start(1, 7);
    assert_eq!(
        flight.arrived(sequence, 1),
        Arrival::InOrder { slot_freed: false }
    );
    assert_eq!(flight.len(), 1);
    assert_eq!(
        flight.answered(sequence),
        Answer::First {
            time_ns: 7,
            proven: true,
            slot_freed: true
        }
    );
    assert_eq!(flight.len(), 0);
    assert_eq!(flight.answered(sequence), Answer::Repeated);
}

#[test]
fn an_answer_before_the_arrival_is_told() {
    let mut flight = Flight::new(Goal::ArrivalAndAnswer);
    let sequence = flight.start(1, 7);
    assert_eq!(
        flight.answered(sequence),
        Answer::First {
            time_ns: 7,
            proven: false,
            slot_freed: true
        }
    );
    assert_eq!(
        flight.expire(8),
        Expired {
            lost: 1,
            unanswered: 0,
            slots_freed: 0
        }
    );
}

#[test]
fn an_arrival_after_its_answer_frees_no_second_slot() {
    let mut flight = Flight::new(Goal::ArrivalAndAnswer);
    let sequence = flight.start(1, 7);
    flight.answered(sequence);
    assert_eq!(
        flight.arrived(sequence, 1),
        Arrival::InOrder { slot_freed: false }
    );
}

#[test]
fn a_receipt_and_an_arrival_free_the_slot_together_in_any_order() {
    for receipt_first in [false, true] {
        let mut flight = Flight::new(Goal::ArrivalAndReceipt);
        let sequence = flight.start(1, 7);
        let receipt = |slot_freed| Answer::First {
            time_ns: 7,
            proven: true,
            slot_freed,
        };
        if receipt_first {
            assert_eq!(flight.answered(sequence), receipt(false));
            assert_eq!(flight.arrived(sequence, 1), FREED);
        } else {
            let arrival = flight.arrived(sequence, 1);
            assert_eq!(arrival, Arrival::InOrder { slot_freed: false });
            assert_eq!(flight.answered(sequence), receipt(true));
        }
        assert_eq!(flight.len(), 0);
    }
}

#[test]
fn acceptance_waits_for_no_arrival() {
    let mut flight = Flight::new(Goal::Answer);
    let (first, second) = (flight.start(1, 0), flight.start(1, 0));
    assert_eq!(
        flight.answered(second),
        Answer::First {
            time_ns: 0,
            proven: true,
            slot_freed: true
        }
    );
    assert_eq!(
        flight.expire(1),
        Expired {
            lost: 0,
            unanswered: 1,
            slots_freed: 1
        }
    );
    assert_eq!(flight.answered(first), Answer::Late);
    assert_eq!(flight.answered(first), Answer::Repeated);
}

#[test]
fn a_refused_message_is_neither_lost_nor_waited_for() {
    let mut flight = Flight::new(Goal::ArrivalAndAnswer);
    let sequence = flight.start(1, 0);
    assert!(flight.refused(sequence));
    assert!(!flight.refused(sequence));
    assert_eq!((flight.len(), flight.expire(u64::MAX)), (0, Expired::default()));
}

#[test]
fn what_was_never_sent_or_to_another_is_misdelivered() {
    let mut flight = Flight::new(Goal::Arrival);
    let sequence = flight.start(1, 0);
    assert_eq!(flight.arrived(sequence, 2), Arrival::Misdelivered);
    assert_eq!(flight.arrived(sequence + 1, 1), Arrival::Misdelivered);
    assert_eq!(flight.arrived(sequence, 1), FREED);
}
