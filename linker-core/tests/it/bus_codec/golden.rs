//! Bytes of the first version, which every later one has to read and to write.

use super::*;

const GOLDEN: &str = include_str!("../../golden/bus_v1.txt");

/// The batches of the golden file, by name.
pub(super) fn golden_frames(name: &str) -> Vec<BusFrame> {
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
        "call" => BusFrame::Call {
            number: 258,
            body: Bytes::from_static(b"{\"a\":1}"),
        },
        "reply" => BusFrame::Reply {
            number: 258,
            body: Bytes::new(),
        },
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
    assert_eq!(seen, 23);
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
