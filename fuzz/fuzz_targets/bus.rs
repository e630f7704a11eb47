//! A batch of frames of another node.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use linker_core::bus::{BatchWriter, BusFrame, decode_batch};

fuzz_target!(|data: &[u8]| {
    let Ok(batch) = decode_batch(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut writer = BatchWriter::new(&batch.sender);
    for frame in &batch.frames {
        if let BusFrame::DeliverGroup(group) = frame {
            assert_eq!(group.envelopes().count(), group.recipients.len());
        }
        writer.push(frame);
    }
    if writer.is_empty() {
        return;
    }
    let again = decode_batch(writer.take()).expect("what this version writes");
    assert_eq!((again.broken, again.unknown), (0, 0));
    assert_eq!(again.frames, batch.frames);
});
