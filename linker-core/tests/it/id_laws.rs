//! Identities: what is one, what is none, and that each has one text.

use std::collections::HashSet;

use linker_core::id::{
    AppName, DomainName, IdError, MessageId, NodeInstance, NodeName, USER_NUMBER_MAX, UserId,
};
use proptest::prelude::*;

use crate::strategy::{app_name, message_id, user_id, user_number};

proptest! {
    #[test]
    fn user_ids_are_read_as_they_are_shown(app in app_name(), number in user_number()) {
        let user = UserId::new(app, number).unwrap();
        let text = format!("{}-{number}", app.as_str());
        prop_assert_eq!(user.to_string(), &text[..]);
        prop_assert_eq!(text.parse::<UserId>(), Ok(user));
        prop_assert_eq!((*user.app(), user.number()), (app, number));
    }

    /// A text has at most one meaning and a user at most one text, so texts can be compared instead of users.
    #[test]
    fn whatever_is_read_is_shown_as_it_was_written(text in "[A-Z_]{0,3}-{0,2}[0-9]{0,20}[ a]{0,1}") {
        if let Ok(user) = text.parse::<UserId>() {
            prop_assert_eq!(user.to_string(), text);
        }
    }

    #[test]
    fn user_ids_are_what_the_protocol_says(text in any::<String>()) {
        prop_assert_eq!(text.parse::<UserId>().is_ok(), is_user_id(&text));
    }

    #[test]
    fn near_user_ids_are_what_the_protocol_says(text in "([A-Za-z0-9_]{0,34}|[A-Zä .-]{1,4})(-|--|_)?[0-9+-]{0,21}") {
        prop_assert_eq!(text.parse::<UserId>().is_ok(), is_user_id(&text));
    }

    #[test]
    fn app_names_are_what_the_protocol_says(text in "[A-Za-z0-9_ä -]{0,34}") {
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match text.parse::<AppName>() {
            Ok(name) => prop_assert!(fits && name.as_str() == text),
            Err(error) => prop_assert!(!fits && error == IdError::AppName),
        }
    }

    #[test]
    fn domain_and_node_names_are_kept_as_written(text in "[A-Za-z0-9._/ -]{0,130}") {
        let fits = (1..=128).contains(&text.len()) && !text.contains(['/', ' ']);
        prop_assert_eq!(text.parse::<DomainName>().ok().map(|name| name.to_string()), fits.then(|| text.clone()));
        prop_assert_eq!(text.parse::<NodeName>().ok().map(|name| name.to_string()), fits.then_some(text));
    }

    #[test]
    fn message_ids_are_read_as_they_are_shown(id in message_id()) {
        prop_assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
        prop_assert_eq!(MessageId::from_bytes(*id.as_bytes()), id);
        let mut buffer = [0; 36];
        let text: &str = id.encode(&mut buffer);
        prop_assert_eq!(text, id.to_string());
    }

    /// What is made later sorts later, and it is a UUIDv7 (RFC 9562): version 7, the time in its first 48 bits.
    #[test]
    fn new_message_ids_are_uuids_of_version_7(ms in 0..1u64 << 48, random in any::<[u8; 10]>()) {
        let id = MessageId::new(ms, random);
        prop_assert_eq!(&id.as_bytes()[..6], &ms.to_be_bytes()[2..]);
        prop_assert_eq!(id.as_bytes()[6] >> 4, 7);
        prop_assert_eq!(id.as_bytes()[8] >> 6, 0b10);
        if ms > 0 {
            prop_assert!(MessageId::new(ms - 1, [255; 10]) < id);
        }
    }

    #[test]
    fn ids_travel_as_json_texts(user in user_id(), id in message_id()) {
        let json = serde_json::to_string(&(user, id)).unwrap();
        prop_assert_eq!(&json, &format!("[\"{user}\",\"{id}\"]"));
        prop_assert_eq!(serde_json::from_str::<(UserId, MessageId)>(&json).unwrap(), (user, id));
    }

    #[test]
    fn different_users_are_not_equal(users in proptest::collection::vec(user_id(), 0..20)) {
        let texts: HashSet<String> = users.iter().map(UserId::to_string).collect();
        let distinct: HashSet<UserId> = users.into_iter().collect();
        prop_assert_eq!(texts.len(), distinct.len());
    }
}

/// PROTOCOL.md, Identity, word by word.
fn is_user_id(text: &str) -> bool {
    let Some((app, number)) = text.split_once('-') else {
        return false;
    };
    let app_fits = (1..=32).contains(&app.chars().count())
        && app
            .chars()
            .all(|c| matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_'));
    let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let no_leading_zero = number == "0" || !number.starts_with('0');
    let in_range = number
        .parse::<u128>()
        .is_ok_and(|number| number <= u128::from(USER_NUMBER_MAX));
    app_fits && digits && no_leading_zero && in_range
}

#[test]
fn the_edges_of_user_ids() {
    let longest = format!("{}-9223372036854775807", "a".repeat(32));
    for good in ["ANZ-0", "ANZ-123223", "_-1", "0-0", &longest] {
        assert_eq!(good.parse::<UserId>().unwrap().to_string(), good);
    }
    let too_long = format!("{}-1", "a".repeat(33));
    for bad in [
        "",
        "-",
        "ANZ",
        "ANZ-",
        "-1",
        "ANZ-01",
        "ANZ-00",
        "ANZ--1",
        "ANZ-+1",
        "ANZ-1 ",
        " ANZ-1",
        "ANZ-1-2",
        "A.Z-1",
        "ÄNZ-1",
        "ANZ-١",
        "ANZ-9223372036854775808",
        "ANZ-18446744073709551616",
        "ANZ-99999999999999999999999999",
        &too_long,
    ] {
        assert_eq!(bad.parse::<UserId>(), Err(IdError::UserId), "{bad:?}");
    }
    let app = "ANZ".parse().unwrap();
    assert_eq!(UserId::new(app, USER_NUMBER_MAX + 1), Err(IdError::UserId));
}

proptest! {
    /// A node's name may hold dots and dashes; whatever it is, its instance is read back from its text.
    #[test]
    fn a_node_instance_is_read_back_from_its_text(name in "[A-Za-z0-9._-]{1,128}", incarnation: u64) {
        let instance = NodeInstance { name: name.parse().unwrap(), incarnation };
        prop_assert_eq!(instance.to_string().parse::<NodeInstance>(), Ok(instance));
    }
}

#[test]
fn what_is_not_a_node_instance_is_refused() {
    for text in [
        "",
        "node",
        "node~",
        "node~1",
        "~0123456789abcdef",
        "node~0123456789ABCDEF",
        "node~0123456789abcdef0",
        "no de~0123456789abcdef",
    ] {
        assert_eq!(text.parse::<NodeInstance>(), Err(IdError::Name), "{text}");
    }
}
