//! The server's reader of the NATS protocol.

use tidemill::protocol::nats::server::{Connect, Op, Reader, Rules};

const RULES: Rules =
    Rules { control_line_bytes_max: 256, payload_bytes_max: 4_000, headers: true, introduced: true };

/// The first byte says what is asked of the client, and where to cut; the rest is what it sends.
pub(super) fn server(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let rules = Rules { headers: first & 1 == 0, introduced: first & 2 == 0, ..RULES };
    let whole = read([bytes], &rules);
    let cut = usize::from(*first) * bytes.len() / 256;
    assert_eq!(read([&bytes[..cut], &bytes[cut..]], &rules), whole, "cut at {cut}");
    assert_eq!(read(bytes.chunks(1), &rules), whole, "byte by byte");
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, rules: &Rules) -> Vec<String> {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            let before = piece.len();
            match reader.next(&mut piece, rules) {
                Ok(Some(op)) => {
                    assert!(piece.len() < before, "an operation takes bytes");
                    if let Op::Connect(json) = op {
                        let _ = Connect::read(json);
                    }
                    events.push(format!("{op:?}"));
                }
                Ok(None) => break,
                Err(violation) => {
                    events.push(format!("{violation:?}"));
                    return events;
                }
            }
        }
        assert!(piece.is_empty(), "what is left over is kept");
        let most = 2 * (RULES.control_line_bytes_max + RULES.payload_bytes_max + 16);
        assert!(reader.memory_bytes() <= most, "memory is bounded");
    }
    events
}
