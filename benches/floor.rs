//! The floor: the least a TCP or UDP echo on io_uring can cost, to know what part of a server's cost is the kernel's.
//!
//! One pinned thread, no timers, no limits, no state, and no answer to an error but closing. `--serve` makes it the
//! served child; without it, it compares itself with the server.
#![expect(unsafe_code, reason = "entries of a bare ring hold addresses")]

mod support;

use std::io;
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::time::Instant;

use clap::Parser;
use io_uring::{cqueue, opcode, squeue, types};
use socket2::Socket;

use support::child::{self, Report, Transport};
use support::compare::{self, Comparison, Side};
use support::ring::{Buffers, GROUP, Ring, Setup, Wait};

#[derive(Parser)]
#[command(about = "Compares the bare ring echo with tidemill.")]
struct Options {
    /// Serve as a child: print the port, serve until standard input closes, print a report.
    #[arg(long)]
    serve: Option<Transport>,
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value_t = 0)]
    core: usize,
    #[command(flatten)]
    variant: Variant,
    /// Compare the floor with itself, with these options on side A.
    #[arg(long, allow_hyphen_values = true)]
    variant_a: Option<String>,
    /// Compare the floor with itself, with these options on side B.
    #[arg(long, allow_hyphen_values = true)]
    variant_b: Option<String>,
    #[command(flatten)]
    comparison: Comparison,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What may be done in another way; the defaults are the fastest measured.
///
/// Measured with `--variant-a "" --variant-b "…"` on two virtual cores of an AMD EPYC under Linux 6.18, 64 bytes, on
/// 2026-11-20, with other work on the machine. The server's CPU time per message, as a ratio to the default with its
/// 95 % interval; what is called equal has an interval that contains 1 or lies within 2 % of it.
///
/// | variant | CPU per message |
/// |---|---|
/// | `--inc`, 64 × 16 KiB | 1.009 [0.988, 1.012] at 64 connections, 0.987 [0.979, 1.016] at 512: equal |
/// | `--wait-sends`; `--wait 8 --min-wait-us 20` | 1.000 [0.990, 1.004]; 1.012 [0.997, 1.017]: equal, larger batches |
/// | `--timeout-ms 1` | 1.064 [1.051, 1.108]: a timer nearer than the next tick is set anew for each sleep |
/// | `--timeout-ms 1000` | 0.996 [0.992, 1.000]: equal, so a far deadline is free |
/// | `--partial` | 1.000 [0.990, 1.023]: equal, so MSG_WAITALL is free |
/// | `--silent` | 1.003 [0.996, 1.004]: equal, so the send's own completion is free |
/// | `--sq-array`; `--plain-fd` | 0.995 [0.990, 0.999]; 0.996 [0.992, 1.001]: equal |
/// | `--no-defer` | 1.045 [1.031, 1.102] |
/// | `--no-defer --coop` | 1.006 [0.982, 1.036]: equal |
/// | `--poll-first`, on sends | 1.111 [1.101, 1.126] |
/// | `--buffers 4096`; `--buffer-bytes 2112` | 1.003 [0.980, 1.019]; 0.993 [0.986, 0.999]: equal |
/// | `--sendmsg`, datagrams | 1.021 [1.009, 1.051], so SEND with an address is better |
///
/// Between two enters, so in user space, a message spends 16 to 21 ns (`--clock`) of 3.9 to 6.1 µs.
#[derive(Clone, Copy, clap::Args)]
struct Variant {
    /// Let receives share a buffer, each behind the last (IOU_PBUF_RING_INC).
    #[arg(long)]
    inc: bool,
    #[arg(long, default_value = "1024")]
    buffers: NonZeroU16,
    #[arg(long, default_value_t = 2048)]
    buffer_bytes: u32,
    /// Completions to wait for in a turn.
    #[arg(long, default_value_t = 1)]
    wait: usize,
    /// Wait for the sends of this turn too, and not only for what comes after them.
    #[arg(long)]
    wait_sends: bool,
    /// Microseconds after which one completion is enough.
    #[arg(long, default_value_t = 0)]
    min_wait_us: u32,
    /// Longest wait; zero is for ever.
    #[arg(long, default_value_t = 0)]
    timeout_ms: u32,
    /// Send without MSG_WAITALL.
    #[arg(long)]
    partial: bool,
    /// Let successful sends complete silently. NOT SAFE: a buffer is given back when its send was submitted, which is
    /// only right as long as no send has to wait. It tells what the second completion of each message costs.
    #[arg(long)]
    silent: bool,
    /// Answer datagrams by SENDMSG, and not by SEND with an address.
    #[arg(long)]
    sendmsg: bool,
    /// Set up without DEFER_TASKRUN.
    #[arg(long)]
    no_defer: bool,
    /// Set up with COOP_TASKRUN.
    #[arg(long)]
    coop: bool,
    /// Set up with the array of submission indices.
    #[arg(long)]
    sq_array: bool,
    /// Enter by the descriptor, not by its registered number.
    #[arg(long)]
    plain_fd: bool,
    /// Sends wait for the poll first.
    #[arg(long)]
    poll_first: bool,
    /// Read the clock around each enter, to tell user space from the kernel without sampling.
    #[arg(long)]
    clock: bool,
}

