//! What one node says to another.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use linker_core::bus::{BatchWriter, BusFrame, decode_batch};
use linker_core::custody::Ticket;
use linker_core::id::NodeInstance;

use super::{Path, Step, sample};

/// Fifty messages of 1000 characters become one payload.
pub(crate) const BATCH_WRITTEN: Path = Path {
    name: "bus-batch-written",
    ready: written,
};

/// And are read back.
pub(crate) const BATCH_READ: Path = Path {
    name: "bus-batch-read",
    ready: read,
};

const MESSAGES: u32 = 50;

fn written() -> Step {
    let frames = frames();
    let mut writer = writer();
    Box::new(move || {
        let payload = payload(&mut writer, black_box(&frames));
        assert!(black_box(payload).len() > 1000 * frames.len());
    })
}

fn read() -> Step {
    let payload = payload(&mut writer(), &frames());
    Box::new(move || {
        let batch = decode_batch(black_box(payload.clone())).unwrap();
        assert!(batch.broken == 0 && black_box(batch).frames.len() == MESSAGES as usize);
    })
}

fn writer() -> BatchWriter {
    let sender = NodeInstance {
        name: "connector-01".parse().unwrap(),
        incarnation: 1,
    };
    let mut writer = BatchWriter::new(&sender);
    writer.begin_epoch(1);
    writer
}

fn payload(writer: &mut BatchWriter, frames: &[BusFrame]) -> Bytes {
    frames.iter().for_each(|frame| writer.push(frame));
    writer.take()
}

fn frames() -> Vec<BusFrame> {
    let content = Bytes::from(sample::content(1000));
    let frame = |slot: u32| BusFrame::Deliver {
        ticket: Some(Ticket {
            shard: 0,
            slot,
            generation: 1,
        }),
        envelope: Arc::new(sample::message(u64::from(slot), &content)),
    };
    (0..MESSAGES).map(frame).collect()
}
