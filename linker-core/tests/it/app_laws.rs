//! Client apps: found by name and by id, and told apart.

use linker_core::app::{AppFault, AuthMethod, ClientApp, ClientApps, JwtAlgorithm};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names and ids from few, so that they repeat often.
pub(crate) fn client_app() -> impl Strategy<Value = ClientApp> {
    (
        0..6u8,
        0..6u8,
        proptest::option::of((0..6u8, 0..50u64)),
        any::<bool>(),
    )
        .prop_map(|(name, id, master, isolated)| ClientApp {
            app_name: format!("APP{name}").parse().unwrap(),
            app_id: format!("id-{id}"),
            master: master.map(|(app, number)| format!("APP{app}-{number}").parse().unwrap()),
            isolated,
            auth: AuthMethod::None,
        })
}

proptest! {
    #[test]
    fn apps_are_found_by_name_and_by_id_or_every_fault_is_told(apps in vec(client_app(), 0..6)) {
        let mut expected = Vec::new();
        for (index, app) in apps.iter().enumerate() {
            if apps[..index].iter().any(|other| other.app_name == app.app_name) {
                expected.push((index, AppFault::RepeatedName(app.app_name)));
            }
            if apps[..index].iter().any(|other| other.app_id == app.app_id) {
                expected.push((index, AppFault::RepeatedId(app.app_id.clone())));
            }
            if let Some(master) = app.master.filter(|master| *master.app() != app.app_name) {
                expected.push((index, AppFault::ForeignMaster { master, app: app.app_name }));
            }
        }
        match ClientApps::new(apps.clone()) {
            Ok(found) => {
                prop_assert!(expected.is_empty());
                prop_assert!(found.iter().map(AsRef::as_ref).eq(&apps));
                for app in &apps {
                    prop_assert_eq!(found.by_name(&app.app_name).map(AsRef::as_ref), Some(app));
                    prop_assert_eq!(found.by_id(&app.app_id).map(AsRef::as_ref), Some(app));
                    prop_assert!(app.master.is_none_or(|master| app.is_master(&master)));
                }
                prop_assert_eq!(found.by_id("id-9"), None);
                prop_assert_eq!(found.by_name(&"APP9".parse().unwrap()), None);
            }
            Err(problems) => {
                let told: Vec<_> = problems.into_iter().map(|problem| (problem.index, problem.fault)).collect();
                prop_assert_eq!(told, expected);
            }
        }
    }
}

#[test]
fn an_app_id_has_1_to_256_bytes() {
    for (len, fits) in [(0, false), (1, true), (256, true), (257, false)] {
        let app = ClientApp {
            app_name: "ANZ".parse().unwrap(),
            app_id: "x".repeat(len),
            master: None,
            isolated: false,
            auth: AuthMethod::None,
        };
        let told = ClientApps::new(vec![app])
            .err()
            .map(|problems| problems[0].fault.clone());
        assert_eq!(told, (!fits).then_some(AppFault::IdLength(len)));
    }
}

#[test]
fn an_unknown_algorithm_is_refused_with_all_that_are_known() {
    for name in ["none", "hs256", "ES512", ""] {
        let text = name.parse::<JwtAlgorithm>().unwrap_err().to_string();
        for algorithm in JwtAlgorithm::ALL {
            assert!(text.contains(algorithm.as_str()), "{text}");
        }
    }
}