impl Variant {
    fn setup(self) -> Setup {
        Setup {
            defer_taskrun: !self.no_defer,
            coop_taskrun: self.coop,
            sq_array: self.sq_array,
            registered_fd: !self.plain_fd,
        }
    }

    fn wait(self, sends: usize) -> Wait {
        let want = self.wait + if self.wait_sends { sends } else { 0 };
        Wait { want, min_wait_us: self.min_wait_us, timeout_ms: self.timeout_ms }
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    match options.serve {
        Some(transport) => serve(transport, &options),
        None => compare::run(&options.comparison, &sides(&options)?),
    }
}

/// The floor against the server, or two variants of the floor.
fn sides(options: &Options) -> io::Result<[Side; 2]> {
    let variant = |extra: &Option<String>| {
        let extra = extra.as_deref().unwrap_or("");
        Side::this_binary(&format!("floor {extra}"), extra.split_whitespace())
    };
    if options.variant_a.is_some() || options.variant_b.is_some() {
        return Ok([variant(&options.variant_a)?, variant(&options.variant_b)?]);
    }
    Ok([variant(&None)?, Side::opponent(&options.comparison)])
}

fn serve(transport: Transport, options: &Options) -> io::Result<()> {
    child::pin(options.core);
    let socket = child::listen(transport, options.port)?;
    let variant = options.variant;
    let setup = variant.setup();
    let mut memory = setup.build()?;
    let mut ring = Ring::new(&mut memory, setup)?;
    ring.submitter.register_files_sparse(FILES)?;
    let buffers = Buffers::register(&ring, variant.buffers, variant.buffer_bytes, variant.inc)?;
    watch_stdin(&mut ring);
    let mut floor = Floor { ring, buffers, variant, sends: 0, messages: 0, outside_ns: 0, left_kernel: None };
    match transport {
        Transport::Tcp => floor.serve_tcp(&socket),
        Transport::Udp => floor.serve_udp(&socket)?,
    }
    Report {
        messages: floor.messages,
        enters: floor.ring.enters,
        completions: floor.ring.completed,
        outside_ns: floor.outside_ns,
        ..Report::default()
    }
    .print();
    Ok(())
}

struct Floor<'ring> {
    ring: Ring<'ring>,
    buffers: Buffers,
    variant: Variant,
    /// Sends pushed since the last turn.
    sends: usize,
    messages: u64,
    /// Time between one enter's end and the next one's start.
    outside_ns: u64,
    left_kernel: Option<Instant>,
}

