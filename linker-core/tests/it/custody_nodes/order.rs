//! What is newer does not overtake: wherever a recipient has moved, and whatever a fault keeps.

use super::*;

#[test]
fn what_is_proven_here_before_it_is_known_where_else_its_recipient_is_goes_there_all_the_same_in_order() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.asked.set(true);
    world.send(1);
    world.send(2);
    world.prove_all();
    world.targets.asked.set(false);
    world.send(3);
    world.step(|custody, cx| custody.on_located(receiver(), Elsewhere::Nodes(smallvec![PEER]), cx));
    let handed_over: Vec<_> = world
        .targets
        .handed_over
        .borrow()
        .iter()
        .map(|(_, id, _)| *id)
        .collect();
    assert_eq!(handed_over, [id(1), id(2), id(3)]);
}

#[test]
fn a_session_that_takes_messages_by_now_gets_none_before_those_that_wait_for_presence() {
    let mut world = World::new();
    world.targets.asked.set(true);
    world.send(1);
    world.targets.here.borrow_mut().push(1);
    world.send(2);
    assert!(world.targets.taken.borrow().is_empty());
    world.targets.asked.set(false);
    world.step(|custody, cx| custody.on_located(receiver(), Elsewhere::Nodes(smallvec![]), cx));
    let taken: Vec<_> = world
        .targets
        .taken
        .borrow()
        .iter()
        .map(|delivery| delivery.envelope.id)
        .collect();
    assert_eq!(taken, [id(1), id(2)]);
}

#[test]
fn what_is_under_way_to_a_node_goes_to_the_one_its_recipient_has_moved_to_before_anything_newer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.send(2);
    let proven = world.ticket_of(2);
    world.word(NodeWord::Proven(proven, id(2)));
    world.send(3);
    *world.targets.elsewhere.borrow_mut() = vec![OTHER_PEER];
    world.send(4);
    world.send(5);
    assert_eq!(world.handed_to(OTHER_PEER), [1, 3, 4, 5].map(id));
}

#[test]
fn what_is_being_stored_goes_to_the_node_its_recipient_logged_in_to_before_anything_newer() {
    let mut world = World::new();
    world.send(1);
    world.send(2);
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(3);
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id));
    world.store_all();
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id), "once");
}

#[test]
fn what_a_node_gave_back_goes_there_again_before_anything_newer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.word(NodeWord::NotHere(world.ticket_of(1)));
    world.send(2);
    assert_eq!(world.handed_to(PEER), [1, 1, 2].map(id));
}

#[test]
fn what_the_bus_kept_is_sent_in_order_when_it_is_back() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.targets.away.set(true);
    world.send(2);
    world.send(3);
    world.store_all();
    world.wait(Duration::from_secs(5));
    world.targets.handed_over.take();
    world.targets.away.set(false);
    world.step(|custody, cx| custody.on_node_back(&PEER, cx));
    world.send(4);
    assert_eq!(world.handed_to(PEER), [1, 2, 3, 4].map(id));
}

#[test]
fn a_newer_message_takes_along_what_the_bus_kept() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.targets.away.set(true);
    world.send(1);
    world.send(2);
    world.store_all();
    world.targets.away.set(false);
    world.send(3);
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id));
}

#[test]
fn where_too_much_waits_for_a_fault_to_end_the_store_has_it_alone() {
    let mut world = World::new();
    world
        .shared
        .pending_bytes
        .fetch_add(1 << 19, std::sync::atomic::Ordering::Relaxed);
    world.targets.unknown.set(true);
    world.send(1);
    world.store_all();
    assert_eq!(world.custody.len(), 0);
    assert!(world.shared.has_faults.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn what_was_stored_for_a_session_of_another_node_follows_its_recipient_to_a_third() {
    const THIRD: Target = PEER + 1;
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let (_, _, ticket) = world.targets.handed_over.borrow()[0];
    let guest = THEIRS;
    world.word(NodeWord::Behind {
        ticket: ticket.unwrap(),
        guest,
        replaying: true,
    });
    *world.targets.elsewhere.borrow_mut() = vec![THIRD];
    world.store_all();
    let last = *world.targets.handed_over.borrow().last().unwrap();
    assert_eq!((last.0, last.1), (THIRD, id(1)));
}
