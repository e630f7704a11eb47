//! What nodes say to each other: what is written is read, by the version before and after too, and nothing that arrives makes it panic.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linker_core::bus::{
    Batch, BatchDecodeError, BatchNumber, BatchWriter, BusFrame, FrameDecodeError, GroupDelivery,
    GroupRecipient, decode_batch,
};
use linker_core::custody::Ticket;
use linker_core::envelope::{Envelope, EnvelopeDecodeError, Feature, Kind, Trail};
use linker_core::id::{DomainName, MessageId, NodeInstance, SessionId};
use linker_core::network::LinkState;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::envelope_codec::{envelope, kind, reference};
use crate::strategy::{any_domain_name, message_id, path, user_id};

const GOLDEN: &str = include_str!("../golden/bus_v1.txt");
const VERSION_AT: usize = 4;
const FLOOR_AT: usize = 5;
const HEADER_AT: usize = 8;
/// The first type of frame that is not known.
const UNKNOWN: u8 = 15;

fn ticket() -> impl Strategy<Value = Ticket> {
    any::<(u16, u32, u32)>().prop_map(|(shard, slot, generation)| Ticket {
        shard,
        slot,
        generation,
    })
}

fn group() -> impl Strategy<Value = GroupDelivery> {
    let recipient = (user_id(), message_id(), option::of(ticket()));
    let recipient = recipient.prop_map(|(to, id, ticket)| GroupRecipient { to, id, ticket });
    (
        (kind(), any::<bool>(), user_id(), option::of(reference())),
        (any::<u64>(), any::<String>(), vec(recipient, 0..20)),
    )
        .prop_map(
            |((kind, fast, from, reference), (timestamp_ms, content, recipients))| GroupDelivery {
                kind,
                feature: if fast { Feature::Fast } else { Feature::Reliable },
                from,
                reference,
                timestamp_ms,
                content: content.into(),
                recipients,
            },
        )
}

fn link_state() -> impl Strategy<Value = LinkState> {
    let down = vec(any_domain_name(), 0..6);
    (any_domain_name(), any::<u64>(), any::<u64>(), down).prop_map(|(domain, number, age_ms, down)| {
        LinkState {
            domain,
            number,
            age_ms,
            down,
        }
    })
}

fn frame() -> impl Strategy<Value = BusFrame> {
    let tickets = || vec(ticket(), 0..20);
    prop_oneof![
        4 => (option::of(ticket()), envelope()).prop_map(|(ticket, envelope)| {
            BusFrame::Deliver { ticket, envelope: Arc::new(envelope) }
        }),
        4 => group().prop_map(BusFrame::DeliverGroup),
        1 => vec((ticket(), message_id()), 0..20).prop_map(|tickets| BusFrame::Proven { tickets }),
        1 => tickets().prop_map(|tickets| BusFrame::NotHere { tickets }),
        1 => (ticket(), ticket(), any::<bool>()).prop_map(|(ticket, guest, replaying)| BusFrame::Behind { ticket, guest, replaying }),
        1 => any::<u64>().prop_map(|epoch| BusFrame::Restart { epoch }),
        1 => vec(message_id(), 0..20).prop_map(|ids| BusFrame::Finish { ids }),
        1 => tickets().prop_map(|guests| BusFrame::Stored { guests }),
        1 => tickets().prop_map(|guests| BusFrame::Dismiss { guests }),
        1 => vec((ticket(), message_id()), 0..20).prop_map(|tickets| BusFrame::Ask { tickets }),
        1 => (user_id(), option::of(any::<u64>()), any::<u16>()).prop_map(|(user, session, code)| {
            BusFrame::Close { user, session: session.map(SessionId), code }
        }),
        1 => vec(user_id(), 0..20).prop_map(|users| BusFrame::Rescan { users }),
        1 => (user_id(), user_id(), option::of(reference()), path()).prop_map(|(user, master, reference, path)| {
            BusFrame::CloseAway { user, master, reference, path }
        }),
        1 => (any_domain_name(), vec(link_state(), 0..6)).prop_map(|(from, states)| BusFrame::LinkStates { from, states }),
    ]
}

