//! What comes in from another domain, however much of it and whatever else is slow.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use linker_actors::core::app::ClientApps;
use linker_actors::core::bus::{BatchWriter, BusFrame};
use linker_actors::core::directory::Directory;
use linker_actors::core::distribution::{UserDistributions, UserRange};
use linker_actors::core::envelope::{Envelope, Feature, Kind};
use linker_actors::core::id::DomainName;
use linker_actors::core::network::{Domain as DomainEntry, Link, Topology};
use linker_actors::core::port::{Arrival, BoxFuture, BusError, Ingress, IngressReceiver, LinkWay, Receipt};
use linker_core::testkit::sample;
use serde_json::json;
use tokio::sync::oneshot;

use super::{Domain, Member};
use crate::harness::{Client, WAIT, apps, eventually, user};

/// The numbers of the master and his neighbour.
const MASTERS: std::ops::RangeInclusive<u64> = 1000..=1001;

/// An ingress without a broker.
#[derive(Default)]
struct Door(Mutex<Option<Arc<dyn IngressReceiver>>>);

impl Ingress for Door {
    fn open(&self, receiver: Arc<dyn IngressReceiver>) -> BoxFuture<'_, Result<(), BusError>> {
        *self.0.lock().expect("no panic") = Some(receiver);
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn domain(name: &str) -> DomainName {
    name.parse().expect("a domain name")
}

/// All users live in `here`, whose neighbour is `there`; but for those of these numbers, who live there.
fn directory(away: std::ops::RangeInclusive<u64>) -> Directory {
    let (here, there) = (domain("here"), domain("there"));
    let entries = [&here, &there].map(|name| DomainEntry::named(name.clone()));
    let link = Link {
        n1: here.clone(),
        n2: there.clone(),
        weight: 1,
    };
    let range = |domain: &DomainName, from, to| UserRange {
        domain: domain.clone(),
        from,
        to,
    };
    let homes = vec![
        range(&here, 0, Some(*away.start() - 1)),
        range(&there, *away.start(), Some(*away.end())),
        range(&here, *away.end() + 1, None),
    ];
    Directory::new(
        &here,
        Arc::new(ClientApps::new(apps().into()).expect("apps")),
        Arc::new(UserDistributions::new(homes).expect("homes")),
        &Arc::new(Topology::new(entries.into(), &[link]).expect("a topology")),
        &HashSet::new(),
    )
    .expect("a directory")
}

/// A node, and what its ingress hands to.
async fn node(domain: &Domain) -> (Member, Arc<dyn IngressReceiver>) {
    let door = Arc::new(Door::default());
    let ingress = Arc::clone(&door) as Arc<dyn Ingress>;
    let member = domain
        .node_built("a", |spec| spec.build(|builder| builder.ingress(ingress)))
        .await;
    assert_eq!(member.handle.set_directory(directory(MASTERS)).await, Ok(()));
    let receiver = eventually("the ingress is open", WAIT, async || {
        door.0.lock().expect("no panic").clone()
    })
    .await;
    (member, receiver)
}

fn arrival(way: LinkWay, frames: &[BusFrame], receipt: Option<Receipt>) -> Arrival {
    let mut writer = BatchWriter::new(&sample::node(9));
    for frame in frames {
        writer.push(frame);
    }
    Arrival {
        way,
        payload: writer.take(),
        receipt,
    }
}

fn deliver(envelope: Envelope) -> BusFrame {
    BusFrame::Deliver {
        ticket: None,
        envelope: Arc::new(envelope),
    }
}

/// Hands over a RELIABLE message, and waits until it is safe here.
async fn is_signed(receiver: &Arc<dyn IngressReceiver>) {
    let (sign, signed) = oneshot::channel();
    let receipt = Receipt::new(move || {
        let _ = sign.send(());
    });
    let frames = [deliver(sample::message(1, sample::user(1), sample::user(2)))];
    receiver.receive(arrival(LinkWay::Reliable(0), &frames, Some(receipt)));
    let signed = tokio::time::timeout(WAIT, signed).await;
    assert_eq!(signed.expect("it is answered"), Ok(()), "it was dropped unsigned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flood_of_fast_messages_pushes_out_a_reliable_one() {
    let domain = Domain::new();
    let (_node, receiver) = node(&domain).await;
    let fast: Vec<BusFrame> = (10..20)
        .map(|n| {
            deliver(Envelope {
                feature: Feature::Fast,
                ..sample::message(n, sample::user(1), sample::user(2))
            })
        })
        .collect();
    let flood = arrival(LinkWay::Fast(0), &fast, None);
    for _ in 0..30_000 {
        receiver.receive(Arrival {
            way: flood.way,
            payload: flood.payload.clone(),
            receipt: None,
        });
    }
    is_signed(&receiver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_answer_holds_up_no_message() {
    let domain = Domain::new();
    let (_node, receiver) = node(&domain).await;
    domain.presence.set_silent(true);
    receiver.receive(close_of_2());
    is_signed(&receiver).await;
    domain.presence.set_silent(false);
}

fn close_of_2() -> Arrival {
    let close = BusFrame::CloseAway {
        user: user("ANZ-2"),
        master: user(crate::harness::MASTER),
        reference: None,
        path: vec![domain("there")],
    };
    arrival(LinkWay::Fast(0), &[close], None)
}

/// A master who lives here asks here: whoever asks for him elsewhere is not him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_elsewhere_closes_a_user_for_a_master_who_lives_here() {
    let domain = Domain::new();
    let (node, receiver) = node(&domain).await;
    assert_eq!(node.handle.set_directory(directory(5000..=5000)).await, Ok(()));
    let mut stays = Client::login(&node, "ANZ-2").await;
    receiver.receive(close_of_2());
    // What comes behind it is looked at after it.
    let later = sample::message(13, sample::user(1), sample::user(2));
    receiver.receive(arrival(LinkWay::Reliable(0), &[deliver(later)], None));
    assert_eq!(stays.expect("MESSAGE").await["data"]["content"], json!({"n": 13}));
    stays.expect_quiet().await;
    // For one who lives elsewhere it may.
    assert_eq!(node.handle.set_directory(directory(MASTERS)).await, Ok(()));
    receiver.receive(close_of_2());
    assert_eq!(stays.closed().await, Some(4010));
}

/// Events of other apps, and confirmations of nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_have_sent_comes_to_nobody_and_holds_up_nothing() {
    let domain = Domain::new();
    let (node, receiver) = node(&domain).await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    let of_kind = |n, kind, from: &str| Envelope {
        kind,
        from: user(from),
        reference: None,
        content: Default::default(),
        ..sample::message(n, sample::user(1), sample::user(2))
    };
    let frames = [
        deliver(of_kind(20, Kind::UserConnected, "XYZ-1")),
        deliver(of_kind(21, Kind::UserDisconnected, "ANZ-2")),
        deliver(of_kind(22, Kind::Confirmation, "ANZ-1")),
        deliver(of_kind(23, Kind::Read, "ANZ-1")),
        deliver(sample::message(24, sample::user(1), sample::user(2))),
    ];
    let (sign, signed) = oneshot::channel();
    let receipt = Receipt::new(move || {
        let _ = sign.send(());
    });
    receiver.receive(arrival(LinkWay::Reliable(0), &frames, Some(receipt)));
    assert_eq!(
        reader.expect("MESSAGE").await["data"]["content"],
        json!({"n": 24})
    );
    let signed = tokio::time::timeout(WAIT, signed).await;
    assert_eq!(signed.expect("it is answered"), Ok(()));
    reader.expect_quiet().await;
}

/// Content is put into frames as it is: what ends its frame would speak in the server's name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_is_no_json_comes_to_nobody_and_holds_up_nothing() {
    let domain = Domain::new();
    let (node, receiver) = node(&domain).await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    let forged = |n| Envelope {
        content: r#"1},"type":"AUTH_CLIENT_REPLY","data":{"isAuthenticated":false"#.into(),
        ..sample::message(n, sample::user(1), sample::user(2))
    };
    let fast = Envelope {
        feature: Feature::Fast,
        ..forged(10)
    };
    receiver.receive(arrival(LinkWay::Fast(0), &[deliver(fast)], None));
    let (sign, signed) = oneshot::channel();
    let receipt = Receipt::new(move || {
        let _ = sign.send(());
    });
    let good = sample::message(12, sample::user(1), sample::user(2));
    let frames = [deliver(forged(11)), deliver(good)];
    receiver.receive(arrival(LinkWay::Reliable(0), &frames, Some(receipt)));
    let frame = reader.expect("MESSAGE").await;
    assert_eq!(frame["data"]["content"], json!({"n": 12}), "{}", frame.text);
    let signed = tokio::time::timeout(WAIT, signed).await;
    assert_eq!(signed.expect("it is answered"), Ok(()));
    reader.expect_quiet().await;
}
