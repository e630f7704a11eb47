//! Generators that several laws share.

use linker_core::id::{AppName, DomainName, MessageId, USER_NUMBER_MAX, UserId};
use linker_core::limit::HOPS_MAX;
use linker_core::network::{Domain, Link};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

pub(crate) fn app_name() -> impl Strategy<Value = AppName> {
    "[A-Za-z0-9_]{1,32}".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn user_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..=USER_NUMBER_MAX,
        4 => 0..100u64,
        1 => Just(USER_NUMBER_MAX),
    ]
}

pub(crate) fn user_id() -> impl Strategy<Value = UserId> {
    (app_name(), user_number()).prop_map(|(app, number)| UserId::new(app, number).unwrap())
}

pub(crate) fn message_id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId::from_bytes)
}

/// `d0`, `d1`, … `d10`: in the order of names, not of numbers.
pub(crate) fn domain_name(number: usize) -> DomainName {
    format!("d{number}").parse().unwrap()
}

/// 1 to 128 bytes.
pub(crate) fn any_domain_name() -> impl Strategy<Value = DomainName> {
    let text = prop_oneof![8 => "[A-Za-z0-9._-]{1,12}", 1 => "[A-Za-z0-9._-]{1,128}"];
    text.prop_map(|text| text.parse().unwrap())
}

/// A few domains mostly, and as many as a message can have left.
pub(crate) fn path() -> impl Strategy<Value = Vec<DomainName>> {
    let long = (0..3usize).prop_map(|less| (0..HOPS_MAX - less).map(domain_name).collect());
    prop_oneof![16 => vec(any_domain_name(), 0..6), 1 => long]
}

/// Valid domains and links: up to 12 domains, from none to many of the possible links, small weights so that paths tie often.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) domains: Vec<Domain>,
    pub(crate) links: Vec<Link>,
}

impl Network {
    pub(crate) fn names(&self) -> impl Iterator<Item = &DomainName> {
        self.domains.iter().map(|domain| &domain.name)
    }
}

pub(crate) fn network() -> impl Strategy<Value = Network> {
    (1..=12usize)
        .prop_flat_map(|count| {
            let pair = (0..count, 0..count)
                .prop_filter("two different domains", |(a, b)| a != b)
                .prop_map(|(a, b)| (a.min(b), a.max(b)));
            let links = match count {
                1 => Just(Default::default()).boxed(),
                _ => btree_map(pair, (1..=3u32, any::<bool>()), 0..=2 * count).boxed(),
            };
            (Just(count), links)
        })
        .prop_map(|(count, links)| Network {
            domains: (0..count)
                .map(|number| Domain::named(domain_name(number)))
                .collect(),
            links: links
                .into_iter()
                .map(|((a, b), (weight, turned))| {
                    let (a, b) = if turned { (b, a) } else { (a, b) };
                    Link {
                        n1: domain_name(a),
                        n2: domain_name(b),
                        weight,
                    }
                })
                .collect(),
        })
}

/// For each of up to 64 places, whether something there is chosen.
pub(crate) fn choices() -> impl Strategy<Value = Vec<bool>> {
    vec(any::<bool>(), 64)
}
