//! What it costs to read the operations that a hub hears most: per message, without a connection around it.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidemill::protocol::nats::server::{Op, Reader, Rules, encode};

const RULES: Rules =
    Rules { control_line_bytes_max: 4096, payload_bytes_max: 1 << 20, headers: true, introduced: true };
/// Messages in one piece of a stream: as many as may come in one receive.
const MESSAGES: usize = 256;

fn stream(line: &str, payload_bytes: usize) -> Vec<u8> {
    let mut message = line.as_bytes().to_vec();
    message.extend(std::iter::repeat_n(b'x', payload_bytes));
    message.extend_from_slice(encode::LINE_END);
    message.repeat(MESSAGES)
}

/// Reads all there is; returns something of each message, so that none can be left out.
fn read(reader: &mut Reader, mut bytes: &[u8]) -> usize {
    let mut sum = 0;
    while let Ok(Some(op)) = reader.next(&mut bytes, &RULES) {
        if let Op::Publish(publish) = op {
            sum += publish.subject.len() + publish.message.len() + publish.reply.map_or(0, <[u8]>::len);
        }
    }
    sum
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let reply = "_INBOX.abcdefghijklmnopqrstuv.17";
    let cases = [
        ("PUB of 16 bytes", "PUB orders.new 16\r\n".to_owned(), 16),
        ("PUB of 128 bytes", "PUB orders.new 128\r\n".to_owned(), 128),
        ("PUB of 16 bytes with a reply", format!("PUB orders.new {reply} 16\r\n"), 16),
        ("PUB of 16 bytes, written oddly", "Pub orders.new  16\r\n".to_owned(), 16),
        ("HPUB of 16 bytes", "HPUB orders.new 12 16\r\n".to_owned(), 16),
    ];
    for (name, line, payload_bytes) in cases {
        let bytes = stream(&line, payload_bytes);
        group.throughput(Throughput::Elements(MESSAGES as u64));
        group.bench_function(name, |bencher| {
            let mut reader = Reader::default();
            bencher.iter(|| read(&mut reader, black_box(&bytes)));
        });
    }
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    group.bench_function("a MSG line", |bencher| {
        let mut out = Vec::with_capacity(256);
        bencher.iter(|| {
            out.clear();
            encode::message_line(black_box(b"orders.new"), black_box(b"17"), None, black_box(128), &mut out);
            black_box(&out);
        });
    });
    group.finish();
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
