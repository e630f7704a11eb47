//! What all nodes agree on when they trace a message: whether, and where the spans stand.

use std::collections::HashSet;

use bytes::Bytes;
use linker_core::envelope::{Envelope, Feature, Kind, Trail};
use linker_core::id::{DomainName, MessageId};
use linker_core::trace::{Place, Sampling, SpanId, TraceContext};

/// As a node makes them: all alike but for a counter.
fn ids(count: u32) -> impl Iterator<Item = MessageId> {
    (0..count).map(|n| {
        let [c0, c1, c2, c3] = n.to_be_bytes();
        MessageId::new(
            1_700_000_000_000 + u64::from(n / 40),
            [0, 3, 9, 8, 7, 6, c0, c1, c2, c3],
        )
    })
}

fn domain(name: &str) -> DomainName {
    name.parse().unwrap()
}

#[test]
fn the_share_that_is_traced_is_the_ratio() {
    for ratio in [0.001, 0.01, 0.25, 0.9] {
        let sampling = Sampling::of_ratio(ratio);
        let taken = ids(200_000).filter(|id| sampling.takes(id)).count() as f64;
        let expected = 200_000.0 * ratio;
        let deviation = (expected * (1.0 - ratio)).sqrt();
        assert!(
            (taken - expected).abs() < 5.0 * deviation,
            "{taken} of {expected}"
        );
    }
}

#[test]
fn none_and_all_are_exact_and_odd_ratios_are_one_of_the_two() {
    for ratio in [0.0, -0.0, -1.0, f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(Sampling::of_ratio(ratio), Sampling::NONE);
    }
    assert!(!Sampling::NONE.is_on() && ids(1000).all(|id| !Sampling::NONE.takes(&id)));
    for ratio in [1.0, 2.0, f64::INFINITY] {
        let all = Sampling::of_ratio(ratio);
        assert!(all.is_on() && ids(1000).all(|id| all.takes(&id)));
    }
}

#[test]
fn a_larger_ratio_traces_all_that_a_smaller_one_does() {
    let (small, large) = (Sampling::of_ratio(0.05), Sampling::of_ratio(0.2));
    assert!(
        ids(20_000)
            .filter(|id| small.takes(id))
            .all(|id| large.takes(&id))
    );
}

#[test]
fn a_confirmation_is_traced_if_its_message_is() {
    let sampling = Sampling::of_ratio(0.3);
    assert!(ids(10_000).all(|id| sampling.takes(&id) == sampling.takes(&id.of_confirmation())));
}

#[test]
fn spans_of_domains_differ_by_message_and_by_domain() {
    let domains = ["domain-01", "domain-02", "d", "e"].map(domain);
    let spans: HashSet<_> = ids(10_000)
        .flat_map(|id| domains.each_ref().map(|domain| SpanId::of_domain(&id, domain)))
        .collect();
    assert_eq!(spans.len(), 40_000);
}

/// Nodes of different versions have to agree.
#[test]
fn what_nodes_agree_on_never_changes() {
    let id: MessageId = "018bcfe5-6800-7003-8908-070600000001".parse().unwrap();
    let span = SpanId::of_domain(&id, &domain("domain-01"));
    assert_eq!(span.to_bytes(), SPAN);
    let smallest = |from: f64, to: f64| {
        let (mut low, mut high) = (from, to);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            match Sampling::of_ratio(middle).takes(&id) {
                true => high = middle,
                false => low = middle,
            }
        }
        high
    };
    assert!(
        (smallest(0.0, 1.0) - RATIO).abs() < 1e-9,
        "{}",
        smallest(0.0, 1.0)
    );
}
const SPAN: [u8; 8] = [14, 152, 33, 214, 192, 228, 85, 1];
const RATIO: f64 = 0.034_907_472_065_497_98;

#[test]
fn a_domain_stands_below_the_one_before_it_and_what_comes_again_below_its_first_time() {
    let [a, b, c] = ["a", "b", "c"].map(domain);
    let mut envelope = Envelope {
        id: ids(1).next().unwrap(),
        kind: Kind::Message,
        feature: Feature::Fast,
        from: "ANZ-1".parse().unwrap(),
        to: "ANZ-2".parse().unwrap(),
        reference: None,
        confirm: false,
        timestamp_ms: 0,
        content: Bytes::new(),
        trail: None,
    };
    let id = envelope.id;
    let of = |domain| Some(SpanId::of_domain(&id, domain));
    assert_eq!(
        Place::of_domain(&envelope, &a),
        Place {
            id: of(&a),
            parent: None
        }
    );
    let mut came_by = |path: &[&DomainName]| {
        let path = path.iter().copied().cloned().collect();
        envelope.trail = Some(Box::new(Trail { path, after: None }));
        envelope.clone()
    };
    let first = came_by(&[&a, &b]);
    assert_eq!(
        Place::of_domain(&first, &c),
        Place {
            id: of(&c),
            parent: of(&b)
        }
    );
    assert_eq!(Place::of_arrival(&first).parent, of(&b));
    let again = came_by(&[&a, &b, &c]);
    assert_eq!(
        Place::of_domain(&again, &b),
        Place {
            id: None,
            parent: of(&b)
        }
    );
}

#[test]
fn any_id_has_one_like_it_that_is_traced() {
    for ratio in [0.0001, 0.01, 1.0] {
        let sampling = Sampling::of_ratio(ratio);
        for id in ids(200) {
            let like = sampling.like(id);
            assert!(sampling.takes(&like));
            assert_eq!(like.unix_ms(), id.unix_ms());
            let (a, b) = (id.as_bytes(), like.as_bytes());
            assert_eq!((&a[..8], &a[11..]), (&b[..8], &b[11..]), "time and counter");
            assert_eq!(a[8] >> 6, b[8] >> 6, "the variant");
        }
    }
    let id = ids(1).next().unwrap();
    assert_eq!(Sampling::NONE.like(id), id);
}

#[test]
fn a_traceparent_is_read_as_the_standard_says() {
    let read = |text: &str| text.parse::<TraceContext>();
    let context = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    assert_eq!(
        u128::from_be_bytes(context.trace),
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
    );
    assert_eq!(context.span.to_bytes(), 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert!(context.is_sampled);
    assert!(
        !read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe")
            .unwrap()
            .is_sampled
    );
    assert!(read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_ok());
    for wrong in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
