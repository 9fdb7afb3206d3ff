//! The receiver of WebSocket, in both roles, with deflate and without.

use tidemill::limits::WEBSOCKET_CARRY_BYTES_MAX;
use tidemill::protocol::websocket::{DeflateParameters, Limits, Receiver, Role};

/// The longest message here, in bytes.
const MESSAGE_BYTES_MAX: usize = 5_000;

/// The first byte says the role, whether there is deflate, and where to cut; the rest are frames.
pub(super) fn run(data: &[u8]) {
    let Some((first, frames)) = data.split_first() else { return };
    let role = if first & 1 == 0 { Role::Server } else { Role::Client };
    let deflate = (first & 2 != 0).then_some(DeflateParameters {
        server_no_context_takeover: first & 4 != 0,
        client_no_context_takeover: first & 4 != 0,
        server_max_window_bits: None,
        client_max_window_bits: None,
    });
    let whole = read(frames, role, deflate.as_ref(), [frames.len()].into_iter());
    let cut = usize::from(*first) * frames.len() / 256;
    let halves = read(frames, role, deflate.as_ref(), [cut, frames.len()].into_iter());
    assert_eq!(halves, whole, "cut at {cut}");
    assert_eq!(read(frames, role, deflate.as_ref(), 1..=frames.len()), whole, "byte by byte");
}

fn read(
    frames: &[u8],
    role: Role,
    deflate: Option<&DeflateParameters>,
    ends: impl Iterator<Item = usize>,
) -> Vec<String> {
    let limits = Limits { message_bytes_max: MESSAGE_BYTES_MAX, frame_bytes_max: MESSAGE_BYTES_MAX };
    let mut receiver = Receiver::new(role, limits, deflate);
    let mut bytes = frames.to_vec();
    let mut events = Vec::new();
    let mut at = 0;
    for end in ends {
        loop {
            let step = match receiver.receive(&mut bytes[at..end]) {
                Ok(step) => step,
                Err(failure) => {
                    // Of two things that are wrong, the cuts decide which one is found first.
                    events.push(format!("{:?}", failure.code));
                    return events;
                }
            };
            let text = step.event.map(|event| format!("{event:?}"));
            at += step.consumed;
            assert!(text.is_none() || 0 < step.consumed, "an event takes bytes");
            let Some(text) = text else { break };
            events.push(text);
        }
        assert!(end - at <= WEBSOCKET_CARRY_BYTES_MAX, "little is carried over");
        // Twice what it needs at most, and the window of the inflater.
        assert!(receiver.memory_bytes() <= 2 * MESSAGE_BYTES_MAX + 128 * 1024, "memory is bounded");
    }
    events
}
