//! WebSocket on an HTTP connection: its frames, its pings and its end. What a message means is the business of the
//! site. Whatever one turn makes leaves in one send.

use std::time::Duration;

use super::settings::WebSocketSettings;
use super::site::{Page, Site};
use super::talk::{Talk, Wishes};
use crate::connection::Inbox;
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::{Request, Version};
use crate::protocol::websocket::{
    self, Accepted, CloseCode, Closing, Deflater, Event, Failure, Kind, Limits, Next, Receiver, Role, accept,
    sender,
};
use crate::service::Context;
use crate::sys::clock::Time;

/// One WebSocket connection.
#[derive(Debug)]
pub(super) struct WebSocket<S> {
    /// What the site remembers of it.
    pub(super) seat: S,
    /// What the site has asked for it.
    pub(super) wishes: Wishes,
    receiver: Receiver,
    closing: Closing,
    sends: Sends,
    /// From which second since 1970 on its credential is not good any more.
    pub(super) ends_at: Option<u64>,
    ping_interval: Duration,
    /// When the peer was last heard.
    heard: Time,
    /// Since when a ping waits for its pong.
    pinged: Option<Time>,
    /// When our close frame was sent.
    closed_since: Option<Time>,
}

/// How its messages are sent.
#[derive(Debug)]
enum Sends {
    /// As they are.
    Plain,
    /// Compressed, with a window of so many bits that no message shares.
    Alone(u8),
    /// Compressed, each with what went before.
    Together(Box<Deflater>),
}

/// A WebSocket connection that was opened, and the subprotocol that was agreed.
type Upgraded<'s, S> = (WebSocket<S>, Option<&'s str>);

/// What WebSocket connections have in common.
#[derive(Debug, Default)]
pub(super) struct WebSockets {
    /// Compressors without memory, one for each window.
    deflaters: [Option<Box<Deflater>>; 16],
}

