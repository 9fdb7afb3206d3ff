//! From an operation to its submission entry; what it lends is parked first.

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use socket2::SockAddr;

use super::{DATAGRAM_GROUP, STREAM_GROUP, Uring, bell_descriptor};
use crate::limits;
use crate::ring::datagram::NAME_BYTES;
use crate::ring::files::Descriptor;
use crate::ring::leases::{Gather, Lent, MessageHeader, ParkedDatagram, ParkedSend, Parking, Part, PeerName};
use crate::ring::op::{Bell, Op, SendMode};
use crate::ring::raw;
use crate::ring::token::{Generation, Kind, Token};

/// What is lent to the kernel, by the kind and slot of the operation.
pub(in crate::ring) struct Loans {
    pub(super) accepts: Parking<Lent<PeerName>>,
    pub(super) connects: Parking<Box<SockAddr>>,
    pub(super) sends: Parking<ParkedSend>,
    pub(super) datagrams: Parking<ParkedDatagram>,
    /// Says to multishot `recvmsg` how many bytes to reserve for a name; shared, since the kernel only reads it.
    template: Lent<libc::msghdr>,
    /// Headers for sends of several parts, to use again.
    pub(super) headers: Vec<Lent<MessageHeader>>,
}

impl Loans {
    pub(super) fn new() -> Self {
        let mut template = empty_header();
        template.msg_namelen = u32::try_from(NAME_BYTES).expect("an address is short");
        Self {
            accepts: Parking::new(),
            connects: Parking::new(),
            sends: Parking::new(),
            datagrams: Parking::new(),
            template: Lent::new(template),
            headers: Vec::new(),
        }
    }
}

impl Uring {
    #[inline]
    pub(super) fn push_op(&mut self, op: Op) {
        match op {
            Op::Accept { token, listener } => self.push_accept(token, listener),
            Op::Connect { token, file, address } => self.push_connect(token, file, address),
            Op::Receive { token, file, credit, wait_first } => {
                self.push_receive(token, file, credit, wait_first);
            }
            Op::Send { token, file, gather, mode } => self.push_send(token, file, gather, mode),
            Op::ReceiveFrom { token, file } => self.push_receive_from(token, file),
            Op::SendTo { token, file, to, payload } => self.push_send_to(token, file, to, payload),
            Op::Shutdown { token, file } => {
                let entry = opcode::Shutdown::new(file.fixed(), libc::SHUT_WR).build();
                self.push_entry(&entry.user_data(token.bits()));
            }
            Op::Cancel { token, target } => {
                let entry = opcode::AsyncCancel::new(target.bits()).build();
                self.push_entry(&entry.user_data(token.bits()));
            }
            Op::Close { token, file } => self.push_close(token, file),
            Op::Ring { token, bell } => self.push_ring(token, &bell),
        }
    }

    fn push_accept(&mut self, token: Token, listener: Descriptor) {
        let place = self.memory.loans.accepts.place(token.slot());
        let lent = place.get_or_insert_with(|| Lent::new(PeerName::empty()));
        let target = lent.as_ptr();
        // SAFETY: the slot has no accept in flight (its owner pushes the next one after the last one's completion), so
        // the kernel does not use `target`, which is valid and aligned as long as `lent` lives.
        unsafe { target.write(PeerName::empty()) };
        // SAFETY: `target` points to a live `PeerName`, see above; only the address of its field is taken.
        let length = unsafe { &raw mut (*target).bytes };
        let entry = opcode::Accept::new(listener.fixed(), target.cast(), length)
            .file_index(Some(types::DestinationSlot::auto_target()))
            .build();
        self.push_entry(&entry.user_data(token.bits()));
    }

    fn push_connect(&mut self, token: Token, file: Descriptor, address: Box<SockAddr>) {
        let entry = opcode::Connect::new(file.fixed(), address.as_ptr().cast(), address.len()).build();
        self.memory.loans.connects.park(token.slot(), address);
        self.push_entry(&entry.user_data(token.bits()));
    }

    fn push_receive(&mut self, token: Token, file: Descriptor, credit: u32, wait_first: bool) {
        let one_by_one = self.memory.one_by_one[file.place() as usize];
        let mut entry = if one_by_one { receive_once(file) } else { self.receive_many(file, credit) };
        if wait_first {
            raw::set_poll_first(&mut entry);
        }
        self.push_entry(&entry.user_data(token.bits()));
    }

    /// A receive that goes on until its credit is used up.
    fn receive_many(&self, file: Descriptor, credit: u32) -> Entry {
        let mut receive = opcode::RecvMulti::new(file.fixed(), STREAM_GROUP);
        if self.capabilities.receive_credit {
            // A credit below one buffer is kept only with this: the total is looked at after each receive.
            receive = receive.len(credit.min(self.memory.streams.pool.buffer_bytes()));
        }
        let mut entry = receive.build();
        if self.capabilities.receive_credit {
            raw::set_receive_credit(&mut entry, credit);
        }
        entry
    }

    fn push_send(&mut self, token: Token, file: Descriptor, gather: Gather, mode: SendMode) {
        let flags = libc::MSG_NOSIGNAL
            | match mode {
                SendMode::Now => libc::MSG_DONTWAIT,
                // A short send fails then, and so it answers: with as much as was taken.
                SendMode::Quiet => libc::MSG_DONTWAIT | libc::MSG_WAITALL,
                // Without MSG_WAITALL a send that waited answers as soon as some of it is taken: so a slow peer's
                // progress is seen, and tells it from one that stands still.
                SendMode::Wait => 0,
            };
        let (entry, header) = match gather.parts() {
            [part] => (send_one(file, part, flags), None),
            parts => {
                let header = self.memory.loans.headers.pop();
                let header = header.unwrap_or_else(|| Lent::new(MessageHeader::empty()));
                (send_many(file, parts, &header, flags), Some(header))
            }
        };
        let parked = ParkedSend { gather, header, entry: self.pushed };
        self.memory.loans.sends.park(token.slot(), parked);
        let mut entry = entry.user_data(token.bits());
        if mode == SendMode::Quiet {
            self.quiet.begin(token, self.pushed);
            entry = entry.flags(Flags::SKIP_SUCCESS);
        }
        self.push_entry(&entry);
    }

