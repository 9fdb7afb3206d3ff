//! What comes before the service: who may come in, a PROXY header, a TLS handshake.

use super::streams::owned;
use super::{Shard, TlsStart};
use crate::access::addresses::Refusal;
use crate::access::meter::Meter;
use crate::connection::tls::{Received as Decrypted, TlsError};
use crate::connection::{ConnectionId, Cut, Inbox, State, Transport};
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::proxy;
use crate::ring::{Kernel, Part, RecvBuf};
use crate::service::Service;
use crate::sys::address::Peer;

impl<K: Kernel, S: Service> Shard<K, S> {
    /// Lets a connection in that has just been accepted, or turns it away.
    pub(super) fn let_in(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        let Some(door) = self.doors.get(usize::from(connection.listener)) else {
            return self.open_session(id);
        };
        if door.has_opening() {
            match Transport::new(door.proxy_protocol, door.tls.as_ref()) {
                Ok(transport) => connection.set_transport(transport),
                Err(error) => {
                    tracing::error!("a TLS connection cannot be begun: {error}");
                    return self.cut(id, Cut::Unexpected);
                }
            }
        }
        // Behind a proxy the address is that of the proxy until it says whose it is.
        let waits = connection.transport().is_some_and(Transport::awaits_proxy);
        if waits || self.check_in(id) {
            self.open_when_ready(id);
        }
    }

    /// Asks whether this address may come. Returns whether it may; if not, the connection is cut.
    fn check_in(&mut self, id: ConnectionId) -> bool {
        let connection = owned(&mut self.connections, id);
        let Some(ip) = connection.peer.ip() else { return true };
        let admits = |door: &super::Door| door.networks.admits(ip);
        if !self.doors.get(usize::from(connection.listener)).is_none_or(admits) {
            self.turn_away(id, Refused::Network);
            return false;
        }
        let Some(addresses) = &self.addresses else { return true };
        let refused = match addresses.enter(ip, self.now) {
            Ok(ticket) => {
                self.places[id.slot() as usize].meter = Meter::new(Some(ticket));
                return true;
            }
            Err(Refusal::Connections) => Refused::AddressConnections,
            Err(Refusal::Arrivals(_)) => Refused::AddressArrivals,
            Err(Refusal::ArrivalsInAll(_)) => Refused::Arrivals,
        };
        self.turn_away(id, refused);
        false
    }

    /// Cuts a connection that may not come.
    fn turn_away(&mut self, id: ConnectionId, refused: Refused) {
        self.note_refused(id, refused);
        self.cut(id, Cut::TurnedAway);
    }

    /// Begins the service when nothing stands before it any more.
    fn open_when_ready(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        if connection.state() != State::Open {
            return;
        }
        let greeted = self.places[id.slot() as usize].session.is_some();
        if !connection.transport().is_none_or(Transport::is_open) {
            let door = self.doors.get(usize::from(connection.listener));
            match door.map(|door| door.tls_start).unwrap_or_default() {
                TlsStart::AfterGreeting if !greeted => self.greet_before_tls(id),
                TlsStart::Either if !greeted => {
                    let patience = self.now.saturating_add(limits::NATS_TLS_PATIENCE);
                    connection.set_opening_timer(Some(patience));
                    self.touch(id);
                }
                _ => {}
            }
            return;
        }
        connection.set_opened();
        if greeted {
            // Its timer was not heard while TLS began.
            return self.serve_bytes(id, |service, session, carried, context| {
                // The terms may have changed meanwhile.
                service.review(session, context);
                let mut inbox = Inbox::carried(carried);
                service.timer(session, &mut inbox, context);
                inbox.carry()
            });
        }
        self.open_session(id);
    }

    /// Lets the service greet in the clear; whatever follows is behind TLS.
    pub(super) fn greet_before_tls(&mut self, id: ConnectionId) {
        if self.places[id.slot() as usize].session.is_some() {
            return;
        }
        let connection = owned(&mut self.connections, id);
        let transport = connection.take_transport();
        connection.set_opened();
        self.open_session(id);
        let connection = owned(&mut self.connections, id);
        if let Some(transport) = transport {
            connection.set_transport(*transport);
        }
        self.touch(id);
    }

    /// Bytes came in for a connection that has something before its service.
    pub(super) fn handle_wire(&mut self, id: ConnectionId, mut bytes: RecvBuf) {
        let connection = owned(&mut self.connections, id);
        let transport = connection.transport_mut().expect("whoever calls has seen it");
        if transport.awaits_proxy() {
            match transport.take_proxy(&bytes) {
                Ok(None) => return,
                Ok(Some((header, taken))) => {
                    bytes.advance(taken);
                    if !self.handle_proxy_header(id, &header) {
                        return;
                    }
                }
                Err(_) => return self.turn_away(id, Refused::ProxyHeader),
            }
        }
        if bytes.is_empty() {
            return;
        }
        let has_filter = owned(&mut self.connections, id).transport().is_some_and(|it| it.filter().is_some());
        if has_filter {
            self.handle_encrypted(id, &bytes);
        } else {
            self.serve_received(id, bytes);
        }
    }

    /// The proxy has said who the peer is. Returns whether the connection goes on.
    fn handle_proxy_header(&mut self, id: ConnectionId, header: &proxy::Header) -> bool {
        if let Some(addresses) = &header.addresses {
            owned(&mut self.connections, id).peer = Peer::from_ip(addresses.source);
        }
        let may = self.check_in(id);
        if may {
            self.open_when_ready(id);
        }
        may
    }

