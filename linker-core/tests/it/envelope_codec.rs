//! Bytes of envelopes: what is written is read, what was written years ago still is, and nothing that arrives makes it panic.

use bytes::{Bytes, BytesMut};
use linker_core::envelope::{
    Envelope, EnvelopeDecodeError, Feature, HEAD_LEN_MAX, Kind, Trail, decode, decode_head, encode,
};
use linker_core::id::MessageId;
use linker_core::limit::HOPS_MAX;
use proptest::prelude::*;

use crate::strategy::{domain_name, message_id, path, user_id};

const GOLDEN: &str = include_str!("../golden/envelope_v1.txt");
const GOLDEN_TRAIL: &str = include_str!("../golden/envelope_v2.txt");
const VERSION_AT: usize = 0;
const FLAGS_AT: usize = 1;
const KIND_AT: usize = 2;

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Message),
        Just(Kind::GroupMessage),
        Just(Kind::Confirmation),
        Just(Kind::Read),
        Just(Kind::UserConnected),
        Just(Kind::UserDisconnected),
        Just(Kind::Refusal),
        Just(Kind::Upstream),
        Just(Kind::UpstreamEvent),
    ]
}

/// 1 to 256 bytes.
pub(crate) fn reference() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[ -~]{1,256}", "\\PC{1,64}", Just("r".repeat(256))].prop_map(String::into_boxed_str)
}

fn trail() -> impl Strategy<Value = Box<Trail>> {
    (path(), proptest::option::of(message_id())).prop_map(|(path, after)| Box::new(Trail { path, after }))
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    (
        (message_id(), kind(), any::<bool>(), user_id(), user_id()),
        (
            proptest::option::of(reference()),
            any::<bool>(),
            any::<u64>(),
            any::<String>(),
            proptest::option::of(trail()),
        ),
    )
        .prop_map(
            |((id, kind, fast, from, to), (reference, confirm, timestamp_ms, content, trail))| Envelope {
                id,
                kind,
                feature: if fast { Feature::Fast } else { Feature::Reliable },
                from,
                to,
                confirm: confirm && reference.is_some(),
                reference,
                timestamp_ms,
                content: content.into(),
                trail,
            },
        )
}

fn bytes_of(envelope: &Envelope) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(envelope, &mut out);
    out.to_vec()
}

fn read(bytes: impl Into<Vec<u8>>) -> Result<Envelope, EnvelopeDecodeError> {
    decode(Bytes::from(bytes.into()))
}

