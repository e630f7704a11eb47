//! What holds for all frames, and for all noise.

use super::*;

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
        1 => (any::<u64>(), vec(any::<u8>(), 0..50)).prop_map(|(number, body)| BusFrame::Call { number, body: body.into() }),
        1 => (any::<u64>(), vec(any::<u8>(), 0..50)).prop_map(|(number, body)| BusFrame::Reply { number, body: body.into() }),
    ]
}

fn node() -> impl Strategy<Value = NodeInstance> {
    ("[A-Za-z0-9._-]{1,128}", any::<u64>()).prop_map(|(name, incarnation)| NodeInstance {
        name: name.parse().unwrap(),
        incarnation,
    })
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
