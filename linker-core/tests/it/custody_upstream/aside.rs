//! The application does not take what a sender sends: it has a way of its own.

use std::sync::Arc;
use std::time::Duration;

use linker_core::custody::{CustodyEffect, Reports, Settlement};
use linker_core::id::{DomainName, MessageId, SessionId};
use linker_core::port::{InsertOutcome, StoredRow, WaitReason};
use linker_core::testkit::sample::{message_id, user};

use super::{Inserted, OUTLET, World, upstream};

/// Which rows are to say that they wait for another way, and for which.
fn redirects(world: &World) -> Vec<(MessageId, DomainName)> {
    let redirected = |effect: &CustodyEffect<()>| match effect {
        CustodyEffect::Redirect { id, home, .. } => Some((*id, home.clone())),
        _ => None,
    };
    world.effects.iter().filter_map(redirected).collect()
}

/// The store has done so.
fn redirect_all(world: &mut World) {
    for effect in std::mem::take(&mut world.effects) {
        if let CustodyEffect::Redirect { ticket, .. } = effect {
            world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
        }
    }
}

#[test]
fn what_a_sender_who_is_set_aside_has_given_back_waits_for_its_own_way_in_the_order_sent() {
    let mut world = World::new(true, Reports::default());
    let lane = DomainName::upstream_aside(&user(1));
    // One has a row, that of another is being written, and one has none yet.
    world.submit(1, upstream(1, None));
    world.now += Duration::from_secs(1);
    world.step(|custody, cx| custody.on_tick(cx));
    assert_eq!(world.store_all()[0].home, Some(DomainName::upstream()));
    world.submit(2, upstream(2, None));
    world.now += Duration::from_secs(1);
    world.step(|custody, cx| custody.on_tick(cx));
    let writing = world.inserts();
    world.submit(3, upstream(3, None));
    let handed = std::mem::take(&mut *world.way.handed.borrow_mut());
    world.way.aside.set(true);
    for (_, ticket) in handed {
        world.step(|custody, cx| custody.on_given_back(ticket, SessionId::of_link(OUTLET), cx));
    }
    world.submit(4, upstream(4, None));
    assert_eq!(redirects(&world), [(message_id(1), lane.clone())]);
    let inserted: Vec<_> = world.inserts();
    let of_lane = |row: &Inserted| (row.envelope.id, row.home.clone());
    let expected = [3, 4].map(|n| (message_id(n), Some(lane.clone())));
    assert_eq!(inserted.iter().map(of_lane).collect::<Vec<_>>(), expected);
    for row in writing.iter().chain(&inserted) {
        world.step(|custody, cx| custody.on_stored(row.ticket, InsertOutcome::Stored, cx));
    }
    assert_eq!(redirects(&world).last(), Some(&(message_id(2), lane)));
    assert!(
        world.way.diverted.get() > 0,
        "its way may not open before that is done"
    );
    for call in 1..=4 {
        assert_eq!(world.settlements(call), [Settlement::Stored]);
    }
    redirect_all(&mut world);
    assert_eq!(world.way.diverted.get(), 0);
    assert!(world.custody.is_empty(), "the store has all of it alone");
}

#[test]
fn rows_of_a_sender_who_is_set_aside_are_redirected_and_pages_wait_for_that() {
    let mut world = World::new(false, Reports::default());
    world.way.aside.set(true);
    let row = |seq: u64| StoredRow {
        seq,
        envelope: Arc::new(upstream(seq, None)),
        reason: WaitReason::Forward,
    };
    let home = DomainName::upstream();
    let rows = vec![row(1), row(2)];
    let adopted = world.step(|custody, cx| custody.adopt_forward(rows, &home, cx));
    assert_eq!((adopted.handed, adopted.last_seq), (0, None));
    assert!(adopted.stopped);
    let lane = DomainName::upstream_aside(&user(1));
    let expected = [1, 2].map(|n| (message_id(n), lane.clone()));
    assert_eq!(redirects(&world), expected);
    // Read again meanwhile, they are not redirected twice.
    let again = world.step(|custody, cx| custody.adopt_forward(vec![row(1)], &home, cx));
    assert!(again.stopped);
    assert_eq!(redirects(&world).len(), 2);
    redirect_all(&mut world);
    assert!(world.custody.is_empty());
    assert_eq!(world.way.diverted.get(), 0);
}

#[test]
fn what_is_written_behind_what_waits_for_everybody_stays_there_until_its_turn_comes() {
    let mut world = World::new(false, Reports::default());
    world.way.aside.set(true);
    world.submit(1, upstream(1, None));
    let stored = world.store_all();
    assert_eq!(stored[0].home, Some(DomainName::upstream()));
    assert_eq!(redirects(&world), [], "others of its sender may be before it");
    assert!(world.custody.is_empty());
    // The pump has come to it.
    let row = StoredRow {
        seq: 1,
        envelope: Arc::clone(&stored[0].envelope),
        reason: WaitReason::Forward,
    };
    let home = DomainName::upstream();
    world.step(|custody, cx| custody.adopt_forward(vec![row], &home, cx));
    assert_eq!(redirects(&world).len(), 1);
    redirect_all(&mut world);
    assert_eq!(redirects(&world), [], "it stays where it is now");
    assert!(world.custody.is_empty());
    assert_eq!(world.way.diverted.get(), 0);
}

#[test]
fn what_was_parked_when_its_sender_is_set_aside_goes_before_what_comes_later() {
    let mut world = World::new(false, Reports::default());
    world.way.parking.set(true);
    world.submit(1, upstream(1, None));
    assert!(world.inserts().is_empty(), "it waits for the way to open");
    world.way.parking.set(false);
    world.way.open.set(true);
    world.way.aside.set(true);
    world.submit(2, upstream(2, None));
    let lane = Some(DomainName::upstream_aside(&user(1)));
    let stored = world.store_all();
    let rows: Vec<_> = stored.iter().map(|row| (row.envelope.id, &row.home)).collect();
    assert_eq!(rows, [(message_id(1), &lane), (message_id(2), &lane)]);
    assert_eq!(world.way.diverted.get(), 0);
}
