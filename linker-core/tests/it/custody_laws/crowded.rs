//! A node on which much is pending: what is stored and unproven is in the store alone.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::custody::CustodyEffect;
use linker_core::port::InsertOutcome;

use super::{Fake, World, id, sender};

/// A world in which one message is much already, and one that is stored while this session has it unproven.
fn crowded() -> (World, Rc<Fake>) {
    let mut world = World::with_room(1000);
    let session = world.login(1);
    world.send(1, Some("a"));
    world.wait(Duration::from_millis(20));
    let before = world.shared.pending_bytes.load(Ordering::Relaxed);
    world.store_all();
    let after = world.shared.pending_bytes.load(Ordering::Relaxed);
    assert!(after < before, "{after} of {before}");
    assert!(!session.taken.borrow()[0].envelope.content.is_empty());
    (world, session)
}

#[test]
fn where_much_is_pending_what_is_stored_and_unproven_is_confirmed_from_memory_without_its_content() {
    let (mut world, session) = crowded();
    world.prove_all(&session);
    let replaced = world.effects.iter().find_map(|effect| match effect {
        CustodyEffect::Insert {
            replaces, envelope, ..
        } => Some((*replaces, envelope.to)),
        _ => None,
    });
    assert_eq!(replaced, Some((Some(id(1)), sender())));
}

#[test]
fn where_much_is_pending_what_is_given_back_is_left_to_the_store() {
    let (mut world, session) = crowded();
    world.effects.clear();
    world.logout(&session);
    world.give_back_all(&session);
    assert_eq!(world.inserts(), []);
    assert!(world.custody.is_empty());
    assert_eq!(world.shared.claims().held(), 0, "whoever asks finds it");
    assert_eq!(world.shared.pending_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn where_much_is_pending_what_is_given_back_comes_to_another_session_from_the_store() {
    for starts_over in [false, true] {
        let (mut world, session) = crowded();
        let other = world.login(2);
        world.logout(&session);
        world.give_back_all(&session);
        if starts_over {
            let surrendered = world.custody.surrender();
            world.effects.clear();
            world.step(|custody, cx| custody.take_over(surrendered, cx));
        }
        assert_eq!(world.inserts(), []);
        let behind = world.effects.iter().find_map(|effect| match effect {
            CustodyEffect::Behind { ticket, id } => Some((*ticket, *id)),
            _ => None,
        });
        let (ticket, named) = behind.expect("its row is to say for whom it waits");
        assert_eq!((named, other.hints.get()), (id(1), 0));
        world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
        assert!(other.taken.borrow().is_empty(), "there is nothing to be offered");
        assert_eq!(other.hints.get(), 1);
        assert!(world.custody.is_empty());
        assert_eq!(world.shared.claims().held(), 0, "the next page finds it free");
    }
}
