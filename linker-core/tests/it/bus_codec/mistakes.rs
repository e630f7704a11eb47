//! What cannot be read, and what takes no more room than it needs.

use super::golden::golden_frames;
use super::*;

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

#[test]
fn a_reference_has_1_to_256_bytes() {
    for (length, allowed) in [(0, false), (1, true), (256, true), (257, false)] {
        let frame = BusFrame::CloseAway {
            user: "ANZ-1".parse().unwrap(),
            master: "ANZ-2".parse().unwrap(),
            reference: Some("r".repeat(length).into()),
            path: Vec::new(),
        };
        match allowed {
            true => {
                let batch = decode_batch(raw_batch([bytes_of(&frame)])).unwrap();
                assert_eq!(batch.frames, [frame]);
            }
            false => assert_eq!(reason(bytes_of(&frame)), FrameDecodeError::Malformed("reference")),
        }
    }
}