impl WebSockets {
    /// Answers a request for a WebSocket, if it is right; or says what to answer.
    pub(super) fn accept<'s, S>(
        &mut self,
        request: &Request<'_>,
        seat: S,
        settings: &'s WebSocketSettings,
        date: &[u8; 29],
        context: &mut Context<'_>,
    ) -> Result<Upgraded<'s, S>, (Refused, Page)> {
        let version = if request.version == Version::Http11 { (1, 1) } else { (1, 0) };
        let line = websocket::Request { method: request.method.as_bytes(), version };
        let accepted = accept(line, request.headers.iter(), &settings.policy).map_err(refused)?;
        context.outbox.write_with(|out| {
            out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nDate: ");
            out.extend_from_slice(date);
            out.extend_from_slice(b"\r\n");
            accepted.write_fields(out);
            out.extend_from_slice(b"\r\n");
        });
        context.counters.websockets_open += 1;
        Ok((self.begin(seat, &accepted, settings, context.now), accepted.subprotocol))
    }

    fn begin<S>(
        &mut self,
        seat: S,
        accepted: &Accepted<'_>,
        settings: &WebSocketSettings,
        now: Time,
    ) -> WebSocket<S> {
        let deflate = accepted.deflate.as_ref().zip(settings.policy.deflate.as_ref());
        let deflater = deflate.and_then(|(agreed, settings)| agreed.deflater(Role::Server, settings));
        let sends = match deflater {
            None => Sends::Plain,
            Some(deflater) if deflater.keeps_context() => Sends::Together(Box::new(deflater)),
            Some(deflater) => {
                let bits = deflater.window_bits();
                self.deflaters[usize::from(bits)].get_or_insert_with(|| Box::new(deflater));
                Sends::Alone(bits)
            }
        };
        WebSocket {
            seat,
            wishes: Wishes::default(),
            receiver: Receiver::new(Role::Server, settings.limits, accepted.deflate.as_ref()),
            closing: Closing::new(Role::Server),
            sends,
            ends_at: None,
            ping_interval: settings.ping_interval,
            heard: now,
            pinged: None,
            closed_since: None,
        }
    }

    /// Answers what has come.
    pub(super) fn receive<P: Site>(
        &mut self,
        site: &mut P,
        websocket: &mut WebSocket<P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        let (mut messages, mut controls) = (0, 0);
        self.wait_until_known(site, websocket, context);
        while !context.is_ending() && !context.is_held() && !inbox.is_empty() {
            if context.room() == 0 {
                context.hold_for_room();
                break;
            }
            if context.hub.is_sated() {
                context.hold_for_turn();
                break;
            }
            if context.hub.is_congested() {
                context.hold_until(context.now.saturating_add(limits::HUB_PAUSE));
                break;
            }
            let step = match websocket.receiver.receive(inbox.bytes_mut()) {
                Ok(step) => step,
                Err(failure) => {
                    websocket.fail(failure, context);
                    inbox.consume(inbox.bytes().len());
                    break;
                }
            };
            let (consumed, has_event) = (step.consumed, step.event.is_some());
            if let Some(event) = step.event {
                messages += u64::from(matches!(event, Event::Message { .. }));
                controls += u64::from(!matches!(event, Event::Message { .. } | Event::Piece(_)));
                let deflater = websocket.sends.deflater(&mut self.deflaters);
                let WebSocket { closing, seat, wishes, .. } = websocket;
                handle(event, site, closing, seat, Talk { context, deflater, wishes });
            }
            inbox.consume(consumed);
            if 0 < consumed {
                websocket.hear(context.now);
            }
            websocket.follow(context);
            self.wait_until_known(site, websocket, context);
            if !has_event {
                break;
            }
        }
        context.counters.websocket_messages_received += messages;
        let charged = if site.charges_messages() { 0 } else { messages };
        websocket.charge(charged + controls, context);
        if websocket.closing.next() == Next::End {
            context.finish();
        }
    }

    /// Tells the site that all shards know what it listens to, if it waits for that and they do; if they do not, nothing more
    /// is read until then.
    #[inline]
    fn wait_until_known<P: Site>(
        &mut self,
        site: &mut P,
        websocket: &mut WebSocket<P::Seat>,
        context: &mut Context<'_>,
    ) {
        if !websocket.wishes.until_known || context.is_held() {
            return;
        }
        if !websocket.is_known(context) {
            return context.hold_until_known();
        }
        websocket.wishes.until_known = false;
        self.consult(websocket, context, |seat, talk| site.known(seat, talk));
    }

    /// Lets the site act on a connection, and does what it asks for.
    pub(super) fn consult<S>(
        &mut self,
        websocket: &mut WebSocket<S>,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut S, &mut Talk<'_, '_>),
    ) {
        if !websocket.closing.may_send() {
            return;
        }
        let deflater = websocket.sends.deflater(&mut self.deflaters);
        let WebSocket { seat, wishes, .. } = websocket;
        act(seat, &mut Talk { context, deflater, wishes });
        websocket.follow(context);
    }

    /// A timer has come: a silent peer is pinged, one that does not answer is cut.
    pub(super) fn expire<P: Site>(
        &mut self,
        site: &mut P,
        websocket: &mut WebSocket<P::Seat>,
        context: &mut Context<'_>,
    ) {
        let interval = websocket.ping_interval;
        if let Some(since) = websocket.closed_since {
            if limits::WEBSOCKET_CLOSE_TIMEOUT <= context.now.saturating_since(since) {
                return context.finish();
            }
            return context.set_timer(since.saturating_add(limits::WEBSOCKET_CLOSE_TIMEOUT));
        }
        if websocket.ends_at.is_some_and(|end| end <= context.unix_seconds) {
            context.refuse(Refused::CredentialExpired);
            return websocket.say_goodbye(CloseCode::POLICY, "The credential has expired.", context);
        }
        if websocket.wishes.wake_at.is_some_and(|time| time <= context.now) {
            websocket.wishes.wake_at = None;
            self.consult(websocket, context, |seat, talk| site.woken(seat, talk));
            if websocket.closed_since.is_some() {
                return;
            }
        }
        if context.is_deaf() {
            // Its pong may lie behind what is not read. Whoever takes nothing meets the stall time-out.
            websocket.hear(context.now);
        }
        let silent = context.now.saturating_since(websocket.heard);
        if silent < interval {
            return context.set_timer(websocket.next_check(context));
        }
        match websocket.pinged {
            Some(since) if interval <= context.now.saturating_since(since) => {
                context.refuse(Refused::Slow);
                return context.abort();
            }
            // What woke it was the credential's end, and the time of day is not there yet: it may be set back.
            Some(_) => {}
            None => {
                websocket.pinged = Some(context.now);
                context.outbox.write_with(|out| sender::ping(out, &[], None));
            }
        }
        context.set_timer(websocket.next_check(context));
    }

    /// The server is stopping.
    pub(super) fn go_away<S>(&mut self, websocket: &mut WebSocket<S>, context: &mut Context<'_>) {
        websocket.say_goodbye(CloseCode::GOING_AWAY, "The server is stopping.", context);
    }
}

impl Sends {
    fn deflater<'a>(&'a mut self, shared: &'a mut [Option<Box<Deflater>>; 16]) -> Option<&'a mut Deflater> {
        match self {
            Self::Plain => None,
            Self::Alone(bits) => shared[usize::from(*bits)].as_deref_mut(),
            Self::Together(deflater) => Some(&mut **deflater),
        }
    }
}

impl Wishes {
    /// Leaves the hub, after what it has for this connection so far: nothing may follow a close frame.
    fn part(&mut self, context: &mut Context<'_>) {
        if let Some(client) = self.client.take() {
            context.hub.catch_up(client, context.outbox);
            context.hub.leave(client);
        }
    }
}

