//! Servers that echo, and servers that misbehave in one way each. Their threads end with the test's process.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process, thread};

/// What a stream server does with the bytes of one connection.
#[derive(Clone, Copy)]
pub(crate) enum Habit {
    /// Sends back what it receives.
    Echo,
    /// The same, but for the byte at this position.
    Corrupt(u64),
    /// Sends back everything in two halves, a moment apart, with the first byte of each message of so many bytes wrong.
    Halves(usize),
    /// Sends back everything twice.
    Twice,
    /// Stops sending after so many bytes, and goes on reading.
    Mute(u64),
    /// Never reads.
    Deaf,
    /// Closes the connection after so many bytes.
    Close(u64),
}

/// A path of this test's own, which goes with it.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0); // Relaxed: the number needs only to be unique.
        let name = format!("loadgen-{}-{}-{name}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.path())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A TCP server, and its URL.
pub(crate) fn tcp(habit: Habit) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream, habit));
        }
    });
    url
}

/// A Unix server at this place.
pub(crate) fn unix(place: &Place, habit: Habit) -> String {
    let listener = UnixListener::bind(place.path()).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream, habit));
        }
    });
    place.url()
}

/// A UDP server and its URL. For the n-th datagram, `answer` says what to send, in order.
pub(crate) fn udp(mut answer: impl FnMut(u64, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        for number in 0.. {
            let (bytes, peer) = socket.recv_from(&mut buffer).unwrap();
            for datagram in answer(number, &buffer[..bytes]) {
                let _ = socket.send_to(&datagram, peer); // The peer may have ended.
            }
        }
    });
    url
}

fn serve(mut stream: impl Read + Write, habit: Habit) {
    let mut buffer = vec![0; 65_536];
    let mut position = 0;
    if matches!(habit, Habit::Deaf) {
        loop {
            thread::park();
        }
    }
    loop {
        // Whatever ends the connection ends the thread: the test looks at the other side.
        let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
        let bytes = &mut buffer[..count];
        let end = position + count as u64;
        let is_mute = match habit {
            Habit::Halves(size) => {
                if stream.write_all(&spoiled(bytes, position, size)[..bytes.len() / 2]).is_err() {
                    return;
                }
                thread::yield_now();
                false
            }
            Habit::Echo | Habit::Twice | Habit::Deaf => false,
            Habit::Corrupt(at) => {
                if (position..end).contains(&at) {
                    bytes[usize::try_from(at - position).unwrap()] ^= 0xff;
                }
                false
            }
            Habit::Mute(after) => after <= end,
            Habit::Close(after) if after <= end => return,
            Habit::Close(_) => false,
        };
        let second =
            if let Habit::Halves(size) = habit { spoiled(bytes, position, size) } else { bytes.to_vec() };
        let bytes = if matches!(habit, Habit::Halves(_)) { &second[second.len() / 2..] } else { &second[..] };
        position = end;
        if matches!(habit, Habit::Twice) && stream.write_all(bytes).is_err() {
            return;
        }
        if !is_mute && stream.write_all(bytes).is_err() {
            return;
        }
    }
}

/// These bytes of a stream of messages, with the first of each message wrong.
fn spoiled(bytes: &[u8], position: u64, size: usize) -> Vec<u8> {
    let spoil = |(at, byte): (u64, &u8)| if at.is_multiple_of(size as u64) { !byte } else { *byte };
    (position..).zip(bytes).map(spoil).collect()
}
