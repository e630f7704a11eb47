//! Messages that their senders send again, by way of whichever node.

use super::*;

#[test]
fn of_two_that_wait_for_each_other_on_two_nodes_the_older_waits_no_longer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    // The same reference, sent here as 5 and there as 1.
    world.submit(again(1, 5), 1);
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [], "it waits for word of the first");
    world.word(NodeWord::Ask(THEIRS, id(1)));
    assert_eq!(world.told(), [NodeWord::NotHere(THEIRS)]);
}

#[test]
fn what_was_fetched_here_is_recognised_when_its_sender_sends_it_here_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let ticket = world.fetch(1).unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    world.submit(again(1, 2), 1);
    assert!(world.targets.taken.borrow().is_empty());
}

/// The message of `first`, as its sender sends it again.
fn again(first: u64, number: u64) -> Envelope {
    let mut again = Arc::unwrap_or_clone(envelope(first));
    again.id = id(number);
    again
}

impl World {
    /// A message is left to the store for a receiver who is away; then it comes again, and the store is asked about it. Answers under which ticket.
    fn ask_about_what_was_left_to_the_store(&mut self) -> Ticket {
        self.send(1);
        self.store_all();
        self.effects.clear();
        self.submit(again(1, 2), 2);
        match self.effects.pop() {
            Some(CustodyEffect::Insert {
                ticket,
                envelope,
                replaces,
                ..
            }) => {
                assert_eq!((envelope.id, replaces), (id(2), Some(id(2))), "it leaves nothing");
                ticket
            }
            other => panic!("{other:?}"),
        }
    }

    fn settlements(&self) -> Vec<Settlement> {
        let settlements = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Settled { settlement, .. } => Some(settlement.clone()),
            _ => None,
        });
        settlements.collect()
    }

    fn confirmations(&self) -> usize {
        let confirms = |effect: &&CustodyEffect<Target>| matches!(effect, CustodyEffect::Insert { envelope, .. } if envelope.kind == Kind::Confirmation);
        self.effects.iter().filter(confirms).count()
    }
}

#[test]
fn a_repetition_of_what_another_node_has_moved_on_is_confirmed_again() {
    let mut world = World::new();
    let ticket = world.ask_about_what_was_left_to_the_store();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!(world.settlements(), [Settlement::Delivered]);
    assert_eq!(world.confirmations(), 1);
    assert!(world.targets.taken.borrow().is_empty());
    // From now on that is known.
    world.store_all();
    world.effects.clear();
    world.targets.here.borrow_mut().push(1);
    world.submit(again(1, 3), 3);
    assert_eq!(world.settlements(), [Settlement::Delivered]);
    assert_eq!(world.confirmations(), 1);
    assert!(world.targets.taken.borrow().is_empty());
}

#[test]
fn a_repetition_of_what_waits_in_the_store_is_confirmed_with_it() {
    let mut world = World::new();
    let ticket = world.ask_about_what_was_left_to_the_store();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Duplicate(id(1)), cx));
    assert_eq!(world.settlements(), [Settlement::Stored]);
    assert_eq!(world.confirmations(), 0);
    assert!(world.custody.is_empty());
}

#[test]
fn a_router_that_starts_over_asks_the_store_again() {
    let mut world = World::new();
    let lost = world.ask_about_what_was_left_to_the_store();
    let surrendered = world.custody.surrender();
    world.step(|custody, cx| custody.take_over(surrendered, cx));
    world.step(|custody, cx| custody.on_stored(lost, InsertOutcome::Stored, cx));
    assert_eq!(world.settlements(), []);
    world.store_all();
    assert_eq!(world.settlements(), [Settlement::Delivered]);
}

#[test]
fn a_repetition_that_its_node_did_not_find_in_the_store_either_is_delivered() {
    let mut world = World::new();
    world.send(1);
    world.store_all();
    world.effects.clear();
    world.targets.here.borrow_mut().push(1);
    let repetition = || Arc::new(again(1, 2));
    world.step(|custody, cx| custody.on_guest(&PEER, Some(THEIRS), repetition(), cx));
    assert_eq!(world.told(), [NodeWord::NotHere(THEIRS)], "the store may have it");
    world.step(|custody, cx| custody.on_guest(&PEER, Some(THEIRS), repetition(), cx));
    world.prove_all();
    let told = [NodeWord::NotHere(THEIRS), NodeWord::Proven(THEIRS, id(2))];
    assert_eq!(world.told(), told);
}

#[test]
fn the_very_same_message_come_twice_keeps_its_row() {
    let mut world = World::new();
    world.send(1);
    world.store_all();
    world.effects.clear();
    // Under the same id: from another domain, which does not know whether it arrived.
    world.send(1);
    assert_eq!(world.finished(), [], "nothing removes it");
}
