//! How much work a head is, counted in bytes looked at.

use super::*;

/// A head in pieces costs time by its bytes, not by its bytes times its pieces (CVE-2023-43669 of another library).
#[test]
fn a_head_that_comes_byte_by_byte_is_read_in_linear_time() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(99));
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y\t".repeat(8000));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(8000));
    for head in [many, long, target] {
        for step in [1, 2, 3, 7, 100] {
            let mut progress = Progress::new();
            let ends = (1..head.len()).step_by(step).chain([head.len()]);
            let found =
                ends.map(|end| read_request(&head.as_bytes()[..end], &mut progress, &HeadLimits::default()));
            assert!(found.last().expect("one at least").expect("a good head").is_some());
            let pieces = head.len().div_ceil(step);
            let bound = 3 * head.len() + 2 * pieces + 48 * 49 / 2;
            assert!(progress.work <= bound, "{} bytes looked at for {}", progress.work, head.len());
        }
    }
}

#[test]
fn a_whole_head_is_read_once() {
    let head = line("GET / HTTP/1.1");
    let mut progress = Progress::new();
    for round in 1..4 {
        assert!(read_request(&head, &mut progress, &SMALL).expect("good").is_some());
        assert_eq!(progress.work, round * head.len());
    }
}

#[test]
fn progress_starts_anew_with_the_next_message() {
    let bytes = [line("GET /a HTTP/1.1"), line("GET /b HTTP/1.1")].concat();
    let mut progress = Progress::new();
    let mut table = Table::new();
    let mut paths = Vec::new();
    let mut start = 0;
    for end in 0..=bytes.len() {
        if let Some(request) =
            parse_request(&bytes[start..end], &mut progress, &SMALL, &mut table).expect("good")
        {
            paths.push(text(request.target.path));
            start += request.head_bytes;
        }
    }
    assert_eq!((paths.join(" ").as_str(), start), ("/a /b", bytes.len()));
}
