//! The peers' end of the wire, written from the documents alone: nothing here uses the server's codecs.

/// The key of RFC 6455, section 1.3, and a request for a WebSocket at this target, with these lines more.
pub(super) fn upgrade(target: &str, lines: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
    .into_bytes()
}

/// What asks for JSON commands.
pub(super) const COMMANDS: &str = "Sec-WebSocket-Protocol: tidemill.v1\r\n";
/// The opcodes of messages (RFC 6455, section 5.2).
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;

/// A whole message of a client in one frame, masked (RFC 6455, section 5.2).
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).expect("below 126")),
        length @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).expect("below 65,536").to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Takes the head of an answer from the front, if it is whole.
pub(super) fn take_head(heard: &mut Vec<u8>) -> Option<String> {
    let end = heard.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = heard.drain(..end).collect();
    Some(String::from_utf8(head).expect("a head of ours is ASCII"))
}

/// Takes the next frame of a server, if it is whole: its opcode and its payload.
pub(super) fn take_frame(heard: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (*heard.first()?, *heard.get(1)?);
    assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "one whole frame, which is not masked");
    let (start, length) = match second {
        127 => (10, u64::from_be_bytes(heard.get(2..10)?.try_into().expect("eight bytes"))),
        126 => (4, u64::from(u16::from_be_bytes(heard.get(2..4)?.try_into().expect("two bytes")))),
        short => (2, u64::from(short)),
    };
    let end = start + usize::try_from(length).expect("it was sent");
    let payload = heard.get(start..end)?.to_vec();
    heard.drain(..end);
    Some((first & 0x0f, payload))
}

/// A message as a NATS client gets it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) subject: Vec<u8>,
    pub(super) sid: Vec<u8>,
    pub(super) reply: Vec<u8>,
    /// Headers and payload.
    pub(super) content: Vec<u8>,
}

/// Takes the messages from the front that are whole, and whatever else a NATS server says.
pub(super) fn take_said(heard: &mut Vec<u8>) -> Vec<Said> {
    let mut all = Vec::new();
    while let Some(end) = heard.windows(2).position(|two| two == b"\r\n") {
        let line = heard[..end].to_vec();
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        let (subject, sid, reply, size) = match words[..] {
            [b"MSG", subject, sid, size] | [b"HMSG", subject, sid, _, size] => (subject, sid, &b""[..], size),
            [b"MSG", subject, sid, reply, size] => (subject, sid, reply, size),
            [b"HMSG", subject, sid, reply, _, size] => (subject, sid, reply, size),
            _ => {
                heard.drain(..end + 2);
                continue;
            }
        };
        let size = std::str::from_utf8(size).ok().and_then(|size| size.parse::<usize>().ok());
        let (start, size) = (end + 2, size.expect("the last word is a number"));
        let Some(content) = heard.get(start..start + size + 2) else { break };
        assert!(content.ends_with(b"\r\n"), "a payload ends with CRLF");
        let content = content[..size].to_vec();
        all.push(Said { subject: subject.to_vec(), sid: sid.to_vec(), reply: reply.to_vec(), content });
        heard.drain(..start + size + 2);
    }
    all
}