impl<S> WebSocket<S> {
    /// The peer has given a sign of life, or could not: it was not read from.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now;
        self.pinged = None;
    }

    /// From now on messages of bytes are given to the site as they come, piece by piece: a message is no unit to it. Each may
    /// have so many bytes.
    pub(super) fn take_in_pieces(&mut self, bytes_max: usize) {
        self.receiver.take_in_pieces(Limits { message_bytes_max: bytes_max, frame_bytes_max: bytes_max });
    }

    /// Whether all shards know what it listens to.
    fn is_known(&self, context: &Context<'_>) -> bool {
        self.wishes.client.is_none_or(|client| context.hub.is_known_elsewhere(client))
    }

    /// Does what the site has asked for.
    #[inline]
    fn follow(&mut self, context: &mut Context<'_>) {
        if let Some((code, reason)) = self.wishes.goodbye.take() {
            return self.say_goodbye(code, &reason, context);
        }
        if let Some(time) = self.wishes.wake_at
            && context.timer.is_none_or(|timer| time < timer)
        {
            context.set_timer(time);
        }
    }

    /// The peer broke the protocol.
    fn fail(&mut self, failure: Failure, context: &mut Context<'_>) {
        let too_big = failure.code == CloseCode::TOO_BIG;
        context.refuse(if too_big { Refused::TooLarge } else { Refused::Malformed });
        context.counters.websocket_failures += 1;
        if self.closing.fail() {
            close(&mut self.wishes, context, Some(failure.code), failure.reason);
        }
        context.finish();
    }

    /// Its user has gone, or is another one by now.
    pub(super) fn revoke(&mut self, context: &mut Context<'_>) {
        context.refuse(Refused::CredentialRevoked);
        self.say_goodbye(CloseCode::POLICY, "The credential is not good any more.", context);
    }

    /// Sends a close frame, and waits for the peer's, but not for ever.
    fn say_goodbye(&mut self, code: CloseCode, reason: &str, context: &mut Context<'_>) {
        if self.closing.start() {
            close(&mut self.wishes, context, Some(code), reason);
            self.closed_since = Some(context.now);
            // Its own may have come already, and lie behind messages that are kept back.
            context.release();
            context.set_timer(context.now.saturating_add(limits::WEBSOCKET_CLOSE_TIMEOUT));
        }
    }

    /// The connection ends: the peer is told so, if it was not.
    pub(super) fn last_word(&mut self, code: CloseCode, context: &mut Context<'_>) {
        if self.closing.start() {
            close(&mut self.wishes, context, Some(code), "");
        }
    }

    /// When to look at the peer again: it may be silent, or its credential be over.
    pub(super) fn next_check(&self, context: &Context<'_>) -> Time {
        let silence = self.pinged.unwrap_or(self.heard).saturating_add(self.ping_interval);
        let silence = self.before_end(silence, context);
        self.wishes.wake_at.map_or(silence, |time| time.min(silence))
    }

    /// This time, or the end of its credential if that comes first.
    fn before_end(&self, time: Time, context: &Context<'_>) -> Time {
        let left = |end: u64| Duration::from_secs(end.saturating_sub(context.unix_seconds).max(1));
        let end = self.ends_at.map(|end| context.now.saturating_add(left(end)));
        end.map_or(time, |end| end.min(time))
    }

    /// Slows a peer that sends too many messages, pings among them. After our close frame none is answered, and what is
    /// awaited is the peer's.
    fn charge(&self, messages: u64, context: &mut Context<'_>) {
        if messages == 0 {
            return;
        }
        let debt = context.charge_messages(messages);
        if !debt.is_zero() && !context.is_ending() && self.closing.may_send() {
            context.counters.throttled += 1;
            context.hold_until(self.before_end(context.now.saturating_add(debt), context));
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let window = match &self.sends {
            Sends::Together(deflater) => deflater.memory_bytes(),
            Sends::Plain | Sends::Alone(_) => 0,
        };
        self.receiver.memory_bytes() + window
    }
}

/// Answers one event.
#[inline]
fn handle<P: Site>(
    event: Event<'_>,
    site: &mut P,
    closing: &mut Closing,
    seat: &mut P::Seat,
    mut talk: Talk<'_, '_>,
) {
    match event {
        Event::Message { kind, payload } if closing.may_send() => {
            site.message(seat, kind, payload, &mut talk);
        }
        Event::Piece(payload) if closing.may_send() => {
            site.message(seat, Kind::Binary, payload, &mut talk);
        }
        Event::Ping(payload) if closing.may_send() => {
            talk.context.outbox.write_with(|out| sender::pong(out, payload, None));
        }
        Event::Close { code, .. } => {
            if closing.receive() {
                close(talk.wishes, talk.context, code, "");
            }
        }
        Event::Message { .. } | Event::Piece(_) | Event::Ping(_) | Event::Pong(_) => {}
    }
}

fn close(wishes: &mut Wishes, context: &mut Context<'_>, code: Option<CloseCode>, reason: &str) {
    wishes.part(context);
    context.outbox.write_with(|out| sender::close(out, code, reason, None));
}

/// What a wrong request is told.
fn refused(reason: websocket::Refused) -> (Refused, Page) {
    let refused = match reason {
        websocket::Refused::Name | websocket::Refused::Origin => Refused::Origin,
        _ => Refused::Malformed,
    };
    // What a 426 has to say of upgrades is written with every one.
    let field = reason.field().filter(|(name, _)| *name != "Upgrade");
    let field = field.map(|(name, value)| (name, value.into()));
    (refused, Page { field, ..Page::sentence(reason.status(), &reason.to_string()) })
}
