//! The directory against the protocol's words.

use std::collections::HashSet;
use std::sync::Arc;

use linker_core::app::{AuthMethod, ClientApp, ClientApps};
use linker_core::directory::{Directory, DirectoryError, Home, RecipientError};
use linker_core::distribution::{UserDistributions, UserRange};
use linker_core::id::{DomainName, UserId};
use linker_core::network::{Domain, LinkDirection, NextHops, Topology};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::distribution_laws::good_ranges;
use crate::strategy::{Network, choices, domain_name, network};

fn apps(isolated: &[bool]) -> Arc<ClientApps> {
    let apps = isolated.iter().enumerate().map(|(number, isolated)| ClientApp {
        app_name: format!("APP{number}").parse().unwrap(),
        app_id: format!("id-{number}"),
        master: None,
        isolated: *isolated,
        auth: AuthMethod::None,
    });
    Arc::new(ClientApps::new(apps.collect()).unwrap())
}

/// Of `APP0` to `APP3`, of which not all are configured.
fn user() -> impl Strategy<Value = UserId> {
    (0..4u8, prop_oneof![0..60u64, 0..1u64 << 63])
        .prop_map(|(app, number)| format!("APP{app}-{number}").parse().unwrap())
}

#[derive(Debug)]
struct World {
    network: Network,
    ranges: Vec<UserRange>,
    isolated: Vec<bool>,
    down: HashSet<LinkDirection>,
}

fn world() -> impl Strategy<Value = World> {
    network()
        .prop_flat_map(|network| {
            let ranges = good_ranges(network.domains.len());
            (Just(network), ranges, vec(any::<bool>(), 1..=3), choices())
        })
        .prop_map(|(network, ranges, isolated, cut)| {
            let cut_links = network.links.iter().zip(cut).filter(|(_, cut)| *cut);
            let down = cut_links
                .map(|(link, _)| LinkDirection {
                    from: link.n1.clone(),
                    to: link.n2.clone(),
                })
                .collect();
            World {
                network,
                ranges,
                isolated,
                down,
            }
        })
}

impl World {
    fn topology(&self) -> Arc<Topology> {
        Arc::new(Topology::new(self.network.domains.clone(), &self.network.links).unwrap())
    }

    fn directory(&self, own: &DomainName) -> Directory {
        let distributions = Arc::new(UserDistributions::new(self.ranges.clone()).unwrap());
        Directory::new(
            own,
            apps(&self.isolated),
            distributions,
            &self.topology(),
            &self.down,
        )
        .unwrap()
    }

    fn home_of(&self, user: &UserId) -> Option<&DomainName> {
        if self.ranges.is_empty() && self.network.domains.len() == 1 {
            return self.network.names().next();
        }
        let has =
            |range: &&UserRange| range.from <= user.number() && range.to.is_none_or(|to| user.number() <= to);
        self.ranges.iter().find(has).map(|range| &range.domain)
    }

    /// PROTOCOL.md, Identity: `UNKNOWN_USER`, `UNKNOWN_DOMAIN`, `FORBIDDEN`, in this order.
    fn refusal(&self, own: &DomainName, from: &UserId, to: &UserId) -> Option<RecipientError> {
        let isolated = |user: &UserId| {
            let name = user.app().as_str();
            (0..self.isolated.len())
                .find(|number| name == format!("APP{number}"))
                .map(|number| self.isolated[number])
        };
        let Some(recipient_isolated) = isolated(to) else {
            return Some(RecipientError::UnknownUser);
        };
        let all_up = NextHops::compute(&self.topology(), own, &HashSet::new()).unwrap();
        if self.home_of(to).and_then(|home| all_up.distance(home)).is_none() {
            return Some(RecipientError::UnknownDomain);
        }
        let crosses = from.app() != to.app();
        let closed = recipient_isolated || isolated(from) == Some(true);
        (crosses && closed).then_some(RecipientError::Forbidden)
    }
}

