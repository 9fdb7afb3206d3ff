//! The services of a process, each behind its listeners.

use std::sync::Arc;

use super::http::{Http, Public, Settings};
use super::nats::{self, Nats};
use super::{Closed, Context, DatagramContext, Echo, Ingest, Service};
use crate::connection::{About, Inbox};
use crate::hub::{ClientId, Told};
use crate::metrics::Refused;
use crate::metrics::board::Board;
use crate::ring::Datagram;

/// Which service stands behind a listener.
#[derive(Clone, Debug)]
pub enum Behind {
    /// Echo.
    Echo,
    /// The public pages, and WebSocket.
    Http(Arc<Settings>),
    /// The NATS client protocol.
    Nats,
}

/// What the configuration says of listeners, for the services behind them.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// What stands behind each listener, in the order of their sockets.
    pub behind: Vec<Behind>,
    /// What NATS clients are told and asked at each of them.
    pub nats: Vec<Arc<nats::Settings>>,
    /// How datagrams are published, in the order of the datagram sockets. Those of others are echoed.
    pub ingest: Vec<Option<Ingest>>,
}

impl Wiring {
    /// The settings of HTTP, for every listener.
    pub(super) fn http(&self) -> Vec<Arc<Settings>> {
        http_settings(&self.behind)
    }
}

fn http_settings(listeners: &[Behind]) -> Vec<Arc<Settings>> {
    let http = |behind: &Behind| match behind {
        Behind::Http(settings) => Arc::clone(settings),
        Behind::Echo | Behind::Nats => Arc::default(),
    };
    listeners.iter().map(http).collect()
}

/// All services that peers can reach.
pub struct House {
    /// By the number of the listener: what it speaks.
    speaks: Vec<Speaks>,
    /// By the number of the listener among those for datagrams: where they are published. Others are echoed.
    ingest: Vec<Option<Ingest>>,
    echo: Echo,
    http: Http<Public>,
    nats: Nats,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Speaks {
    #[default]
    Echo,
    Http,
    Nats,
}

/// One connection of any of them.
#[derive(Debug)]
pub enum Session {
    /// Echo remembers nothing.
    Echo,
    /// HTTP.
    Http(<Http<Public> as Service>::Session),
    /// NATS. It is larger than the others, and each pays for the largest.
    Nats(Box<nats::Session>),
}

impl House {
    /// The services behind these listeners, with the figures of this board on their pages.
    pub fn new(listeners: &[Behind], nats: &[Arc<nats::Settings>], board: Arc<Board>) -> Self {
        let speaks = |behind: &Behind| match behind {
            Behind::Echo => Speaks::Echo,
            Behind::Http(_) => Speaks::Http,
            Behind::Nats => Speaks::Nats,
        };
        Self {
            speaks: listeners.iter().map(speaks).collect(),
            ingest: Vec::new(),
            echo: Echo,
            http: Http::new(Public::new(board), http_settings(listeners)).with_nats(Nats::new(nats.to_vec())),
            nats: Nats::new(nats.to_vec()),
        }
    }

    /// The same, with datagrams that are published: how, by the number of their listener. The others are echoed.
    pub fn with_ingest(self, ingest: Vec<Option<Ingest>>) -> Self {
        Self { ingest, ..self }
    }
}

impl Service for House {
    type Session = Session;

    fn open(&mut self, context: &mut Context<'_>) -> Session {
        match self.speaks.get(usize::from(context.listener)).copied().unwrap_or_default() {
            Speaks::Echo => Session::Echo,
            Speaks::Http => Session::Http(self.http.open(context)),
            Speaks::Nats => Session::Nats(Box::new(self.nats.open(context))),
        }
    }

    #[inline]
    fn receive(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        match session {
            Session::Echo => self.echo.receive(&mut (), inbox, context),
            Session::Http(session) => self.http.receive(session, inbox, context),
            Session::Nats(session) => self.nats.receive(session, inbox, context),
        }
    }

    fn timer(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        match session {
            Session::Echo => self.echo.timer(&mut (), inbox, context),
            Session::Http(session) => self.http.timer(session, inbox, context),
            Session::Nats(session) => self.nats.timer(session, inbox, context),
        }
    }

    fn told(&mut self, session: &mut Session, told: &Told, context: &mut Context<'_>) {
        if let Session::Http(session) = session {
            self.http.told(session, told, context);
        }
    }

    /// What a listener speaks stays as it is.
    fn rewire(&mut self, wiring: &Wiring) {
        self.ingest.clone_from(&wiring.ingest);
        self.http.rewire(wiring);
        self.nats.change(&wiring.nats);
    }

    fn review(&mut self, session: &mut Session, context: &mut Context<'_>) {
        match session {
            Session::Echo => {}
            Session::Http(session) => self.http.review(session, context),
            Session::Nats(session) => self.nats.review(session, context),
        }
    }

    fn end(&mut self, session: &mut Session, context: &mut Context<'_>) {
        match session {
            Session::Echo => self.echo.end(&mut (), context),
            Session::Http(session) => self.http.end(session, context),
            Session::Nats(session) => self.nats.end(session, context),
        }
    }

    fn forewarn(&mut self, session: &mut Session, context: &mut Context<'_>) {
        match session {
            Session::Echo => self.echo.forewarn(&mut (), context),
            Session::Http(session) => self.http.forewarn(session, context),
            Session::Nats(session) => self.nats.forewarn(session, context),
        }
    }

    fn drain(&mut self, session: &mut Session, context: &mut Context<'_>) {
        match session {
            Session::Echo => self.echo.drain(&mut (), context),
            Session::Http(session) => self.http.drain(session, context),
            Session::Nats(session) => self.nats.drain(session, context),
        }
    }

    fn close(&mut self, session: Session, closed: &mut Closed<'_>) {
        match session {
            Session::Echo => self.echo.close((), closed),
            Session::Http(session) => self.http.close(session, closed),
            Session::Nats(session) => self.nats.close(*session, closed),
        }
    }

    fn memory(&self, session: &Session) -> usize {
        match session {
            Session::Echo => 0,
            Session::Http(session) => self.http.memory(session),
            Session::Nats(session) => self.nats.memory(session),
        }
    }

    fn protocol(&self, session: &Session) -> &'static str {
        match session {
            Session::Echo => self.echo.protocol(&()),
            Session::Http(session) => self.http.protocol(session),
            Session::Nats(session) => self.nats.protocol(session),
        }
    }

    fn client(&self, session: &Session) -> Option<ClientId> {
        match session {
            Session::Echo => None,
            Session::Http(session) => self.http.client(session),
            Session::Nats(session) => self.nats.client(session),
        }
    }

    fn about(&self, session: &Session) -> Option<About> {
        match session {
            Session::Echo => None,
            Session::Http(session) => self.http.about(session),
            Session::Nats(session) => self.nats.about(session),
        }
    }

    fn datagram(&mut self, datagram: Datagram, context: &mut DatagramContext<'_>) -> Result<(), Refused> {
        match self.ingest.get(usize::from(context.listener)) {
            Some(Some(ingest)) => ingest.publish(datagram, context),
            _ => self.echo.datagram(datagram, context),
        }
    }
}