impl Floor<'_> {
    fn serve_tcp(&mut self, listener: &Socket) {
        let accept =
            opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).allocate_file_index(true).build();
        // SAFETY: a multishot accept into the file table holds no address.
        unsafe { self.ring.push(&accept.user_data(ACCEPT)) };
        // Of each buffer: how far the kernel has filled it, and how many sends read from it.
        let mut marks = vec![Mark::default(); usize::from(self.variant.buffers.get())];
        let flags = libc::MSG_NOSIGNAL | if self.variant.partial { 0 } else { libc::MSG_WAITALL };
        let ioprio = u16::from(self.variant.poll_first);

        loop {
            self.turn();
            while let Some(completion) = self.ring.next() {
                let (result, data) = (completion.result(), completion.user_data());
                #[expect(clippy::cast_possible_truncation, reason = "a token is packed from these parts")]
                let (slot, id) = (data as u32, (data >> 32) as u16);
                match data & KIND {
                    RECEIVE => {
                        if let (Some(id), Ok(length @ 1..)) =
                            (cqueue::buffer_select(completion.flags()), u32::try_from(result))
                        {
                            let mark = &mut marks[usize::from(id)];
                            let offset = mark.filled;
                            mark.readers += 1;
                            mark.filled += length;
                            mark.finished = !cqueue::buffer_more(completion.flags());
                            // SAFETY: the kernel wrote `length` bytes at `offset`, inside this buffer.
                            let bytes = unsafe { self.buffers.address(id).add(offset as usize) };
                            let mut send = opcode::Send::new(types::Fixed(slot), bytes.as_ptr(), length)
                                .flags(flags)
                                .ioprio(ioprio)
                                .build()
                                .user_data(SEND | u64::from(id) << 32 | u64::from(slot));
                            if self.variant.silent {
                                send = send.flags(squeue::Flags::SKIP_SUCCESS);
                                mark.release(id, &mut self.buffers);
                            }
                            // SAFETY: the buffer is given back to the kernel only when its last send has completed.
                            // (With `silent` it is not safe, as that option says.)
                            unsafe { self.ring.push(&send) };
                            self.sends += 1;
                            self.messages += 1;
                        } else if result != -libc::ENOBUFS {
                            self.close(slot);
                            continue;
                        }
                        if !cqueue::more(completion.flags()) {
                            self.receive(slot);
                        }
                    }
                    SEND => marks[usize::from(id)].release(id, &mut self.buffers),
                    ACCEPT => {
                        if let Ok(slot) = u32::try_from(result) {
                            self.receive(slot);
                        }
                    }
                    STDIN => return,
                    _ => {}
                }
            }
        }
    }

    fn serve_udp(&mut self, socket: &Socket) -> io::Result<()> {
        self.ring.submitter.register_files_update(0, &[socket.as_raw_fd()])?;
        // SAFETY: a message header is integers and pointers, for which zero is valid.
        let mut shape = unsafe { std::mem::zeroed::<libc::msghdr>() };
        shape.msg_namelen = NAME_BYTES;
        let shape = Box::new(shape);
        self.receive_messages(&shape);
        let mut answers = self.answers();

        loop {
            self.turn();
            while let Some(completion) = self.ring.next() {
                match completion.user_data() & KIND {
                    RECEIVE => {
                        if let (Some(id), Ok(length @ HEADER_BYTES..)) =
                            (cqueue::buffer_select(completion.flags()), u32::try_from(completion.result()))
                        {
                            self.answer(&mut answers[usize::from(id)], id, length - HEADER_BYTES);
                        }
                        if !cqueue::more(completion.flags()) {
                            self.receive_messages(&shape);
                        }
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "a token is packed from these parts")]
                    SEND => self.buffers.give((completion.user_data() >> 32) as u16),
                    STDIN => return Ok(()),
                    _ => {}
                }
            }
        }
    }

    /// Of each buffer, the message that sends its payload back to its sender. Their addresses never move.
    fn answers(&self) -> Box<[Answer]> {
        let count = self.variant.buffers.get();
        // SAFETY: message headers and vectors are integers and pointers, for which zero is valid.
        let mut answers: Box<[Answer]> = (0..count).map(|_| unsafe { std::mem::zeroed() }).collect();
        for (id, answer) in (0..count).zip(answers.iter_mut()) {
            let buffer = self.buffers.address(id);
            // SAFETY: a buffer is larger than the header, the name and the payload that the kernel writes into it.
            let payload = unsafe { buffer.add(HEADER_BYTES as usize) };
            // SAFETY: as above.
            let name = unsafe { buffer.add(NAME_OFFSET) };
            answer.vector.iov_base = payload.as_ptr().cast();
            answer.header.msg_iov = &raw mut answer.vector;
            answer.header.msg_iovlen = 1;
            answer.header.msg_name = name.as_ptr().cast();
            answer.header.msg_namelen = NAME_BYTES;
        }
        answers
    }

    fn answer(&mut self, answer: &mut Answer, id: u16, length: u32) {
        let user_data = SEND | u64::from(id) << 32;
        let entry = if self.variant.sendmsg {
            answer.vector.iov_len = length as usize;
            opcode::SendMsg::new(types::Fixed(0), &raw const answer.header).build()
        } else {
            opcode::Send::new(types::Fixed(0), answer.vector.iov_base.cast_const().cast(), length)
                .dest_addr(answer.header.msg_name.cast_const().cast())
                .dest_addr_len(NAME_BYTES)
                .build()
        };
        // SAFETY: the answer and the buffer that it points into are not touched before this send's completion.
        unsafe { self.ring.push(&entry.user_data(user_data)) };
        self.sends += 1;
        self.messages += 1;
    }

    /// One turn, one system call.
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no turn that time could enter by")]
    fn turn(&mut self) {
        self.buffers.publish();
        let wait = self.variant.wait(self.sends);
        self.sends = 0;
        if self.variant.clock {
            let before = Instant::now();
            self.ring.turn(wait);
            let after = Instant::now();
            if let Some(left) = self.left_kernel.replace(after) {
                self.outside_ns += nanoseconds(before.duration_since(left));
            }
        } else {
            self.ring.turn(wait);
        }
    }

    fn receive(&mut self, slot: u32) {
        let entry =
            opcode::RecvMulti::new(types::Fixed(slot), GROUP).build().user_data(RECEIVE | u64::from(slot));
        // SAFETY: the entry holds no address: the kernel takes buffers from the group, which is never freed.
        unsafe { self.ring.push(&entry) };
    }

    fn receive_messages(&mut self, shape: &libc::msghdr) {
        let entry =
            opcode::RecvMsgMulti::new(types::Fixed(0), &raw const *shape, GROUP).build().user_data(RECEIVE);
        // SAFETY: the caller keeps `shape` boxed until it stops serving; the kernel copies it at submission.
        unsafe { self.ring.push(&entry) };
    }

    fn close(&mut self, slot: u32) {
        let entry = opcode::Close::new(types::Fixed(slot)).build().user_data(CLOSE);
        // SAFETY: a close holds no address.
        unsafe { self.ring.push(&entry) };
    }
}

