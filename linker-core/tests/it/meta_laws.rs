//! Laws of the meta document: what is valid means what it says, and one mistake more is one problem more.

use linker_core::distribution::UserRange;
use linker_core::meta::{
    ClientAppDocument, DistributionDocument, DomainDocument, LinkDocument, MetaDocument,
};
use proptest::prelude::*;

use crate::distribution_laws::good_ranges;
use crate::strategy::{Network, network};

/// A valid document and what it was made from.
fn document() -> impl Strategy<Value = (MetaDocument, Network, Vec<UserRange>)> {
    network()
        .prop_flat_map(|network| {
            let ranges = good_ranges(network.domains.len());
            (Just(network), ranges, 0..5usize)
        })
        .prop_map(|(network, ranges, app_count)| {
            let document = MetaDocument {
                domains: network
                    .names()
                    .map(|name| DomainDocument {
                        name: name.to_string(),
                        urls: vec![format!("ws://{name}"), format!("amqps://{name}/linker")],
                    })
                    .collect(),
                domain_links: network
                    .links
                    .iter()
                    .map(|link| LinkDocument {
                        n1: link.n1.to_string(),
                        n2: link.n2.to_string(),
                        weight: (link.weight != 1).then_some(link.weight),
                    })
                    .collect(),
                client_apps: (0..app_count).map(app).collect(),
                user_distributions: ranges
                    .iter()
                    .map(|range| DistributionDocument {
                        domain_name: range.domain.to_string(),
                        from: Some(range.from),
                        to: range.to,
                    })
                    .collect(),
                ..MetaDocument::default()
            };
            (document, network, ranges)
        })
}

fn app(number: usize) -> ClientAppDocument {
    ClientAppDocument {
        app_name: format!("APP{number}"),
        app_id: format!("id-{number}"),
        master_user_id: Some(format!("APP{number}-1")),
        isolated: Some(number % 2 == 1),
        ..ClientAppDocument::default()
    }
}

/// Adds a mistake that disturbs nothing else, and answers where it is told.
fn add_mistake(document: &mut MetaDocument, kind: u8, round: usize) -> String {
    let own = document.domains[0].name.clone();
    let (domains, links) = (document.domains.len(), document.domain_links.len());
    let (apps, ranges) = (document.client_apps.len(), document.user_distributions.len());
    let link = |n1: &str, n2: &str| LinkDocument {
        n1: n1.to_owned(),
        n2: n2.to_owned(),
        weight: None,
    };
    let fresh = format!("fresh-{round}");
    match kind {
        0 => {
            document.domains.push(document.domains[0].clone());
            format!("domains[{domains}].name")
        }
        1 => {
            let urls = vec!["amqp://guest:guest@h".to_owned()];
            document.domains.push(DomainDocument { name: fresh, urls });
            format!("domains[{domains}].urls[0]")
        }
        2 => {
            document.domain_links.push(link(&fresh, &own));
            format!("domainLinks[{links}].n1")
        }
        3 => {
            document.domain_links.push(link(&own, &own));
            format!("domainLinks[{links}]")
        }
        4 => {
            document.client_apps.push(ClientAppDocument {
                master_user_id: Some("XYZ-1".to_owned()),
                ..app(100 + round)
            });
            format!("clientApps[{apps}].masterUserId")
        }
        5 => {
            let app_id = app(200).app_id;
            document.client_apps.push(app(200));
            document.client_apps.push(ClientAppDocument {
                app_id,
                ..app(300 + round)
            });
            format!("clientApps[{}].appId", apps + 1)
        }
        _ => {
            document.user_distributions.push(DistributionDocument {
                domain_name: own,
                from: Some(2),
                to: Some(1),
            });
            format!("userDistributions[{ranges}].to")
        }
    }
}

proptest! {
    #[test]
    fn a_valid_document_means_what_it_says((document, network, ranges) in document()) {
        let checked = document.validate().unwrap().value;
        prop_assert_eq!(checked.topology.domains().len(), network.domains.len());
        for name in network.names() {
            let domain = checked.topology.domain(name).unwrap();
            prop_assert_eq!(&domain.ws_urls, &[format!("ws://{name}/ws")]);
            prop_assert_eq!(&domain.amqp_urls, &[format!("amqps://{name}/linker")]);
            let mut linked: Vec<_> = network
                .links
                .iter()
                .filter_map(|link| match () {
                    () if link.n1 == *name => Some(&link.n2),
                    () if link.n2 == *name => Some(&link.n1),
                    () => None,
                })
                .collect();
            linked.sort();
            prop_assert_eq!(checked.topology.neighbours(name), linked);
        }
        let mut by_number = ranges;
        by_number.sort_by_key(|range| range.from);
        prop_assert_eq!(checked.distributions.ranges(), by_number);
        for document in &document.client_apps {
            let app = checked.apps.by_id(&document.app_id).unwrap();
            prop_assert_eq!(app.app_name.as_str(), &document.app_name);
            prop_assert_eq!(app.master.map(|master| master.to_string()), document.master_user_id.clone());
            prop_assert_eq!(Some(app.isolated), document.isolated);
        }
    }

    #[test]
    fn documents_travel_as_json((document, _, _) in document()) {
        let json = serde_json::to_string(&document).unwrap();
        prop_assert_eq!(serde_json::from_str::<MetaDocument>(&json).unwrap(), document);
    }

    /// Whatever else is wrong, each mistake is told, and nothing that is right.
    #[test]
    fn every_mistake_is_told(
        (mut document, _, _) in document(),
        kinds in prop::collection::vec(0..7u8, 1..6),
    ) {
        // An app that the fifth kind repeats is itself added by it; once is enough.
        let mut kinds = kinds;
        let mut repeats_an_app = false;
        kinds.retain(|kind| *kind != 5 || !std::mem::replace(&mut repeats_an_app, true));
        let mut expected: Vec<String> = kinds
            .into_iter()
            .enumerate()
            .map(|(round, kind)| add_mistake(&mut document, kind, round))
            .collect();
        let mut told: Vec<String> = document.validate().unwrap_err().into_iter().map(|problem| problem.key).collect();
        expected.sort();
        told.sort();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn any_text_is_checked_without_a_panic(texts in prop::collection::vec("\\PC{0,24}|[a-z]{1,4}://[a-z:@/?#\\[\\]0-9]{0,12}", 8)) {
        let document = MetaDocument {
            domains: vec![DomainDocument { name: texts[0].clone(), urls: texts[1..4].to_vec() }],
            domain_links: vec![LinkDocument { n1: texts[4].clone(), n2: texts[0].clone(), weight: None }],
            client_apps: vec![ClientAppDocument {
                app_name: texts[5].clone(),
                app_id: texts[6].clone(),
                auth_url: Some(texts[7].clone()),
                ..ClientAppDocument::default()
            }],
            ..MetaDocument::default()
        };
        if let Ok(checked) = document.validate() {
            let urls = &checked.value.topology.domains()[0].ws_urls;
            prop_assert!(urls.iter().all(|url| !url.split('/').nth(2).unwrap_or_default().contains('@')));
        }
    }
}