proptest! {
    #[test]
    fn recipients_are_checked_as_the_protocol_says(world in world(), pairs in vec((user(), user()), 10)) {
        for own in world.network.names() {
            let directory = world.directory(own);
            for (from, to) in &pairs {
                let home = world.home_of(to);
                prop_assert_eq!(directory.home_of(to), home);
                prop_assert_eq!(directory.is_home(to), home == Some(own));
                let expected = match (world.refusal(own, from, to), home) {
                    (Some(refusal), _) => Err(refusal),
                    (None, Some(home)) if home == own => Ok(Home::Here),
                    (None, Some(home)) => {
                        let next_hop = directory.next_hops().next_hop(home);
                        Ok(Home::Away { domain: home, next_hop })
                    }
                    (None, None) => unreachable!("a user without home is refused"),
                };
                prop_assert_eq!(directory.check_recipient(from, to), expected);
            }
        }
    }

    /// A path that is down makes messages wait; it does not make their recipients unknown.
    #[test]
    fn link_states_change_the_way_and_nothing_else(world in world(), pairs in vec((user(), user()), 10)) {
        let own = &world.network.domains[0].name;
        let cut = world.directory(own);
        let whole = cut.with_links_down(&HashSet::new());
        prop_assert_eq!(whole.own_domain(), own);
        for (from, to) in &pairs {
            prop_assert_eq!(cut.home_of(to), whole.home_of(to));
            match (cut.check_recipient(from, to), whole.check_recipient(from, to)) {
                (Ok(Home::Away { domain, next_hop }), Ok(Home::Away { domain: same, next_hop: open })) => {
                    prop_assert_eq!(domain, same);
                    let down = &world.down;
                    let again = whole.with_links_down(down);
                    prop_assert_eq!(next_hop, again.next_hops().next_hop(domain));
                    prop_assert!(open.is_some());
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
    }
}

fn domain_with_url(number: usize) -> Domain {
    Domain {
        ws_urls: vec![format!("ws://host-{number}/ws")],
        ..Domain::named(domain_name(number))
    }
}

#[test]
fn a_domain_on_its_own_is_everybodys_home() {
    let directory = Directory::single(domain_with_url(0), apps(&[false, true]));
    let users = ["APP0-0", "APP0-9223372036854775807", "APP1-5", "APP1-6", "APP2-1"]
        .map(|text| text.parse::<UserId>().unwrap());
    let [first, last, closed, closed_too, unknown] = users;
    assert!(users.iter().all(|user| directory.is_home(user)));
    assert_eq!(directory.check_recipient(&first, &last), Ok(Home::Here));
    assert_eq!(directory.check_recipient(&closed, &closed_too), Ok(Home::Here));
    assert_eq!(
        directory.check_recipient(&closed, &first),
        Err(RecipientError::Forbidden)
    );
    assert_eq!(
        directory.check_recipient(&first, &closed),
        Err(RecipientError::Forbidden)
    );
    assert_eq!(
        directory.check_recipient(&first, &unknown),
        Err(RecipientError::UnknownUser)
    );
    assert_eq!(directory.own_domain(), &domain_name(0));
    assert_eq!(directory.ws_urls(&domain_name(0)), ["ws://host-0/ws"]);
    assert!(directory.ws_urls(&domain_name(1)).is_empty());
    assert_eq!(directory.app_by_id("id-1"), directory.app_of(closed.app()));
    assert_eq!(directory.apps().iter().count(), 2);
}

#[test]
fn parts_that_do_not_fit_make_no_directory() {
    let topology = Arc::new(Topology::new(vec![domain_with_url(0)], &[]).unwrap());
    let make = |own: usize, home: usize| {
        let range = UserRange {
            domain: domain_name(home),
            from: 0,
            to: None,
        };
        let distributions = Arc::new(UserDistributions::new(vec![range]).unwrap());
        Directory::new(
            &domain_name(own),
            apps(&[false]),
            distributions,
            &topology,
            &HashSet::new(),
        )
        .map(|directory| directory.own_domain().clone())
    };
    assert_eq!(make(0, 0), Ok(domain_name(0)));
    assert_eq!(make(1, 0), Err(DirectoryError::OwnDomain(domain_name(1))));
    assert_eq!(make(0, 2), Err(DirectoryError::HomeDomain(domain_name(2))));
}