proptest! {
    #[test]
    fn what_is_written_is_read(envelope in envelope()) {
        prop_assert_eq!(read(bytes_of(&envelope)), Ok(envelope));
    }

    #[test]
    fn its_head_is_all_but_content_and_trail(envelope in envelope()) {
        let mut bytes = bytes_of(&envelope);
        bytes.truncate(HEAD_LEN_MAX);
        let head = Envelope { content: Bytes::new(), trail: None, ..envelope };
        prop_assert_eq!(decode_head(Bytes::from(bytes)), Ok(head));
    }

    #[test]
    fn envelopes_are_appended_to_what_is_there(envelope in envelope(), before in any::<Vec<u8>>()) {
        let mut out = BytesMut::from(&before[..]);
        encode(&envelope, &mut out);
        prop_assert_eq!(&out[..before.len()], &before[..]);
        prop_assert_eq!(&out[before.len()..], &bytes_of(&envelope)[..]);
    }

    /// A newer writer may append parts. The first version has no trail, all later ones have it first.
    #[test]
    fn what_follows_is_ignored(
        envelope in envelope(),
        trail in trail(),
        version in 2..=u8::MAX,
        after in any::<Vec<u8>>(),
    ) {
        let first = Envelope { trail: None, ..envelope };
        let later = Envelope { trail: Some(trail), ..first.clone() };
        let mut bytes = bytes_of(&first);
        prop_assert_eq!(bytes[VERSION_AT], 1, "a node that knows no trail can read it");
        bytes.extend(&after);
        prop_assert_eq!(read(bytes), Ok(first.clone()));
        let mut bytes = bytes_of(&later);
        prop_assert_eq!(bytes[VERSION_AT], 2);
        bytes.extend(&after);
        bytes[VERSION_AT] = version;
        prop_assert_eq!(read(&bytes[..]), Ok(later));
        // As a node that knows no trail reads it.
        bytes[VERSION_AT] = 1;
        prop_assert_eq!(read(bytes), Ok(first));
    }

    #[test]
    fn a_trail_is_never_left_out_from_the_second_version_on(envelope in envelope(), version in 2..=u8::MAX) {
        let mut bytes = bytes_of(&Envelope { trail: None, ..envelope });
        bytes[VERSION_AT] = version;
        prop_assert_eq!(read(bytes), Err(EnvelopeDecodeError::Truncated));
    }

    /// Whatever stands where the trail is to be, it is a trail, or refused.
    #[test]
    fn noise_for_a_trail_never_panics(envelope in envelope(), noise in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = bytes_of(&Envelope { trail: None, ..envelope });
        bytes[VERSION_AT] = 2;
        bytes.extend(&noise);
        match read(bytes) {
            Ok(read_as) => {
                let path = &read_as.trail.as_ref().unwrap().path;
                prop_assert!(path.len() <= noise.len() / 2);
                prop_assert_eq!(read(bytes_of(&read_as)), Ok(read_as));
            }
            Err(error) => {
                let refused = [EnvelopeDecodeError::Truncated, EnvelopeDecodeError::Malformed("path")];
                prop_assert!(refused.contains(&error));
            }
        }
    }

    #[test]
    fn cut_off_anywhere_it_is_truncated(envelope in envelope()) {
        let bytes = bytes_of(&envelope);
        for len in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..len]), Err(EnvelopeDecodeError::Truncated), "{} bytes", len);
        }
    }

    #[test]
    fn unknown_flags_are_refused(envelope in envelope(), unknown in 1..32u8) {
        let mut bytes = bytes_of(&envelope);
        bytes[FLAGS_AT] |= unknown << 3;
        let flags = bytes[FLAGS_AT];
        prop_assert_eq!(read(bytes), Err(EnvelopeDecodeError::Flags(flags)));
    }

    #[test]
    fn unknown_kinds_are_refused(envelope in envelope(), kind in prop_oneof![Just(0), 10..=u8::MAX]) {
        let mut bytes = bytes_of(&envelope);
        bytes[KIND_AT] = kind;
        prop_assert_eq!(read(bytes), Err(EnvelopeDecodeError::Kind(kind)));
    }

    #[test]
    fn version_0_is_refused(envelope in envelope()) {
        let mut bytes = bytes_of(&envelope);
        bytes[VERSION_AT] = 0;
        prop_assert_eq!(read(bytes), Err(EnvelopeDecodeError::Version(0)));
    }

    #[test]
    fn content_that_is_not_utf8_is_refused(mut envelope in envelope(), bad in 0x80..=0xffu8) {
        envelope.content = Bytes::from(vec![b'"', bad, b'"']);
        prop_assert_eq!(read(bytes_of(&envelope)), Err(EnvelopeDecodeError::Malformed("content")));
    }

    /// One changed byte makes an error or another envelope, which is then written as it was read.
    #[test]
    fn damage_never_panics(envelope in envelope(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = bytes_of(&envelope);
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(other) = read(&bytes[..]) {
            let mut again = bytes_of(&other);
            again[VERSION_AT] = bytes[VERSION_AT];
            if bytes[VERSION_AT] == 1 {
                prop_assert!(bytes.starts_with(&again));
            }
            prop_assert_eq!(read(again), Ok(other));
        }
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(envelope) = read(bytes) {
            prop_assert_eq!(read(bytes_of(&envelope)), Ok(envelope));
        }
    }
}

/// Found by fuzzing: a longer one would be cut off in the head of a row, and the row could not be read.
#[test]
fn a_reference_has_1_to_256_bytes() {
    for (length, allowed) in [(0, false), (1, true), (256, true), (257, false)] {
        let envelope = Envelope {
            reference: Some("r".repeat(length).into()),
            ..plain()
        };
        let bytes = bytes_of(&envelope);
        let head = decode_head(Bytes::copy_from_slice(&bytes[..bytes.len().min(HEAD_LEN_MAX)]));
        let expected = match allowed {
            true => Ok(envelope),
            false => Err(EnvelopeDecodeError::Malformed("reference")),
        };
        assert_eq!(head, expected);
        assert_eq!(read(bytes), expected);
    }
}

/// What all envelopes of the golden file start from.
fn plain() -> Envelope {
    Envelope {
        id: MessageId::from_bytes(0x0192f0c1_7a00_7abc_8def_0123456789ab_u128.to_be_bytes()),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: "ANZ-1".parse().unwrap(),
        to: "ANZ-2".parse().unwrap(),
        reference: None,
        confirm: false,
        timestamp_ms: 0,
        content: Bytes::new(),
        trail: None,
    }
}