fn node() -> impl Strategy<Value = NodeInstance> {
    ("[A-Za-z0-9._-]{1,128}", any::<u64>()).prop_map(|(name, incarnation)| NodeInstance {
        name: name.parse().unwrap(),
        incarnation,
    })
}

fn batch_of(sender: &NodeInstance, frames: &[BusFrame]) -> Bytes {
    let mut writer = BatchWriter::new(sender);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.take()
}

fn good(sender: NodeInstance, frames: Vec<BusFrame>) -> Batch {
    Batch {
        sender,
        number: None,
        frames,
        unknown: 0,
        broken: 0,
        first_broken: None,
    }
}

/// One frame's bytes: what is behind those of an empty batch.
fn bytes_of(frame: &BusFrame) -> Vec<u8> {
    let sender = "n~0000000000000000".parse().unwrap();
    let batch = batch_of(&sender, std::slice::from_ref(frame));
    batch[HEADER_AT + 1 + 1 + 8..].to_vec()
}

/// A frame of any type and with any body.
fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A batch of raw frames.
fn raw_batch(frames: impl IntoIterator<Item = Vec<u8>>) -> Bytes {
    let mut bytes = b"LBUS\x01\x01\0\x0a\x01n\0\0\0\0\0\0\0\0".to_vec();
    frames.into_iter().for_each(|frame| bytes.extend(frame));
    bytes.into()
}