    fn push_receive_from(&mut self, token: Token, file: Descriptor) {
        let template = self.memory.loans.template.as_ptr();
        let entry = opcode::RecvMsgMulti::new(file.fixed(), template, DATAGRAM_GROUP).build();
        self.push_entry(&entry.user_data(token.bits()));
    }

    fn push_send_to(
        &mut self,
        token: Token,
        file: Descriptor,
        to: Option<std::net::SocketAddr>,
        payload: Part,
    ) {
        let place = self.memory.loans.datagrams.place(token.slot());
        let parked =
            place.get_or_insert_with(|| ParkedDatagram { payload: None, name: Lent::new(PeerName::empty()) });
        assert!(parked.payload.is_none(), "one datagram in flight per slot");
        let payload = parked.payload.insert(payload);
        let length = parked.name.set(to);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // A send with an address costs 2 % less than a sendmsg of one part.
        let bytes = payload.bytes();
        let count = u32::try_from(bytes.len()).expect("a datagram has at most 65,527 bytes");
        let mut send = opcode::Send::new(file.fixed(), bytes.as_ptr(), count).flags(flags);
        if let Some(length) = length {
            send = send.dest_addr(parked.name.address()).dest_addr_len(length);
        }
        self.push_entry(&send.build().user_data(token.bits()));
    }

    fn push_close(&mut self, token: Token, file: Descriptor) {
        let all = types::CancelBuilder::fd(file.fixed()).all();
        let cancel = opcode::AsyncCancel2::new(all).build().flags(Flags::IO_HARDLINK);
        self.push_entry(&cancel.user_data(token.with_kind(Kind::CloseCancel).bits()));
        let close = opcode::Close::new(file.fixed()).build();
        self.push_entry(&close.user_data(token.with_kind(Kind::Close).bits()));
    }

    fn push_ring(&mut self, token: Token, bell: &Bell) {
        let arrival = Token::new(Kind::Doorbell, 0, Generation::new(0));
        let ring = types::Fd(bell_descriptor(bell));
        let entry = opcode::MsgRingData::new(ring, 0, arrival.bits(), None).build();
        self.push_entry(&entry.user_data(token.bits()));
    }
}

/// A receive that ends with the first bytes.
fn receive_once(file: Descriptor) -> Entry {
    let receive = opcode::Recv::new(file.fixed(), std::ptr::null_mut(), 0).buf_group(STREAM_GROUP);
    receive.build().flags(Flags::BUFFER_SELECT)
}

fn send_one(file: Descriptor, part: &Part, flags: i32) -> Entry {
    let bytes = part.bytes();
    let length = u32::try_from(bytes.len()).expect("a part is far below 4 GiB");
    opcode::Send::new(file.fixed(), bytes.as_ptr(), length).flags(flags).build()
}

fn send_many(file: Descriptor, parts: &[Part], header: &Lent<MessageHeader>, flags: i32) -> Entry {
    fill_header(header, parts);
    // SAFETY: only the address of the field is taken; the header is parked with the send.
    let header = unsafe { &raw const (*header.as_ptr()).header };
    opcode::SendMsg::new(file.fixed(), header).flags(message_flags(flags)).build()
}

fn message_flags(flags: i32) -> u32 {
    u32::try_from(flags).expect("message flags are positive")
}

/// Writes addresses and lengths of `parts`.
fn fill_header(lent: &Lent<MessageHeader>, parts: &[Part]) {
    // SAFETY: the header is not in flight: it was just taken from the pool; so this is the only reference.
    let message = unsafe { &mut *lent.as_ptr() };
    assert!(parts.len() <= limits::SEND_PARTS_MAX, "a send has at most SEND_PARTS_MAX parts");
    for (vector, part) in message.parts.iter_mut().zip(parts) {
        let bytes = part.bytes();
        *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    }
    message.header.msg_iov = message.parts.as_mut_ptr();
    message.header.msg_iovlen = parts.len();
}

impl Lent<PeerName> {
    /// Writes an address, and returns its length.
    fn set(&self, to: Option<std::net::SocketAddr>) -> Option<u32> {
        let address = SockAddr::from(to?);
        let source = address.as_ptr().cast::<u8>();
        let target = self.as_ptr().cast::<u8>();
        // SAFETY: socket2 keeps `len` initialised bytes at its pointer, no more than the `sockaddr_storage` that the
        // name begins with; nothing of the slot is in flight, so nobody else uses the name.
        unsafe { std::ptr::copy_nonoverlapping(source, target, address.len() as usize) };
        Some(address.len())
    }

    fn address(&self) -> *const libc::sockaddr {
        self.as_ptr().cast()
    }
}

impl PeerName {
    fn empty() -> Self {
        let bytes = u32::try_from(size_of::<libc::sockaddr_storage>()).expect("an address is short");
        Self { name: empty_name(), bytes }
    }
}

impl MessageHeader {
    fn empty() -> Self {
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self { header: empty_header(), parts: [nothing; limits::SEND_PARTS_MAX] }
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: `msghdr` is a C structure of numbers and pointers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn empty_name() -> libc::sockaddr_storage {
    // SAFETY: `sockaddr_storage` is a C structure of numbers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}
