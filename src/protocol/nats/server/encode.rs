//! What a server writes, but for `INFO` and `-ERR`.

/// The answer to `PING`.
pub const PONG: &[u8] = b"PONG\r\n";
/// Asks whether the client is still there.
pub const PING: &[u8] = b"PING\r\n";
/// Each operation of a verbose client was taken.
pub const OK: &[u8] = b"+OK\r\n";
/// The end of a line, and of a message.
pub const LINE_END: &[u8] = b"\r\n";

/// Appends the line of a message without headers: the payload and [`LINE_END`] are to follow.
#[inline]
pub fn message_line(
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    payload_bytes: usize,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"MSG ");
    address(subject, sid, reply, out);
    decimal(payload_bytes, out);
    out.extend_from_slice(LINE_END);
}

/// Appends the line of a message with headers: headers, payload and [`LINE_END`] are to follow. `message_bytes` counts
/// headers and payload.
#[inline]
pub fn message_line_with_headers(
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header_bytes: usize,
    message_bytes: usize,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HMSG ");
    address(subject, sid, reply, out);
    decimal(header_bytes, out);
    out.push(b' ');
    decimal(message_bytes, out);
    out.extend_from_slice(LINE_END);
}

/// Appends a whole message that tells who asked on `subject`, and waits for an answer on `reply`, that nobody is there to
/// give it.
pub fn no_responders(reply: &[u8], sid: &[u8], subject: &[u8], out: &mut Vec<u8>) {
    let first: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";
    let last: &[u8] = b"\r\n\r\n";
    let header_bytes = first.len() + subject.len() + last.len();
    message_line_with_headers(reply, sid, None, header_bytes, header_bytes, out);
    for part in [first, subject, last, LINE_END] {
        out.extend_from_slice(part);
    }
}

/// Appends a number.
#[inline]
pub fn decimal(number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        // A digit is less than 256.
        digits[at] = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[inline]
fn address(subject: &[u8], sid: &[u8], reply: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
}
