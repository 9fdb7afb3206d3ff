//! The readers of HTTP/1.1 messages.

use tidemill::protocol::http1::{
    Body, BodyLength, HeadLimits, Method, Progress, Table, parse_request, parse_response,
};

/// Content of a message at most.
const BODY_BYTES_MAX: u64 = 10_000;
/// Pieces of one byte are tried for inputs up to this: parsing again at each byte takes time.
const CRUMBLED_BYTES_MAX: usize = 3_000;

/// Requests, one behind the other, as a server reads them.
pub(super) fn request(data: &[u8]) {
    check(data, false);
}

/// Responses to `GET`, one behind the other, as a client reads them.
pub(super) fn response(data: &[u8]) {
    check(data, true);
}

fn check(data: &[u8], responses: bool) {
    let whole = read(data, responses, [data.len()].into_iter());
    if let Some(first) = data.first() {
        let cut = usize::from(*first) * data.len() / 256;
        same(&read(data, responses, [cut, data.len()].into_iter()), &whole);
    }
    if data.len() <= CRUMBLED_BYTES_MAX {
        same(&read(data, responses, 1..=data.len()), &whole);
    }
}

/// Whether the same was read. A head that is not whole may be refused with these bytes or with the next, as it was cut.
fn same(cut: &[String], whole: &[String]) {
    let common = cut.len().min(whole.len());
    assert_eq!(cut[..common], whole[..common]);
    assert!(cut.len().max(whole.len()) <= common + 1, "only a refusal comes early: {cut:?} {whole:?}");
}

/// What is read when the bytes come up to each of these ends.
fn read(data: &[u8], responses: bool, ends: impl Iterator<Item = usize>) -> Vec<String> {
    let limits = HeadLimits::default();
    let (mut table, mut progress) = (Table::new(), Progress::new());
    let (mut at, mut body) = (0, None::<Body>);
    let (mut read, mut content) = (Vec::new(), Vec::new());
    for end in ends {
        loop {
            let rest = &data[at..end];
            if let Some(coming) = &mut body {
                if !coming.is_done() && rest.is_empty() {
                    break;
                }
                let decoded = match coming.decode(rest) {
                    Ok(decoded) => decoded,
                    Err(refusal) => {
                        read.push(format!("{refusal:?}"));
                        return read;
                    }
                };
                assert!(decoded.done || 0 < decoded.consumed, "it takes something of what is not empty");
                assert!(decoded.data.end <= decoded.consumed, "content lies in what is consumed");
                content.extend_from_slice(&rest[decoded.data]);
                assert!(content.len() as u64 <= BODY_BYTES_MAX, "content is bounded");
                at += decoded.consumed;
                if decoded.done {
                    read.push(format!("{:?}", std::mem::take(&mut content)));
                    body = None;
                }
                continue;
            }
            if rest.is_empty() {
                break;
            }
            let head = if responses {
                parse_response(rest, &Method::Get, &mut progress, &limits, &mut table).map(|head| {
                    head.map(|head| {
                        (head.head_bytes, head.body, format!("{} {:?}", head.status, head.reason))
                    })
                })
            } else {
                parse_request(rest, &mut progress, &limits, &mut table).map(|head| {
                    head.map(|head| {
                        (head.head_bytes, head.body, format!("{:?} {:?}", head.method, head.target))
                    })
                })
            };
            match head {
                Ok(None) => break,
                Ok(Some((head_bytes, length, text))) => {
                    assert!(0 < head_bytes && head_bytes <= rest.len(), "a head lies within what came");
                    read.push(text);
                    at += head_bytes;
                    match Body::new(length, BODY_BYTES_MAX) {
                        Ok(_) if length == BodyLength::None => {}
                        Ok(new) => body = Some(new),
                        Err(refusal) => {
                            read.push(format!("{refusal:?}"));
                            return read;
                        }
                    }
                }
                Err(refusal) => {
                    assert!((400..600).contains(&refusal.status()));
                    read.push(format!("{refusal:?}"));
                    return read;
                }
            }
        }
    }
    read
}