    /// TLS records came in.
    fn handle_encrypted(&mut self, id: ConnectionId, wire: &[u8]) {
        let connection = owned(&mut self.connections, id);
        if connection.is_opening() && self.places[id.slot() as usize].session.is_none() {
            // It has begun, so nobody waits for a greeting.
            connection.set_opening_timer(None);
        }
        let Some(filter) = connection.filter_mut() else { return };
        let mut plain = std::mem::take(&mut self.plain);
        let mut out = Vec::new();
        let result = filter.receive(wire, &mut plain, &mut out);
        let connection = owned(&mut self.connections, id);
        connection.outbox.write_owned(out);
        let told = *result.as_ref().unwrap_or(&Decrypted::default());
        if told.handshake_done {
            self.count_handshake(id);
            self.open_when_ready(id);
        }
        if !plain.is_empty() {
            self.serve_decrypted(id, &mut plain);
        }
        if told.peer_closed {
            owned(&mut self.connections, id).handle_stream_end();
            self.tell_of_end(id);
        }
        if let Err(error) = result {
            self.handle_tls_error(id, &error);
        }
        plain.clear();
        // What a burst needed is given back.
        plain.shrink_to(limits::TLS_PLAIN_BYTES_KEPT);
        self.plain = plain;
    }

    fn serve_decrypted(&mut self, id: ConnectionId, plain: &mut [u8]) {
        let connection = owned(&mut self.connections, id);
        connection.has_spoken = true;
        if connection.is_read() {
            self.serve_bytes(id, |service, session, carried, context| {
                let mut inbox = Inbox::decrypted(carried, plain);
                service.receive(session, &mut inbox, context);
                inbox.carry()
            });
        } else if connection.state() == State::Open {
            connection.carried.append(plain);
        }
    }

    fn count_handshake(&mut self, id: ConnectionId) {
        let resumed = owned(&mut self.connections, id).filter_mut().is_some_and(|filter| filter.is_resumed());
        self.metrics.counters.tls_handshakes += 1;
        self.metrics.counters.tls_resumed += u64::from(resumed);
    }

    /// Encrypts what the service wrote.
    pub(super) fn encrypt(&mut self, id: ConnectionId, ends: bool) {
        let parts = self.unencrypted.take_queued();
        let connection = owned(&mut self.connections, id);
        let Some(filter) = connection.filter_mut() else { return };
        let mut out = Vec::new();
        let slices: Vec<&[u8]> = parts.iter().map(Part::bytes).collect();
        let result = if slices.is_empty() { Ok(()) } else { filter.send(&slices, &mut out) };
        if ends {
            filter.close(&mut out);
        }
        connection.outbox.write_owned(out);
        self.unencrypted.give_room(parts);
        match result {
            // It has failed, or ended, before: there is nobody who could read this, but perhaps an alert to be sent.
            Ok(()) | Err(TlsError::Ended) => {}
            Err(_) => self.cut(id, Cut::Unexpected),
        }
    }

    /// TLS failed: what is to be said about it is said, and the connection ends.
    fn handle_tls_error(&mut self, id: ConnectionId, error: &TlsError) {
        let connection = owned(&mut self.connections, id);
        if matches!(error, TlsError::PlainHttp) {
            connection.outbox.write(PLAIN_HTTP_ANSWER);
        }
        connection.finish(self.now);
        self.note_refused(id, refused_for(error));
        tracing::debug!(shard = self.options.number, "TLS failed: {error}");
    }

    /// Counts why a peer was turned away, and says it unless that was said often enough.
    pub(super) fn note_refused(&mut self, id: ConnectionId, refused: Refused) {
        let peer = owned(&mut self.connections, id).peer;
        self.count_refused(peer, refused);
    }

    /// As [`note_refused`](Self::note_refused), for a peer without a connection.
    pub(super) fn count_refused(&mut self, peer: Peer, refused: Refused) {
        *refused.count(&mut self.metrics.counters) += 1;
        self.say_refused(peer, refused);
    }

    /// Says why a peer was turned away, unless that was said often enough.
    pub(super) fn log_refused(&mut self, id: ConnectionId, refused: Refused) {
        let peer = owned(&mut self.connections, id).peer;
        self.say_refused(peer, refused);
    }

    fn say_refused(&mut self, peer: Peer, refused: Refused) {
        let suppressed = self.notices.refused(self.options.number, peer, refused, self.now);
        self.metrics.counters.log_lines_suppressed += u64::from(suppressed);
    }
}

/// Whoever speaks HTTP to a port with TLS is told so.
const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 45\r\nConnection: close\r\n\r\nThis port speaks TLS: ask with https instead.";

/// What operators call it.
fn refused_for(error: &TlsError) -> Refused {
    match error {
        TlsError::PlainHttp => Refused::TlsPlain,
        TlsError::NoSharedCipher | TlsError::NoSharedProtocol | TlsError::ProtocolVersion => {
            Refused::TlsNegotiation
        }
        TlsError::UnknownCa | TlsError::BadCertificate(_) | TlsError::NoCertificate => {
            Refused::TlsCertificate
        }
        // RFC 8446, section 6: 42 to 49 and 116 are about certificates, ours in this case.
        TlsError::AlertReceived(42..=49 | 116) => Refused::TlsCertificate,
        TlsError::Decrypt | TlsError::Malformed(_) | TlsError::TooLarge => Refused::TlsMalformed,
        _ => Refused::TlsOther,
    }
}
