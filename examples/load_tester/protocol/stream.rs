//! Packets of a stream, whatever pieces it comes in.

/// Hands what `begun` and `piece` together hold to `take`, which says how many bytes the packet at the beginning had; `None`
/// while it is incomplete. Returns the beginning of the packet that is to be continued.
pub(crate) fn take_packets(
    begun: Vec<u8>,
    piece: &[u8],
    mut take: impl FnMut(&[u8]) -> Option<usize>,
) -> Vec<u8> {
    let mut drain = |bytes: &[u8]| {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            match take(rest) {
                Some(len) => used += len,
                None => break,
            }
        }
        used.min(bytes.len())
    };
    if begun.is_empty() {
        let used = drain(piece);
        return piece.get(used..).unwrap_or_default().to_vec();
    }
    let mut joined = begun;
    joined.extend_from_slice(piece);
    let used = drain(&joined);
    joined.drain(..used);
    // An empty buffer is given back: thousands of idle clients would keep thousands of them.
    if joined.is_empty() { Vec::new() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::TargetKind;
    use crate::protocol::testing::{CONTENT, Listener};

    /// What a client understands of `pieces`, and whether anything is left over.
    fn heard(kind: TargetKind, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let mut listener = Listener::new(kind);
        let mut heard = Vec::new();
        let mut begun = Vec::new();
        for piece in pieces {
            begun = take_packets(begun, piece, |bytes| {
                let packet = listener.read(bytes).unwrap()?;
                heard.extend(packet.meaning.map(|meaning| format!("{meaning:?}")));
                Some(packet.len)
            });
        }
        (heard, begun)
    }

    fn same_wherever_it_is_cut(kind: TargetKind, stream: &[u8], meanings: usize) {
        let (whole, left) = heard(kind, &[stream]);
        assert_eq!((whole.len(), left.len()), (meanings, 0));
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(
                    heard(kind, &pieces),
                    (whole.clone(), Vec::new()),
                    "cut at {first} and {second}"
                );
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(heard(kind, &bytes), (whole, Vec::new()));
    }

    #[test]
    fn mqtt_means_the_same_wherever_it_is_cut() {
        let publish = [b"\x32\x38\0\x07u/ANZ-5\0\x0a", CONTENT.as_bytes()].concat();
        let stream = [
            b"\x20\x02\0\0\x90\x03\0\x01\x01",
            &publish[..],
            b"\x40\x02\0\x01",
            &publish[..],
        ]
        .concat();
        same_wherever_it_is_cut(TargetKind::Mqtt, &stream, 4);
    }

    #[test]
    fn nats_means_the_same_wherever_it_is_cut() {
        let message = format!("MSG u.ANZ-5 1 {}\r\n{CONTENT}\r\n", CONTENT.len());
        let stream = format!("INFO {{}}\r\nPONG\r\n{message}PING\r\n{message}");
        same_wherever_it_is_cut(TargetKind::Nats, stream.as_bytes(), 3);
    }
}