/// The envelopes of the golden file, by name.
pub(crate) fn golden_envelope(name: &str) -> Envelope {
    let plain = plain();
    let back = |kind, reference: &str, timestamp_ms| Envelope {
        kind,
        from: "ANZ-2".parse().unwrap(),
        to: "ANZ-1".parse().unwrap(),
        reference: Some(reference.into()),
        timestamp_ms,
        ..plain.clone()
    };
    let event = |kind, timestamp_ms| Envelope {
        kind,
        from: "ANZ-7".parse().unwrap(),
        to: "ANZ-123223".parse().unwrap(),
        timestamp_ms,
        ..plain.clone()
    };
    match name {
        "reliable_with_reference" => Envelope {
            from: "ANZ-123223".parse().unwrap(),
            to: "ANZ-1232121".parse().unwrap(),
            reference: Some("abc123".into()),
            confirm: true,
            timestamp_ms: 1_730_000_000_000,
            content: Bytes::from_static(br#""some thing here to send""#),
            ..plain
        },
        "reliable_unconfirmed" => Envelope {
            to: "XYZ_9-9223372036854775807".parse().unwrap(),
            reference: Some("a".into()),
            timestamp_ms: 1,
            content: Bytes::from_static("{\"n\":1.10,\"ä\":\"ß\"}".as_bytes()),
            ..plain
        },
        "fast_without_reference" => Envelope {
            feature: Feature::Fast,
            from: "a-0".parse().unwrap(),
            to: "b-0".parse().unwrap(),
            timestamp_ms: u64::MAX,
            content: Bytes::from_static(b"null"),
            ..plain
        },
        "fast_with_reference" => Envelope {
            feature: Feature::Fast,
            reference: Some("r".repeat(256).into()),
            confirm: true,
            timestamp_ms: 1_730_000_000_001,
            content: Bytes::from_static(b"[]"),
            ..plain
        },
        "group_message" => Envelope {
            kind: Kind::GroupMessage,
            to: "ANZ-1".parse().unwrap(),
            timestamp_ms: 1_730_000_000_002,
            content: Bytes::from_static(b"0"),
            ..plain
        },
        "confirmation" => back(Kind::Confirmation, "abc123", 1_730_000_000_003),
        "read" => back(Kind::Read, "ü", 1_730_000_000_004),
        "user_connected" => event(Kind::UserConnected, 1_730_000_000_005),
        "user_disconnected" => event(Kind::UserDisconnected, 1_730_000_000_006),
        "refusal" => Envelope {
            content: Bytes::from_static(br#"{"code":"INBOX_FULL","message":"full"}"#),
            ..back(Kind::Refusal, "abc123", 1_730_000_000_007)
        },
        "upstream" => Envelope {
            kind: Kind::Upstream,
            to: "_linker_upstream-1".parse().unwrap(),
            reference: Some("abc123".into()),
            confirm: true,
            timestamp_ms: 1_730_000_000_008,
            content: Bytes::from_static(br#"{"type":"order.created","content":1}"#),
            ..plain
        },
        "upstream_event" => Envelope {
            kind: Kind::UpstreamEvent,
            to: "_linker_upstream-1".parse().unwrap(),
            timestamp_ms: 1_730_000_000_009,
            content: Bytes::from_static(br#"{"event":"connected","node":"n","userId":"ANZ-1"}"#),
            ..plain
        },
        "first_domain_left" => Envelope {
            trail: trail_of(&["berlin"], None),
            ..golden_envelope("reliable_with_reference")
        },
        "several_domains_left_after_another_message" => Envelope {
            trail: trail_of(&["berlin", "A.b_c-9", "berlin"], Some(0xaa)),
            ..golden_envelope("reliable_with_reference")
        },
        "fast_with_trail" => Envelope {
            trail: trail_of(&["x".repeat(128).as_str()], None),
            ..golden_envelope("fast_without_reference")
        },
        "confirmation_with_trail" => Envelope {
            trail: trail_of(&["z", "y"], Some(0)),
            ..golden_envelope("confirmation")
        },
        unknown => panic!("the golden file has {unknown}, this test does not"),
    }
}

fn trail_of(path: &[&str], after: Option<u8>) -> Option<Box<Trail>> {
    Some(Box::new(Trail {
        path: path.iter().map(|name| name.parse().unwrap()).collect(),
        after: after.map(|last| {
            let id = 0x0192f0c1_79ff_7abc_8def_012345678900_u128 | u128::from(last);
            MessageId::from_bytes(id.to_be_bytes())
        }),
    }))
}

/// How many lines have kept their meaning.
fn check_golden(golden: &str) -> usize {
    let mut seen = 0;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let envelope = golden_envelope(name);
        assert_eq!(
            read(&bytes[..]).as_ref(),
            Ok(&envelope),
            "{name} is read differently"
        );
        assert_eq!(bytes_of(&envelope), bytes, "{name} is written differently");
        seen += 1;
    }
    seen
}

#[test]
fn bytes_written_by_the_first_version_keep_their_meaning() {
    assert_eq!(check_golden(GOLDEN), 12);
}

#[test]
fn bytes_written_by_the_second_version_keep_their_meaning() {
    assert_eq!(check_golden(GOLDEN_TRAIL), 4);
}

#[test]
fn of_a_path_that_is_too_long_the_newest_domains_are_written() {
    let path: Vec<_> = (0..HOPS_MAX + 3).map(domain_name).collect();
    let envelope = Envelope {
        trail: Some(Box::new(Trail {
            path: path.clone(),
            after: None,
        })),
        ..plain()
    };
    let read = read(bytes_of(&envelope)).unwrap();
    assert_eq!(read.trail.unwrap().path, path[3..]);
}