proptest! {
    #[test]
    fn what_is_written_is_read(sender in node(), frames in vec(frame(), 1..10)) {
        prop_assert_eq!(decode_batch(batch_of(&sender, &frames)), Ok(good(sender, frames)));
    }

    #[test]
    fn a_writer_begins_anew_after_each_batch(sender in node(), first in vec(frame(), 1..5), second in vec(frame(), 1..5)) {
        let mut writer = BatchWriter::new(&sender);
        for frames in [first, second] {
            prop_assert!(writer.is_empty());
            prop_assert_eq!(writer.len(), 0, "nothing of the last one is left");
            frames.iter().for_each(|frame| writer.push(frame));
            prop_assert_eq!(writer.frames(), frames.len());
            let len = writer.len();
            let batch = writer.take();
            prop_assert_eq!(batch.len(), len);
            prop_assert_eq!(decode_batch(batch), Ok(good(sender.clone(), frames)));
        }
        prop_assert!(writer.take().is_empty());
    }

    /// As a newer node may send them: types that are not known, parts after the known ones, in the header too.
    #[test]
    fn what_a_newer_node_adds_is_passed_over(
        sender in node(),
        version in 1..=u8::MAX,
        header in vec(any::<u8>(), 0..40),
        frames in vec((frame(), vec(any::<u8>(), 0..40)), 0..6),
        unknown in vec((UNKNOWN..=u8::MAX, vec(any::<u8>(), 0..40)), 0..6),
    ) {
        let known: Vec<BusFrame> = frames.iter().map(|(frame, _)| frame.clone()).collect();
        let mut writer = BatchWriter::new(&sender);
        writer.begin_epoch(7);
        writer.push(&BusFrame::Rescan { users: vec![] });
        let written = writer.take();
        let header_len = HEADER_AT + 1 + sender.name.as_str().len() + 8 + 16;
        let mut bytes = written[..header_len].to_vec();
        bytes.extend(&header);
        bytes[VERSION_AT] = version;
        let length = (header_len - HEADER_AT + header.len()) as u16;
        bytes[HEADER_AT - 2..HEADER_AT].copy_from_slice(&length.to_be_bytes());
        let mut skipped = unknown.iter();
        for (frame, after) in &frames {
            if let Some((kind, body)) = skipped.next() {
                bytes.extend(raw(*kind, body));
            }
            let mut body = bytes_of(frame).split_off(5);
            body.extend(after);
            bytes.extend(raw(bytes_of(frame)[0], &body));
        }
        for (kind, body) in skipped {
            bytes.extend(raw(*kind, body));
        }
        let number = Some(BatchNumber { epoch: 7, number: 0 });
        let expected = Batch { number, unknown: unknown.len(), ..good(sender, known) };
        prop_assert_eq!(decode_batch(bytes.into()), Ok(expected));
    }

    #[test]
    fn what_would_be_misunderstood_is_refused_by_name(sender in node(), frames in vec(frame(), 1..4), floor in 2..=u8::MAX) {
        let mut bytes = batch_of(&sender, &frames).to_vec();
        bytes[VERSION_AT] = u8::MAX;
        bytes[FLOOR_AT] = floor;
        let refused = decode_batch(bytes.into());
        prop_assert_eq!(refused, Err(BatchDecodeError::Incompatible { sender, version: u8::MAX, floor }));
    }

    /// Cut off anywhere, the frames before the cut are read.
    #[test]
    fn cut_off_anywhere_the_whole_frames_are_read(sender in node(), frames in vec(frame(), 1..4)) {
        let bytes = batch_of(&sender, &frames);
        let header = HEADER_AT + 1 + sender.name.as_str().len() + 8;
        for len in 0..header {
            prop_assert_eq!(decode_batch(bytes.slice(..len)), Err(BatchDecodeError::Truncated), "{} bytes", len);
        }
        let mut ends = vec![header];
        for frame in &frames {
            ends.push(ends.last().unwrap() + bytes_of(frame).len());
        }
        for len in header..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= len).count() - 1;
            let batch = decode_batch(bytes.slice(..len)).unwrap();
            prop_assert_eq!(&batch.frames[..], &frames[..whole], "{} bytes", len);
            prop_assert_eq!(batch.broken, usize::from(!ends.contains(&len)), "{} bytes", len);
        }
    }

    /// A body that ends too early breaks its own frame and no other.
    #[test]
    fn a_body_cut_off_breaks_only_its_frame(first in frame(), cut in frame(), last in frame(), at in any::<prop::sample::Index>()) {
        let whole = bytes_of(&cut);
        let body = &whole[5..5 + at.index(whole.len() - 5)];
        let batch = raw_batch([bytes_of(&first), raw(whole[0], body), bytes_of(&last)]);
        let batch = decode_batch(batch).unwrap();
        prop_assert_eq!(batch.frames, [first, last]);
        prop_assert_eq!(batch.broken, 1);
        let broken = batch.first_broken.unwrap();
        prop_assert_eq!(broken.frame, whole[0]);
        let reasons = [FrameDecodeError::Truncated, FrameDecodeError::Envelope(EnvelopeDecodeError::Truncated)];
        prop_assert!(reasons.contains(&broken.reason));
    }

    #[test]
    fn damage_never_panics(frames in vec(frame(), 1..4), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let sender = "n~0000000000000001".parse().unwrap();
        let mut bytes = batch_of(&sender, &frames).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(batch) = decode_batch(bytes.into()) {
            let again = batch_of(&batch.sender, &batch.frames);
            if !batch.frames.is_empty() {
                prop_assert_eq!(decode_batch(again), Ok(good(batch.sender, batch.frames)));
            }
        }
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..256)) {
        let known = decode_batch(Bytes::from(bytes.clone()));
        prop_assert!(known.is_err(), "four bytes of noise are no magic");
        let _ = decode_batch(raw_batch([bytes]));
    }

    #[test]
    fn noise_in_a_frame_never_panics(kind in 0..=UNKNOWN, body in vec(any::<u8>(), 0..256), next in frame()) {
        let batch = decode_batch(raw_batch([raw(kind, &body), bytes_of(&next)])).unwrap();
        prop_assert_eq!(batch.frames.last(), Some(&next));
        prop_assert_eq!(batch.frames.len() + batch.broken + batch.unknown, 2);
    }
}

fn sender() -> NodeInstance {
    "connector-01~0123456789abcdef".parse().unwrap()
}

fn reason(frame: Vec<u8>) -> FrameDecodeError {
    let batch = decode_batch(raw_batch([frame])).unwrap();
    assert_eq!((batch.frames.len(), batch.broken), (0, 1));
    batch.first_broken.unwrap().reason
}

