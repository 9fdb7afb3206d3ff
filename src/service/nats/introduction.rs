//! How a server and a client get to know each other: INFO, CONNECT, and the first PONG.

use super::Nats;
use super::access::{Entry, Waiting};
use super::session::{Session, State, first_ping};
use super::settings::Settings;
use crate::access::token::Denied;
use crate::access::users::Grant;
use crate::metrics::{NatsError, Refused};
use crate::protocol::nats::server::{Connect, Fault, Info, Violation, encode};
use crate::service::Context;
use crate::service::pass::Pass;

impl Nats {
    /// Says who the server is; or, once the client is `known`, what holds for it.
    pub(super) fn tell_info(
        &mut self,
        state: &mut State,
        settings: &Settings,
        known: bool,
        context: &mut Context<'_>,
    ) {
        let address = context.peer.ip().map(|ip| ip.to_string()).unwrap_or_default();
        let info = Info {
            server_id: settings.identity.id(),
            server_name: NAME,
            version: VERSION,
            proto: 1,
            host: &settings.host,
            port: settings.port,
            headers: true,
            auth_required: self.gate.asks(settings, context),
            tls_required: settings.tls_required,
            max_payload: u32::try_from(state.rules.payload_bytes_max).unwrap_or(u32::MAX),
            client_id: state.number,
            client_ip: &address,
            nonce: state.nonce.as_deref(),
            ldm: state.at.warned,
            connect_info: known,
            remote_account: known.then_some(ACCOUNT),
            ..Info::default()
        };
        self.scratch.clear();
        info.write(&mut self.scratch);
        self.say(&self.scratch, state, context);
    }

    /// The client says who it is, and what it wants.
    pub(super) fn connect(
        &mut self,
        json: &[u8],
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        let Ok(connect) = state.said_before().read_on(json) else {
            return self.end_for(Violation::Arguments, state, context);
        };
        // It was let in before, and claims to be nobody else.
        if (state.at.vouched || state.at.connected) && !connect.has_credentials() {
            return self.take(&connect, state, settings, context);
        }
        match self.gate.judge(connect.clone(), state, settings, context) {
            Entry::Granted(grant) => self.welcome(grant, &connect, state, settings, context),
            Entry::Denied(denied) => self.turn_away(denied, state, context),
            Entry::Later(waiting) => wait_on(waiting, state, context),
        }
    }

    /// Looks whether a password was checked. Returns whether the session can go on.
    pub(super) fn go_on(
        &mut self,
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(waiting) = state.waiting.take() else { return true };
        match waiting.asker.answer() {
            None if waiting.asker.is_late(context.now) => {
                self.end_late(Refused::PasswordTimeout, state, context);
            }
            None => {
                wait_on(waiting, state, context);
                return false;
            }
            // The users may be others by now than those who were asked for.
            Some(Ok(grant)) if !self.gate.confirms(Some(&Pass::new(grant.clone())), settings, context) => {
                self.turn_away(Denied::WrongPassword, state, context);
            }
            Some(Ok(grant)) => self.welcome(grant, &waiting.connect, state, settings, context),
            Some(Err(denied)) => self.turn_away(denied, state, context),
        }
        !context.is_ending()
    }

    /// The configuration was read again: who would not be let in any more has to go, as with nats-server.
    pub(crate) fn judge_again(&mut self, session: &Session, context: &mut Context<'_>) {
        let (state, settings) = (&session.state, self.settings(context));
        let is_in = state.rules.introduced && !context.is_ending();
        if is_in && !self.gate.confirms(state.pass.as_deref(), &settings, context) {
            context.refuse(Refused::CredentialRevoked);
            self.complain(Fault::Authorization, NatsError::Authorization, state, context);
        }
    }

    /// It is not known who the client is, and the time for that is over.
    pub(super) fn end_late(&mut self, why: Refused, state: &State, context: &mut Context<'_>) {
        context.refuse(why);
        self.complain(Fault::AuthenticationTimeout, NatsError::Authorization, state, context);
    }

    fn turn_away(&mut self, denied: Denied, state: &State, context: &mut Context<'_>) {
        context.refuse(match denied {
            Denied::Missing => Refused::CredentialMissing,
            Denied::Expired => Refused::CredentialExpired,
            _ => Refused::CredentialBad,
        });
        self.complain(Fault::Authorization, NatsError::Authorization, state, context);
    }

    /// The client is who it says: takes over what it asks for.
    fn welcome(
        &mut self,
        grant: Grant,
        connect: &Connect,
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        if state.admit(grant, settings, context).is_err() {
            context.refuse(Refused::UserConnections);
            return self.complain(Fault::Connections, NatsError::Authorization, state, context);
        }
        self.take(connect, state, settings, context);
    }

    /// Takes over what the client asks for.
    fn take(&mut self, connect: &Connect, state: &mut State, settings: &Settings, context: &mut Context<'_>) {
        if !(0..=1).contains(&connect.protocol) {
            return self.complain(Fault::ClientProtocol, NatsError::Connect, state, context);
        }
        if connect.no_responders && !connect.headers {
            return self.complain(Fault::NoRespondersNeedHeaders, NatsError::Connect, state, context);
        }
        if !state.rules.introduced {
            // From now on it is its silence that matters.
            state.check_at = context.now.saturating_add(first_ping(settings));
        }
        let headers_before = state.rules.headers;
        state.take(connect);
        state.check_before_end(context);
        context.set_timer(state.check_at);
        let client = state.join(settings, context);
        context.hub.set_options(client, state.options(settings));
        if headers_before != state.rules.headers {
            // Whoever knows no headers is sent none from now on, whatever it has subscribed to before.
            context.hub.reform(client);
        }
        self.confirm(state, context);
    }

    /// Answers a PING, if the other shards know by now of all that the client listens to; else waits until they do. Returns
    /// whether it is answered.
    pub(super) fn pay_pong(
        &mut self,
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) -> bool {
        if state.client.is_some_and(|client| !context.hub.is_known_elsewhere(client)) {
            context.hold_until_known();
            return false;
        }
        state.at.owes_pong = false;
        // It says that everything before it has come: what is held back, too.
        state.client.into_iter().for_each(|client| context.hub.flush(client, context.outbox));
        self.say(encode::PONG, state, context);
        // Clients read one line behind their first PING, and expect it to be the PONG.
        if state.at.connected && !state.at.settled {
            state.at.settled = true;
            if state.asks.updates {
                self.tell_info(state, settings, true, context);
            }
        }
        true
    }
}

/// Reads no more until a password was checked, and looks for that from time to time. As with nats-server, a client has said
/// in time who it is once it has said CONNECT: what follows is not its own time. One that ends its side meanwhile is taken to
/// have gone, and nothing is checked for it.
fn wait_on(waiting: Box<Waiting>, state: &mut State, context: &mut Context<'_>) {
    context.hold_until(waiting.asker.next_look(context.now));
    state.waiting = Some(waiting);
}

/// The software's name, in INFO.
const NAME: &str = "tidemill";
/// The version of nats-server whose client protocol is spoken. Libraries need a version of three numbers, and switch on what
/// came later than the one they read; JetStream's interface of 2.11 is not here, so 2.10 is the newest that is true.
const VERSION: &str = "2.10.0";
/// The account that everybody is in, as nats-server names its own.
const ACCOUNT: &str = "$G";
