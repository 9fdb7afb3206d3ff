//! Clients of streams, and the check that everything comes back as it was sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::{Domain, SockRef, Socket, Type};

use super::{DEADLINE, Random};

/// A stream socket of either kind.
pub(crate) trait Stream: Read + Write + Send {
    /// The same socket once more, for another thread.
    fn twin(&self) -> Box<dyn Stream>;
    /// Ends our side.
    fn finish(&self);
}

impl Stream for TcpStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().expect("a descriptor is free"))
    }

    fn finish(&self) {
        self.shutdown(Shutdown::Write).expect("it is connected");
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().expect("a descriptor is free"))
    }

    fn finish(&self) {
        self.shutdown(Shutdown::Write).expect("it is connected");
    }
}

/// Connects; neither reading nor writing will take longer than the deadline.
#[track_caller]
pub(crate) fn tcp(to: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(to).expect("the server listens"))
}

/// Connects with these sizes for what the kernel keeps, so that little is on its way.
#[track_caller]
pub(crate) fn tcp_with_buffers(to: SocketAddr, bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a descriptor is free");
    socket.set_recv_buffer_size(bytes).expect("any size is taken");
    socket.set_send_buffer_size(bytes).expect("any size is taken");
    socket.connect(&to.into()).expect("the server listens");
    patient(socket.into())
}

/// Connects over a Unix socket.
#[track_caller]
pub(crate) fn unix(to: &Path) -> UnixStream {
    let stream = UnixStream::connect(to).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream
}

/// Neither reading nor writing will take longer than the deadline.
pub(crate) fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_nodelay(true).expect("TCP takes it");
    stream
}

/// Makes the close of a socket a reset.
pub(crate) fn reset_at_close(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)).expect("TCP takes it");
}

/// Sends a message and checks that it comes back.
#[track_caller]
pub(crate) fn ping(stream: &mut (impl Read + Write + ?Sized), message: &[u8]) {
    stream.write_all(message).expect("the server reads");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert!(answer == message, "another message came back");
}

/// Sends all bytes in random pieces, ends our side, and reads, from another thread, all back; compares every byte.
#[track_caller]
pub(crate) fn check_whole_echo(stream: &dyn Stream, bytes: &[u8], random: &mut Random) {
    let (mut reader, mut writer) = (stream.twin(), stream.twin());
    let received = std::thread::scope(|scope| {
        let reading = scope.spawn(move || read_back(&mut *reader, bytes));
        write_in_pieces(&mut *writer, bytes, random);
        writer.finish();
        reading.join().expect("the reader has not panicked")
    });
    assert_eq!(received, bytes.len());
}

/// Writes all bytes; about ten pieces, and at least a few, of any length.
fn write_in_pieces(writer: &mut dyn Stream, bytes: &[u8], random: &mut Random) {
    let longest = bytes.len().div_ceil(5).min(1 << 20);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at((1 + random.size(longest)).min(rest.len()));
        writer.write_all(piece).expect("the server reads");
        rest = next;
    }
}

/// Reads until the end, comparing with what was sent; returns how much came.
#[track_caller]
pub(crate) fn read_back(reader: &mut (impl Read + ?Sized), sent: &[u8]) -> usize {
    let (received, end) = read_prefix(reader, sent);
    end.expect("it ends with an end, not with an error");
    received
}

/// Reads until the end or an error, comparing with what was sent.
#[track_caller]
pub(crate) fn read_prefix(reader: &mut (impl Read + ?Sized), sent: &[u8]) -> (usize, io::Result<()>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (received, Ok(())),
            Ok(count) => {
                assert!(received + count <= sent.len(), "more came back than was sent");
                assert!(buffer[..count] == sent[received..received + count], "bytes differ after {received}");
                received += count;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (received, Err(error)),
        }
    }
}

/// Whether the server has ended this connection, in order or by a reset.
#[track_caller]
pub(crate) fn check_ended(stream: &mut TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("it was not ended: {error}"),
        }
    }
}

/// Writes what the kernel takes at once; the stream must be nonblocking. Returns how much that was.
pub(crate) fn write_at_once(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("the server has gone: {error}"),
        }
    }
    written
}