#[test]
fn something_else_is_no_batch() {
    let noise: [&'static [u8]; 3] = [b"AMQP\0\0\x09\x01", b"{}", b"LBUX\x01\x01\0\0"];
    for bytes in noise {
        let read = decode_batch(Bytes::from_static(bytes));
        assert_eq!(read, Err(BatchDecodeError::Foreign));
    }
    assert_eq!(decode_batch(Bytes::new()), Err(BatchDecodeError::Truncated));
}

#[test]
fn a_batch_needs_a_sender() {
    let headers: [&[u8]; 4] = [b"", b"\x00\0\0\0\0\0\0\0\0", b"\x01/\0\0\0\0\0\0\0\0", b"\xffn"];
    for header in headers {
        let mut bytes = b"LBUS\x01\x01".to_vec();
        bytes.extend((header.len() as u16).to_be_bytes());
        bytes.extend(header);
        assert_eq!(
            decode_batch(bytes.into()),
            Err(BatchDecodeError::Sender),
            "{header:?}"
        );
    }
}

#[test]
fn unknown_flags_keep_a_frame_from_being_carried_out() {
    let close = BusFrame::Close {
        user: "ANZ-1".parse().unwrap(),
        session: None,
        code: 4009,
    };
    let close_away = golden_frames("close_away").remove(0);
    for frame in [
        deliver(),
        close,
        close_away,
        BusFrame::DeliverGroup(group_of_two()),
    ] {
        let mut bytes = bytes_of(&frame);
        bytes[5] |= 0x80;
        assert_eq!(reason(bytes.clone()), FrameDecodeError::Flags(bytes[5]));
    }
}

#[test]
fn counts_beyond_what_came_in_reserve_nothing() {
    for kind in [3, 4, 6, 7, 8, 10, 11] {
        assert_eq!(reason(raw(kind, &[0xff; 4])), FrameDecodeError::Truncated);
    }
    let empty = GroupDelivery {
        recipients: vec![],
        ..group_of_two()
    };
    let domain = || "a".parse().unwrap();
    let no_states = BusFrame::LinkStates {
        from: domain(),
        states: vec![],
    };
    let none_down = BusFrame::LinkStates {
        from: domain(),
        states: vec![LinkState {
            domain: domain(),
            number: 1,
            age_ms: 0,
            down: vec![],
        }],
    };
    let no_path = golden_frames("close_away_unanswered").remove(0);
    for frame in [BusFrame::DeliverGroup(empty), no_path, no_states, none_down] {
        let mut bytes = bytes_of(&frame);
        let count_at = bytes.len() - 4;
        bytes[count_at..].copy_from_slice(&[0xff; 4]);
        assert_eq!(reason(bytes), FrameDecodeError::Truncated);
    }
}

#[test]
fn a_message_that_cannot_be_read_says_why() {
    let mut bytes = bytes_of(&deliver());
    // Type, length, flags, ticket, the envelope's length, version and flags.
    let kind_at = 1 + 4 + 1 + 10 + 4 + 2;
    bytes[kind_at] = 99;
    let expected = FrameDecodeError::Envelope(EnvelopeDecodeError::Kind(99));
    assert_eq!(reason(bytes), expected);
}

#[test]
fn contents_share_the_memory_of_the_batch() {
    let bytes = batch_of(&sender(), &[deliver(), BusFrame::DeliverGroup(group_of_two())]);
    let within = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
    for frame in decode_batch(bytes.clone()).unwrap().frames {
        match frame {
            BusFrame::Deliver { envelope, .. } => assert!(within(&envelope.content)),
            BusFrame::DeliverGroup(group) => {
                assert!(group.envelopes().all(|(_, envelope)| within(&envelope.content)));
            }
            _ => unreachable!("only messages were written"),
        }
    }
}

#[test]
fn a_group_takes_what_differs_in_recipient_and_id_only() {
    let envelopes: Vec<_> = group_of_two().envelopes().collect();
    let [(first_ticket, first), (second_ticket, second)] = &envelopes[..] else {
        unreachable!("a group of two")
    };
    let begun = GroupDelivery::of(first, *first_ticket).unwrap();
    let mut group = begun.clone();
    assert!(group.add(second, *second_ticket));
    assert_eq!(group, group_of_two());
    let others = [
        Envelope {
            timestamp_ms: 1,
            ..second.clone()
        },
        Envelope {
            from: second.to,
            ..second.clone()
        },
        Envelope {
            feature: Feature::Fast,
            ..second.clone()
        },
        Envelope {
            kind: Kind::Message,
            ..second.clone()
        },
        Envelope {
            reference: None,
            ..second.clone()
        },
        Envelope {
            content: Bytes::from_static(b"1"),
            ..second.clone()
        },
        Envelope {
            confirm: true,
            ..second.clone()
        },
    ];
    for other in others {
        let mut group = begun.clone();
        assert!(!group.add(&other, None), "{other:?}");
        assert_eq!(group, begun);
    }
    let confirmed = Envelope {
        confirm: true,
        ..first.clone()
    };
    assert_eq!(GroupDelivery::of(&confirmed, None), None);
}

#[test]
fn a_message_for_many_carries_its_content_once() {
    let content = Bytes::from(format!("\"{}\"", "x".repeat(1000)));
    let mut group = group_of_two();
    group.content = content;
    group.recipients = vec![group.recipients[0]; 1000];
    assert!(bytes_of(&BusFrame::DeliverGroup(group)).len() < 1000 * 50);
}

fn id(last: u8) -> MessageId {
    let id = 0x0192f0c1_7a00_7abc_8def_012345678900_u128 | u128::from(last);
    MessageId::from_bytes(id.to_be_bytes())
}

fn at(slot: u32) -> Ticket {
    Ticket {
        shard: 1,
        slot,
        generation: 0x0102_0304,
    }
}

fn plain() -> Envelope {
    Envelope {
        id: id(1),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: "ANZ-123223".parse().unwrap(),
        to: "ANZ-1232121".parse().unwrap(),
        reference: Some("abc123".into()),
        confirm: true,
        timestamp_ms: 1_730_000_000_000,
        content: Bytes::from_static(br#""some thing here to send""#),
        trail: None,
    }
}

fn deliver() -> BusFrame {
    BusFrame::Deliver {
        ticket: Some(at(2)),
        envelope: Arc::new(plain()),
    }
}

fn group_of_two() -> GroupDelivery {
    let recipient = |number: u8, ticket| GroupRecipient {
        to: format!("ANZ-{number}").parse().unwrap(),
        id: id(number),
        ticket,
    };
    GroupDelivery {
        kind: Kind::GroupMessage,
        feature: Feature::Reliable,
        from: "ANZ-123223".parse().unwrap(),
        reference: Some("abc123".into()),
        timestamp_ms: 1_730_000_000_001,
        content: Bytes::from_static(b"[1,2]"),
        recipients: vec![recipient(7, Some(at(8))), recipient(9, None)],
    }
}

fn names(names: &[&str]) -> Vec<DomainName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The batches of the golden file, by name.
fn golden_frames(name: &str) -> Vec<BusFrame> {
    let tickets = || vec![at(2), at(3)];
    let user = || "ANZ-123223".parse().unwrap();
    let frame = match name {
        "deliver" => deliver(),
        "deliver_fast" => BusFrame::Deliver {
            ticket: None,
            envelope: Arc::new(Envelope {
                feature: Feature::Fast,
                reference: None,
                confirm: false,
                ..plain()
            }),
        },
        "deliver_group" => BusFrame::DeliverGroup(group_of_two()),
        "deliver_group_fast" => BusFrame::DeliverGroup(GroupDelivery {
            feature: Feature::Fast,
            reference: None,
            ..group_of_two()
        }),
        "proven" => BusFrame::Proven {
            tickets: vec![(at(2), id(1)), (at(3), id(2))],
        },
        "not_here" => BusFrame::NotHere { tickets: tickets() },
        "behind" => BusFrame::Behind {
            ticket: at(2),
            guest: at(3),
            replaying: false,
        },
        "behind_replaying" => BusFrame::Behind {
            ticket: at(2),
            guest: at(3),
            replaying: true,
        },
        "restart" => BusFrame::Restart { epoch: 7 },
        "finish" => BusFrame::Finish {
            ids: vec![id(1), id(2)],
        },
        "stored" => BusFrame::Stored { guests: tickets() },
        "dismiss" => BusFrame::Dismiss { guests: tickets() },
        "ask" => BusFrame::Ask {
            tickets: vec![(at(2), id(1)), (at(3), id(2))],
        },
        "close_session" => BusFrame::Close {
            user: user(),
            session: Some(SessionId(42)),
            code: 4009,
        },
        "close_user" => BusFrame::Close {
            user: user(),
            session: None,
            code: 4000,
        },
        "rescan" => BusFrame::Rescan {
            users: vec![user(), "XYZ_9-9223372036854775807".parse().unwrap()],
        },
        "deliver_trail" => BusFrame::Deliver {
            ticket: Some(at(2)),
            envelope: Arc::new(Envelope {
                trail: Some(Box::new(Trail {
                    path: names(&["berlin", "paris"]),
                    after: Some(MessageId::from_bytes(
                        0x0192f0c1_79ff_7abc_8def_0123456789aa_u128.to_be_bytes(),
                    )),
                })),
                ..plain()
            }),
        },
        "close_away" => BusFrame::CloseAway {
            user: user(),
            master: "ANZ-1".parse().unwrap(),
            reference: Some("abc123".into()),
            path: names(&["berlin", "paris"]),
        },
        "close_away_unanswered" => BusFrame::CloseAway {
            user: user(),
            master: "ANZ-1".parse().unwrap(),
            reference: None,
            path: vec![],
        },
        "link_states" => {
            let state = |domain: &str, number, age_ms, down: &[&str]| LinkState {
                domain: domain.parse().unwrap(),
                number,
                age_ms,
                down: names(down),
            };
            BusFrame::LinkStates {
                from: "berlin".parse().unwrap(),
                states: vec![
                    state("berlin", 1_730_000_000_000, 0, &[]),
                    state("paris", 1_730_000_000_001, 12_345, &["berlin", "rome"]),
                ],
            }
        }
        "several" => return vec![golden_frames("proven").remove(0), deliver()],
        unknown => panic!("the golden file has {unknown}, this test does not"),
    };
    vec![frame]
}

#[test]
fn batches_of_the_first_version_keep_their_meaning() {
    let mut seen = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes: BytesMut = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let bytes = bytes.freeze();
        let frames = golden_frames(name);
        let written = batch_of(&sender(), &frames);
        assert_eq!(
            decode_batch(bytes.clone()),
            Ok(good(sender(), frames)),
            "{name} is read differently"
        );
        assert_eq!(written, bytes, "{name} is written differently: {written:x}");
        seen += 1;
    }
    assert_eq!(seen, 21);
}

#[test]
fn numbered_batches_keep_their_meaning() {
    let mut writer = BatchWriter::new(&sender());
    writer.begin_epoch(7);
    let mut numbers = Vec::new();
    for _ in 0..2 {
        writer.push(&BusFrame::Restart { epoch: 1 });
        let batch = decode_batch(writer.take()).unwrap();
        assert_eq!((&batch.sender, batch.frames.len()), (&sender(), 1));
        numbers.push(batch.number.unwrap());
        assert!(writer.take().is_empty(), "nothing has no number");
    }
    let at = |epoch, number| BatchNumber { epoch, number };
    assert_eq!(numbers, [at(7, 0), at(7, 1)]);
    writer.begin_epoch(9);
    writer.push(&BusFrame::Restart { epoch: 1 });
    let bytes = writer.take();
    assert_eq!(decode_batch(bytes.clone()).unwrap().number, Some(at(9, 0)));
    assert_eq!(format!("{bytes:x}"), NUMBERED, "written differently");
}

/// In epoch 9, the first one.
const NUMBERED: &str = "4c425553010100250c636f6e6e6563746f722d30310123456789abcdef000000000000000900000000000000000b00000008\
    0000000000000001";
