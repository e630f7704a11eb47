//! Who has a message, who answers for it, and who finishes it when one of them is gone.

use super::*;

#[test]
fn a_guest_proven_before_its_node_was_seen_dead_is_finished_when_it_is() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
    assert_eq!(world.finished(), [], "that is up to its origin");
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), [id(1)]);
    world.store_all();
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), [], "once");
}

#[test]
fn a_row_taken_over_that_a_guest_has_proven_is_finished_and_not_sent_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    // Long after, so that only the id is remembered.
    world.now += Duration::from_secs(30);
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), []);
    world.step(|custody, cx| custody.adopt_rows(vec![row(1)], cx));
    assert!(world.targets.taken.borrow().is_empty());
    assert_eq!(world.finished(), [id(1)]);
}

#[test]
fn a_guest_that_a_session_has_proven_from_the_store_is_proven() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let ticket = world.fetch(1).unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
}

#[test]
fn a_message_that_the_bus_loses_again_and_again_is_handed_over_until_it_arrives() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    for lost in 1..=5 {
        assert_eq!(world.targets.handed_over.borrow().len(), lost);
        let (_, _, ticket) = world.targets.handed_over.borrow()[lost - 1];
        world.wait(Duration::from_secs(3));
        assert!(world.told().contains(&NodeWord::Ask(ticket.unwrap(), id(1))));
        world.effects.clear();
        world.word(NodeWord::NotHere(ticket.unwrap()));
    }
    let absent = |effect: &CustodyEffect<Target>| matches!(effect, CustodyEffect::Absent { .. });
    assert!(!world.effects.iter().any(absent), "it waits for no fetch");
}

#[test]
fn a_message_that_a_node_refuses_twice_is_left_to_the_store() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    for _ in 0..2 {
        let (_, _, ticket) = *world.targets.handed_over.borrow().last().unwrap();
        world.word(NodeWord::NotHere(ticket.unwrap()));
    }
    assert_eq!(world.targets.handed_over.borrow().len(), 2);
    assert!(world.effects.contains(&CustodyEffect::Absent { id: id(1) }));
    assert!(world.custody.is_empty());
    assert_eq!(world.shared.claims().held(), 0);
}

#[test]
fn what_a_fault_kept_in_memory_is_not_sent_beside_the_session_that_got_it_from_the_store() {
    let mut world = World::new();
    world.send(1);
    world.targets.unknown.set(true);
    world.store_all();
    assert_eq!(
        world.custody.len(),
        1,
        "its row says that its recipient is absent, so it is kept here"
    );
    world.targets.here.borrow_mut().push(1);
    assert!(world.fetch(1).is_some());
    world.targets.unknown.set(false);
    world.wait(Duration::from_secs(2));
    assert!(world.targets.taken.borrow().is_empty(), "it has it already");
    assert_eq!(world.custody.len(), 1);
}

#[test]
fn what_is_proven_here_and_there_before_it_is_known_that_its_recipient_is_there_too_is_confirmed_once() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.asked.set(true);
    world.send(1);
    world.prove_all();
    world.targets.asked.set(false);
    let there = Elsewhere::Nodes(smallvec![PEER]);
    world.step(|custody, cx| custody.on_located(receiver(), there, cx));
    let (_, handed_over, ticket) = world.targets.handed_over.borrow()[0];
    assert_eq!(handed_over, id(1));
    world.word(NodeWord::Proven(ticket.unwrap(), id(1)));
    let finish = NodeWord::Finish(id(1));
    assert!(!world.told().contains(&finish), "it is confirmed from here");
}

#[test]
fn a_proof_whose_message_was_given_up_is_left_to_the_node_it_comes_from() {
    let mut world = World::new();
    world.word(NodeWord::Proven(THEIRS, id(1)));
    assert_eq!(world.told(), [NodeWord::Finish(id(1))]);
    // And as that node: it does what is owed, once.
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    world.word(NodeWord::Finish(id(1)));
    assert_eq!(world.finished(), [id(1)]);
    world.store_all();
    world.effects.clear();
    world.word(NodeWord::Finish(id(1)));
    assert_eq!(world.finished(), []);
}

#[test]
fn a_proof_that_comes_twice_is_finished_by_nobody_else() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let ticket = world.ticket_of(1);
    world.word(NodeWord::Proven(ticket, id(1)));
    world.effects.clear();
    world.word(NodeWord::Proven(ticket, id(1)));
    assert_eq!(world.told(), []);
}

#[test]
fn a_row_whose_reason_is_another_is_found_by_sessions_that_turn_out_to_be_behind() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let ticket = world.ticket_of(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    world.effects.clear();
    world.word(NodeWord::Behind {
        ticket,
        guest: THEIRS,
        replaying: false,
    });
    assert!(
        world
            .effects
            .contains(&CustodyEffect::Behind { ticket, id: id(1) })
    );
    assert_eq!(world.told(), [], "not before its row says so");
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!(world.told(), [NodeWord::Stored(THEIRS)]);
    assert!(world.custody.is_empty());
}

#[test]
fn a_guest_sent_away_leaves_the_claim_to_the_session_that_got_it_from_the_store() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.behind.set(true);
    world.guest(1, THEIRS);
    let told = world.told();
    let [NodeWord::Behind { guest, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert!(world.fetch(1).is_some());
    world.word(NodeWord::Dismiss(guest));
    assert_eq!(world.told().last(), Some(&NodeWord::NotHere(THEIRS)));
    assert_eq!(world.fetch(1), None, "it has it already");
}

#[test]
fn a_node_does_not_deliver_what_it_saw_proven_when_another_hands_it_over() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.send(1);
    world.prove_all();
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
    assert!(world.targets.taken.borrow().is_empty());
}

#[test]
fn fast_that_is_given_back_is_offered_to_nobody_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let mut fast = Arc::unwrap_or_clone(envelope(1));
    fast.feature = Feature::Fast;
    let submission = Submission {
        envelope: fast,
        origin: Origin::Call(1),
        accepted: false,
    };
    world.step(|custody, cx| custody.submit(submission, cx));
    let ticket = world.targets.taken.take()[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_given_back(ticket, SessionId(1), cx));
    assert!(world.targets.taken.borrow().is_empty());
    assert!(world.custody.is_empty());
}
