//! What is remembered of one NATS client.

use super::access::Waiting;
use super::settings::Settings;
use crate::hub::{ClientId, ClientOptions, Form};
use crate::limits;
use crate::protocol::nats::server::{Connect, Reader, Rules};
use crate::service::Context;
use crate::service::pass::Pass;
use crate::sys::clock::Time;

/// One NATS client, however its bytes come.
#[derive(Debug)]
pub struct Session {
    pub(super) reader: Reader,
    pub(super) state: State,
}

/// What is known of the client, beside what it is about to say.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Rules,
    /// Who it is in the hub, from when it is let in.
    pub(super) client: Option<ClientId>,
    /// What it may do, where not everybody may do everything.
    pub(super) pass: Option<Box<Pass>>,
    /// The password that is being checked.
    pub(super) waiting: Option<Box<Waiting>>,
    /// What it says of itself, for people.
    pub(super) facts: Option<Facts>,
    /// What a client with a key is to sign.
    pub(super) nonce: Option<Box<str>>,
    /// Its number in this server.
    pub(super) number: u64,
    /// When it was last heard.
    pub(super) heard: Time,
    /// When it is to be looked at again: it may be silent, or late.
    pub(super) check_at: Time,
    pub(super) subscriptions_max: u32,
    pub(super) asks: Asks,
    pub(super) at: At,
    /// Pings that it has not answered.
    pub(super) pings_out: u32,
    /// Whether each turn's answers go in a WebSocket frame.
    pub(super) framed: bool,
}

/// What it asked for in CONNECT, or is given without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    pub(super) verbose: bool,
    pub(super) pedantic: bool,
    pub(super) echo: bool,
    pub(super) no_responders: bool,
    /// Whether it takes INFO at any time.
    pub(super) updates: bool,
}

/// Where in its life it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    /// Whether CONNECT has come.
    pub(super) connected: bool,
    /// Whether it was known who it is before it said CONNECT.
    pub(super) vouched: bool,
    /// Whether its first PING behind CONNECT was answered: from then on it may be told more.
    pub(super) settled: bool,
    /// Whether a PING waits until the other shards know what it listens to.
    pub(super) owes_pong: bool,
    /// Whether its first ping of ours has been sent.
    pub(super) pinged: bool,
    /// Whether it was told that the server stops.
    pub(super) warned: bool,
    /// Whether it is its turn to go.
    pub(super) sent_away: bool,
}

/// What a client says of itself, for people: its name, the language and the version of its library, one behind the other,
/// because most connections keep it and nobody reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    text: Box<str>,
    /// Where the name ends, and where the language.
    ends: [u16; 2],
}

impl Facts {
    /// Of these, each cut to its bound; `None` when all are empty.
    fn new(parts: [&str; 3]) -> Option<Self> {
        let parts = parts.map(|part| {
            let most = limits::NATS_FACT_BYTES_MAX.min(part.len());
            let end = (0..=most).rev().find(|at| part.is_char_boundary(*at));
            &part[..end.unwrap_or(0)]
        });
        let end = |count: usize| parts[..count].iter().map(|part| part.len()).sum::<usize>();
        let ends = [1, 2].map(|count| u16::try_from(end(count)).expect("they have a bound"));
        let text: Box<str> = parts.concat().into();
        (!text.is_empty()).then_some(Self { text, ends })
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.text[..usize::from(self.ends[0])]
    }

    /// The language of its library.
    pub fn lang(&self) -> &str {
        &self.text[usize::from(self.ends[0])..usize::from(self.ends[1])]
    }

    /// The version of its library.
    pub fn version(&self) -> &str {
        &self.text[usize::from(self.ends[1])..]
    }
}

