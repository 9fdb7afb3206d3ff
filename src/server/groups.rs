//! Which listeners of the configuration have sockets, and who serves them: found out once, at the start.

use crate::config::{Config, Endpoint, Listener, ServiceName};
use crate::sys::address::Listen;

/// The listeners that were opened, each by its place in the configuration, with the address that it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// All of them, in the order of the configuration.
    all: Group,
    /// The stream listeners of the shards, in the order of their sockets.
    pub(super) streams: Group,
    /// Their datagram listeners, in the order of their sockets.
    pub(super) datagrams: Group,
    /// Those for operators, in the order of their sockets.
    pub(super) admins: Group,
}

/// Listeners that are served by the same threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Group(Vec<(usize, Listen)>);

impl Groups {
    /// The next listener that was opened: its place, what it is to be, and where it listens. Returns its number in its group.
    pub(super) fn add(&mut self, place: usize, listener: &Listener, address: &Listen) -> u16 {
        let group = match listener.service {
            _ if !address.is_stream() => &mut self.datagrams,
            ServiceName::Admin => &mut self.admins,
            ServiceName::Echo | ServiceName::Http | ServiceName::Nats | ServiceName::Ingest => {
                &mut self.streams
            }
        };
        let number = u16::try_from(group.len()).expect("LISTENERS_MAX is small");
        group.0.push((place, address.clone()));
        self.all.0.push((place, address.clone()));
        number
    }

    /// What is served where, in the order of the configuration.
    pub(super) fn endpoints(&self, config: &Config) -> Vec<Endpoint> {
        let listeners = self.all.listeners(config);
        listeners.iter().map(|listener| Endpoint::of(listener, listener.tls.is_some())).collect()
    }
}

impl Group {
    /// What this configuration says of them, with the ports that the system chose.
    pub(super) fn listeners(&self, config: &Config) -> Vec<Listener> {
        let opened = |(place, address): &(usize, Listen)| Listener {
            listen: address.clone(),
            ..config.listeners[*place].clone()
        };
        self.0.iter().map(opened).collect()
    }

    /// Which of them are among these places of the configuration.
    pub(super) fn among(&self, places: &[usize]) -> Vec<bool> {
        self.0.iter().map(|(place, _)| places.contains(place)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