/// A datagram's way back.
struct Answer {
    header: libc::msghdr,
    vector: libc::iovec,
}

/// The state of one buffer of a stream.
#[derive(Clone, Copy, Default)]
struct Mark {
    filled: u32,
    readers: u32,
    finished: bool,
}

impl Mark {
    /// One send less reads from it; after the last, a buffer that the kernel is done with goes back.
    fn release(&mut self, id: u16, buffers: &mut Buffers) {
        self.readers -= 1;
        if self.readers == 0 && self.finished {
            *self = Self::default();
            buffers.give(id);
        }
    }
}

fn watch_stdin(ring: &mut Ring<'_>) {
    let byte: &'static mut [u8] = vec![0u8; 1].leak();
    let entry = opcode::Read::new(types::Fd(0), byte.as_mut_ptr(), 1).build().user_data(STDIN);
    // SAFETY: the byte lives as long as the process, and nobody else looks at it.
    unsafe { ring.push(&entry) };
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const KIND: u64 = 0xff << 56;
const RECEIVE: u64 = 0;
const SEND: u64 = 1 << 56;
const ACCEPT: u64 = 2 << 56;
const CLOSE: u64 = 3 << 56;
const STDIN: u64 = 4 << 56;
/// Direct descriptors: one for each connection, or the first for the datagram socket.
const FILES: u32 = 4096;
/// What the kernel writes before a datagram's payload: its own header, `io_uring_recvmsg_out`, and an IPv4 address.
const HEADER_BYTES: u32 = 32;
const NAME_OFFSET: usize = 16;
const NAME_BYTES: u32 = 16;
const _: () = assert!(NAME_BYTES as usize == size_of::<libc::sockaddr_in>());
const _: () = assert!(HEADER_BYTES as usize == NAME_OFFSET + NAME_BYTES as usize);