impl Session {
    pub(super) fn new(settings: &Settings, asked: bool, framed: bool, now: Time) -> Self {
        let patience = if asked { settings.auth_timeout } else { first_ping(settings) };
        Self {
            reader: Reader::default(),
            state: State {
                rules: Rules {
                    control_line_bytes_max: settings.control_line_bytes as usize,
                    payload_bytes_max: settings.payload_bytes as usize,
                    headers: false,
                    introduced: !asked,
                },
                client: None,
                pass: None,
                waiting: None,
                facts: None,
                nonce: None,
                number: settings.identity.next_client(),
                heard: now,
                check_at: now.saturating_add(patience),
                subscriptions_max: settings.subscriptions,
                asks: Asks {
                    verbose: true,
                    pedantic: true,
                    echo: true,
                    no_responders: false,
                    updates: false,
                },
                at: At::default(),
                pings_out: 0,
                framed,
            },
        }
    }

    /// The client has given a sign of life.
    pub(crate) fn hear(&mut self, now: Time) {
        self.state.hear(now);
    }

    /// While its password is checked, it may leave, and then nobody need check it. `left` bytes of it wait.
    pub(crate) fn watch(&self, left: usize, context: &mut Context<'_>) {
        if self.state.waiting.is_some() {
            context.watch(left);
        }
    }

    /// Whether it has to go because the server stops.
    pub(crate) fn is_sent_away(&self) -> bool {
        self.state.at.sent_away
    }

    /// When it is to be looked at again.
    pub(crate) fn check_at(&self) -> Time {
        self.state.check_at
    }

    /// Memory that it holds beside itself, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.reader.memory_bytes()
    }

    /// Who it is in the hub.
    pub(crate) fn client(&self) -> Option<ClientId> {
        self.state.client
    }

    /// Whose it is: the user's name, where users are asked for.
    pub fn user(&self) -> Option<&str> {
        self.state.pass.as_ref().map(|pass| pass.name())
    }

    /// What it says of itself.
    pub fn facts(&self) -> Option<&Facts> {
        self.state.facts.as_ref()
    }
}

impl State {
    /// Who it is in the hub: it joins when it has something to say there.
    #[inline]
    pub(super) fn join(&mut self, settings: &Settings, context: &mut Context<'_>) -> ClientId {
        if let Some(client) = self.client {
            return client;
        }
        let client = context.hub.join(context.id, self.options(settings));
        self.client = Some(client);
        client
    }

    /// What it wants of the hub.
    pub(super) fn options(&self, settings: &Settings) -> ClientOptions {
        ClientOptions {
            form: Form::Nats { headers: self.rules.headers, framed: self.framed },
            echo: self.asks.echo,
            pending_bytes_max: settings.pending_bytes,
            slow: settings.slow,
        }
    }

    /// What it said of itself in a CONNECT before, but for its credentials: one more changes only what it names.
    pub(super) fn said_before(&self) -> Connect {
        if !self.at.connected {
            return Connect::default();
        }
        let Asks { verbose, pedantic, echo, no_responders, updates } = self.asks;
        let text = |choose: fn(&Facts) -> &str| self.facts.as_ref().map(|facts| choose(facts).to_owned());
        Connect {
            verbose,
            pedantic,
            echo,
            headers: self.rules.headers,
            no_responders,
            protocol: i64::from(updates),
            name: text(Facts::name),
            lang: text(Facts::lang),
            version: text(Facts::version),
            ..Connect::default()
        }
    }

    /// Takes over what CONNECT says.
    pub(super) fn take(&mut self, connect: &Connect) {
        let Connect { verbose, pedantic, echo, no_responders, .. } = *connect;
        self.asks = Asks { verbose, pedantic, echo, no_responders, updates: 0 < connect.protocol };
        self.rules.headers = connect.headers;
        self.rules.introduced = true;
        self.at.connected = true;
        let [name, lang, version] =
            [&connect.name, &connect.lang, &connect.version].map(|text| text.as_deref().unwrap_or_default());
        self.facts = Facts::new([name, lang, version]);
    }
}

/// When a client is pinged first: early, so that the way is known to be open in both directions.
pub(super) fn first_ping(settings: &Settings) -> std::time::Duration {
    settings.ping_interval.min(limits::NATS_FIRST_PING)
}
