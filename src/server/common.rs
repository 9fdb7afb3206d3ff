//! What all shards have in common, made of the configuration; and what of it lasts when that is read again.

use std::sync::Arc;

use super::doors::{self, Doors};
use super::groups::Groups;
use super::services;
use super::users::{self, UserBook};
use crate::access::addresses::Addresses;
use crate::access::senders::Senders;
use crate::config::Config;
use crate::error::StartError;
use crate::limits;
use crate::metrics::board::Board;
use crate::shard::{Admission, House};
use crate::tls::Tickets;

/// What lasts for as long as the server runs, and is counted on when the configuration is read again.
pub(super) struct Common {
    pub(super) groups: Groups,
    pub(super) tickets: Tickets,
    pub(super) board: Arc<Board>,
    admission: Arc<Admission>,
    addresses: Arc<Addresses>,
    senders: Option<Arc<Senders>>,
    admin_admission: Arc<Admission>,
    admin_addresses: Arc<Addresses>,
    shards: u16,
}

/// What the configuration and its files say of who may come.
pub(super) struct Access {
    pub(super) doors: Doors,
    pub(super) admin_doors: Doors,
    pub(super) users: UserBook,
}

impl Common {
    pub(super) fn new(config: &Config, groups: Groups, shards: usize) -> Result<Self, StartError> {
        let tickets = Tickets::new().map_err(|error| StartError::Credentials(error.to_string()))?;
        Ok(Self {
            groups,
            tickets,
            board: Arc::new(Board::new(shards)),
            admission: Admission::new(config.connections),
            addresses: Arc::new(Addresses::new(doors::address_limits(config))),
            senders: doors::senders(config),
            admin_admission: Admission::new(limits::ADMIN_CONNECTIONS),
            admin_addresses: doors::admin_addresses(),
            shards: u16::try_from(shards).expect("SHARDS_MAX is small"),
        })
    }

    /// The same under another configuration; nothing holds yet. Datagrams are counted anew where their rates are others.
    pub(super) fn again(&self, running: &Config, config: &Config) -> Self {
        let rates = |config: &Config| (config.message_rate_per_address, config.byte_rate_per_address);
        let same_rates = rates(running) == rates(config);
        Self {
            groups: self.groups.clone(),
            tickets: self.tickets.clone(),
            board: Arc::clone(&self.board),
            admission: Arc::clone(&self.admission),
            addresses: Arc::new(self.addresses.under(doors::address_limits(config))),
            senders: if same_rates { self.senders.clone() } else { doors::senders(config) },
            admin_admission: Arc::clone(&self.admin_admission),
            admin_addresses: Arc::clone(&self.admin_addresses),
            shards: self.shards,
        }
    }

    /// From now on there may be so many connections.
    pub(super) fn admit(&self, connections: u32) {
        self.admission.change(connections);
    }

    /// What the shards have in common.
    pub(super) fn house(&self, config: &Config, access: &Access) -> Result<House, StartError> {
        let users = access.users.users();
        Ok(House {
            admission: Arc::clone(&self.admission),
            doors: access.doors.make(users),
            datagram_networks: doors::datagram_networks(&self.groups.datagrams.listeners(config))?,
            addresses: Some(Arc::clone(&self.addresses)),
            senders: self.senders.clone(),
            counts_bytes: config.byte_rate_per_address.is_some() || users.counts_bytes(),
            board: Some(Arc::clone(&self.board)),
            slow_rules: services::slow_rules(config),
            subscriptions: config.hub.subscriptions_per_shard,
            shared_bytes: config.hub.shared_bytes_per_shard,
            shards: self.shards,
        })
    }

    /// What the thread behind the operators' pages has.
    pub(super) fn admin_house(&self, access: &Access) -> House {
        House {
            admission: Arc::clone(&self.admin_admission),
            doors: access.admin_doors.make(access.users.users()),
            addresses: Some(Arc::clone(&self.admin_addresses)),
            ..House::open(limits::ADMIN_CONNECTIONS)
        }
    }
}

impl Access {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load(config: &Config, common: &Common) -> Result<Self, StartError> {
        let Common { groups, tickets, .. } = common;
        Ok(Self {
            doors: Doors::load(&groups.streams.listeners(config), tickets)?,
            admin_doors: Doors::load(&groups.admins.listeners(config), tickets)?,
            users: UserBook::load(&config.hub)?,
        })
    }

    /// Reads the files of another configuration; those of listeners that have `gone` are as they are.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load_again(
        &self,
        config: &Config,
        gone: &[usize],
        common: &Common,
    ) -> Result<Self, StartError> {
        let Common { groups: Groups { streams, admins, .. }, tickets, .. } = common;
        let again = |doors: &Doors, group: &super::groups::Group| {
            doors.load_again(&group.listeners(config), &group.among(gone), tickets)
        };
        Ok(Self {
            doors: again(&self.doors, streams)?,
            admin_doors: again(&self.admin_doors, admins)?,
            users: self.users.load_again(&config.hub)?,
        })
    }

    /// Says in the log what is odd about the files, and about who may come.
    pub(super) fn warn(&self, config: &Config) {
        self.doors.warn();
        self.admin_doors.warn();
        self.users.warn();
        users::open_to_all(config).iter().for_each(|warning| tracing::warn!("{warning}"));
    }
}
