//! Chance: streams of operations, whole, cut, and broken.

use super::super::{Op, Publish, read_next};
use super::{Reader, Rules};

const RULES: Rules =
    Rules { control_line_bytes_max: 4096, payload_bytes_max: 100_000, headers: true, introduced: true };

/// Steele and Vigna's SplitMix64: chance that can be had again.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is small.
    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() >> 33).expect("31 bits fit") % bound
    }
}

/// All that a reader gives, as text, and the most memory that it held.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, usize) {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    let mut memory = 0;
    for mut piece in pieces {
        loop {
            match reader.next(&mut piece, &RULES) {
                Ok(Some(op)) => {
                    events.push(format!("{op:?}"));
                    if let Op::Publish(publish) = op
                        && publish.is_plain()
                    {
                        read_streak(publish.subject, &mut piece, &mut events);
                    }
                }
                Ok(None) => break,
                Err(violation) => {
                    events.push(format!("{violation:?}"));
                    return (events, memory);
                }
            }
        }
        assert!(piece.is_empty(), "all was read");
        memory = memory.max(reader.memory_bytes());
        assert!(!reader.is_between() || reader.memory_bytes() == 0, "nothing is kept between two operations");
    }
    (events, memory)
}

/// The messages that follow one about this subject, as if they had been read one by one.
fn read_streak(subject: &[u8], piece: &mut &[u8], events: &mut Vec<String>) {
    while let Some((length, message)) = read_next(piece, subject, &RULES) {
        let publish = Publish { subject, reply: None, message, header_bytes: 0 };
        events.push(format!("{:?}", Op::Publish(publish)));
        *piece = &piece[length..];
    }
}

fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.index(20) {
        let payload = vec![b'\n'; random.index(40)];
        let line = match random.index(9) {
            0 | 7 | 8 => format!("PUB a.b {}\r\n", payload.len()),
            1 => format!("pub a.b.cccccccccccccccccc _INBOX.{} {}\r\n", random.number(), payload.len()),
            2 => format!("HPUB  a\t{} {}\n", random.index(payload.len() + 1), payload.len()),
            3 => "SUB a.* q 12\r\n".into(),
            4 => "PING\r\n".into(),
            5 => "CONNECT {}\r\n".into(),
            _ => "unsub 5 1\r\n".into(),
        };
        bytes.extend_from_slice(line.as_bytes());
        if line.to_ascii_uppercase().contains("PUB") {
            bytes.extend_from_slice(&payload);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

/// The way in one pass says what the careful one says: byte by byte there is only the latter.
#[test]
fn a_stream_reads_the_same_however_it_is_cut_and_broken() {
    let mut random = Random(5);
    for _ in 0..2_000 {
        let mut bytes = stream(&mut random);
        if random.index(2) == 0 {
            let at = random.index(bytes.len());
            bytes[at] = random.number().to_le_bytes()[0];
        }
        let (whole, _) = read([bytes.as_slice()]);
        assert_eq!(read(bytes.chunks(1)).0, whole, "{}", bytes.escape_ascii());
        let size = 1 + random.index(30);
        assert_eq!(read(bytes.chunks(size)).0, whole, "by {size}: {}", bytes.escape_ascii());
    }
}

/// A payload announced costs nothing; one that comes costs at most twice what has come, and at last no more than itself.
#[test]
fn memory_grows_with_what_comes() {
    let mut message = b"PUB a 100000\r\n".to_vec();
    message.extend_from_slice(&[b'x'; 100_000]);
    message.extend_from_slice(b"\r\n");
    for step in [1_000, 4_096, 30_000] {
        for end in (step..message.len()).step_by(step) {
            let (events, memory) = read(message[..end].chunks(step));
            assert!(events.is_empty() && memory <= 2 * end, "{memory} bytes for {end}");
        }
        let (events, memory) = read(message.chunks(step));
        assert_eq!(events.len(), 1);
        assert!(memory <= message.len(), "{memory}");
    }
}
