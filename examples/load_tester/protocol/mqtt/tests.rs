use super::*;
use crate::cli::TargetKind;
use crate::protocol::testing::{CONTENT, Listener, STAMP, every_cut_is_incomplete, payloads, shape, tag};

fn listener() -> Listener {
    Listener::new(TargetKind::Mqtt)
}

/// A PUBLISH as a server sends it.
fn publish(first: u8, identifier: &[u8]) -> Vec<u8> {
    let body = [b"\0\x07u/ANZ-5", identifier, CONTENT.as_bytes()].concat();
    [&[first, body.len() as u8], &body[..]].concat()
}

#[test]
fn lengths_are_those_of_the_specification() {
    // MQTT 3.1.1, table 2.4.
    for (len, bytes) in [
        (0, &[0x00][..]),
        (127, &[0x7F]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
    ] {
        let mut written = Vec::new();
        append_length(&mut written, len);
        assert_eq!(written, bytes);
        assert_eq!(read_length(bytes).unwrap(), Some((len, bytes.len())));
        assert_eq!(read_length(&bytes[..bytes.len() - 1]).unwrap(), None);
    }
    assert!(read_length(&[0x80; 4]).is_err());
}

#[test]
fn a_login_is_connect_and_then_subscribe() {
    let mut out = Vec::new();
    append_connect(&mut out, "ANZ-5", LoginOptions::default());
    let connect = b"\x10\x11\0\x04MQTT\x04\x02\0\0\0\x05ANZ-5";
    assert_eq!(payloads(&out), [connect]);

    let mut listener = listener();
    assert_eq!(listener.meaning(&[0x20, 2, 0, 0]), None);
    assert_eq!(listener.answered(), [b"\x82\x0c\0\x01\0\x07u/ANZ-5\x01"]);
    assert_eq!(
        listener.meaning(&[0x90, 3, 0, 1, 1]),
        Some(Incoming::LoginReply { accepted: true })
    );
}

#[test]
fn a_member_subscribes_to_its_group_too() {
    let mut listener = listener();
    listener.options.group = Some(12);
    assert_eq!(listener.meaning(&[0x20, 2, 0, 0]), None);
    let subscribe = b"\x82\x13\0\x01\0\x07u/ANZ-5\x01\0\x04g/12\x01";
    assert_eq!(listener.answered(), [subscribe]);
    assert_eq!(
        listener.meaning(&[0x90, 4, 0, 1, 1, 1]),
        Some(Incoming::LoginReply { accepted: true })
    );
}

#[test]
fn who_is_refused_is_not_logged_in() {
    let refused = Some(Incoming::LoginReply { accepted: false });
    assert_eq!(listener().meaning(&[0x20, 2, 0, 5]), refused);
    // A subscription that failed, or got less than was asked for.
    assert_eq!(listener().meaning(&[0x90, 3, 0, 1, 0x80]), refused);
    assert_eq!(listener().meaning(&[0x90, 3, 0, 1, 0]), refused);
}

#[test]
fn a_session_that_lasted_needs_no_second_subscription() {
    let mut out = Vec::new();
    let options = LoginOptions {
        replay: true,
        ..LoginOptions::default()
    };
    append_connect(&mut out, "ANZ-5", options);
    assert_eq!(payloads(&out), [b"\x10\x11\0\x04MQTT\x04\0\0\0\0\x05ANZ-5"]);
    let mut listener = listener();
    assert_eq!(
        listener.meaning(&[0x20, 2, 1, 0]),
        Some(Incoming::LoginReply { accepted: true })
    );
    assert!(listener.answered().is_empty());
}

#[test]
fn fast_is_qos_0_and_reliable_is_qos_1() {
    let mut out = Vec::new();
    Writer::new(tag(), shape(Feature::Fast, false)).append(&mut out, b"ANZ-5", STAMP);
    assert_eq!(payloads(&out), [publish(0x30, b"")]);
    out.clear();
    Writer::new(tag(), shape(Feature::Reliable, false)).append(&mut out, b"ANZ-5", STAMP);
    // 1 + 0xDEADBEEF % 65535
    assert_eq!(payloads(&out), [publish(0x32, &[0x9D, 0x9E])]);
    out.clear();
    Writer::new(tag(), shape(Feature::Fast, true)).append(&mut out, b"12", STAMP);
    assert!(payloads(&out)[0].starts_with(b"\x30\x33\0\x04g/12~"));
}

#[test]
fn what_is_written_is_read_at_every_size() {
    for size in [41, 100, 127, 128, 1000, 16_370, 16_384, 100_000] {
        let mut out = Vec::new();
        let shape = MessageShape {
            size,
            ..shape(Feature::Reliable, false)
        };
        Writer::new(tag(), shape).append(&mut out, b"ANZ-5", STAMP);
        let packet = &payloads(&out)[0];
        assert_eq!(
            listener().meaning(packet),
            Some(Incoming::Message(Some(STAMP))),
            "{size}"
        );
    }
}

#[test]
fn only_qos_1_is_acknowledged() {
    let mut listener = listener();
    let message = Some(Incoming::Message(Some(STAMP)));
    assert_eq!(listener.meaning(&publish(0x30, b"")), message);
    assert!(listener.answered().is_empty());
    assert_eq!(listener.meaning(&publish(0x32, &[0, 10])), message);
    assert_eq!(listener.answered(), [[0x40, 2, 0, 10]]);
}

#[test]
fn a_message_of_another_run_has_no_stamp() {
    let foreign = b"\x30\x0d\0\x07u/ANZ-5~abc";
    assert_eq!(listener().meaning(foreign), Some(Incoming::Message(None)));
}

#[test]
fn acknowledgements_count_on_beyond_sixteen_bits() {
    let mut listener = listener();
    let mut acknowledged = |sequence: u32| {
        let identifier = (1 + sequence % IDENTIFIERS) as u16;
        let [high, low] = identifier.to_be_bytes();
        match listener.meaning(&[0x40, 2, high, low]) {
            Some(Incoming::Acknowledged(Some(stamp))) => (stamp.sender, stamp.sequence),
            other => panic!("{other:?}"),
        }
    };
    for sequence in 0..200_000 {
        assert_eq!(acknowledged(sequence), (STAMP.sender, sequence));
    }
    // Out of order, and a repetition.
    for sequence in [200_050, 200_000, 200_049, 200_050, 200_051] {
        assert_eq!(acknowledged(sequence), (STAMP.sender, sequence));
    }
}

#[test]
fn a_packet_cut_anywhere_is_incomplete() {
    every_cut_is_incomplete(
        TargetKind::Mqtt,
        &[
            &publish(0x32, &[0, 10]),
            &[0x40, 2, 0, 10],
            &[0x90, 3, 0, 1, 1],
            &[0xD0, 0],
        ],
    );
}

#[test]
fn the_bytes_after_a_packet_are_left_for_the_next() {
    let first = publish(0x30, b"");
    let both = [&first[..], &[0x40, 2]].concat();
    assert_eq!(listener().read(&both).unwrap().unwrap().len, first.len());
}

#[test]
fn what_no_server_may_send_is_an_error() {
    for wrong in [
        &[0x10, 0][..],
        &[0x40, 1, 0],
        &[0x20, 1, 0],
        // A topic longer than its packet, and no room for an identifier.
        &[0x30, 2, 0, 9],
        &[0x32, 3, 0, 1, b'u'],
        &[0x30, 0x80, 0x80, 0x80, 0x80],
    ] {
        assert!(listener().read(wrong).is_err(), "{wrong:02x?}");
    }
}
