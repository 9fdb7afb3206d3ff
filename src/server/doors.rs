//! The doors of the listeners: made from what their files say, and made anew when these are read again.

use std::sync::Arc;

use crate::access::addresses::{AddressLimits, Addresses};
use crate::access::networks::{AccessList, Networks};
use crate::access::senders::Senders;
use crate::access::token::{AuthSettings, Authenticator};
use crate::access::users::Users;
use crate::config::{self, Config, Listener, ServiceName, TlsMode, TlsVersion};
use crate::error::StartError;
use crate::limits;
use crate::shard::{Door, TlsStart};
use crate::tls::{CertificateFiles, ClientAuth, Credentials, Tickets, TlsSettings, Versions};

/// What the doors of a group of listeners are made of.
pub(super) struct Doors {
    entries: Vec<Arc<Entry>>,
}

/// What one door is made of.
struct Entry {
    name: String,
    networks: AccessList,
    proxy_protocol: bool,
    tls: Option<Credentials>,
    authenticator: Option<Arc<Authenticator>>,
    /// Whether it leads to the hub.
    has_users: bool,
    tls_start: TlsStart,
}

impl Doors {
    /// Reads the files that these listeners name.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load(listeners: &[Listener], tickets: &Tickets) -> Result<Self, StartError> {
        let entries = listeners.iter().map(|listener| Entry::load(listener, tickets, None).map(Arc::new));
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// As [`load`](Self::load), for the same listeners again, of which other things may be said now. Of those that have `gone`
    /// from the configuration no file is read: they keep what they have.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load_again(
        &self,
        listeners: &[Listener],
        gone: &[bool],
        tickets: &Tickets,
    ) -> Result<Self, StartError> {
        let again = |((listener, before), gone): ((&Listener, &Arc<Entry>), &bool)| {
            if *gone {
                return Ok(Arc::clone(before));
            }
            Entry::load(listener, tickets, Some(before)).map(Arc::new)
        };
        let entries = listeners.iter().zip(&self.entries).zip(gone).map(again);
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// The doors as they are now, in the order of the listeners; those that lead to the hub with its users.
    pub(super) fn make(&self, users: &Arc<Users>) -> Arc<[Door]> {
        self.entries.iter().map(|entry| entry.door(users)).collect()
    }

    /// What is odd about the files that can be used.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.entries.iter().flat_map(|entry| entry.warnings()).collect()
    }

    /// Says it in the log.
    pub(super) fn warn(&self) {
        self.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    }

    /// What TLS goes by, where there is some.
    #[cfg(test)]
    pub(super) fn tls_settings(&self) -> Vec<Option<&TlsSettings>> {
        self.entries.iter().map(|entry| entry.tls.as_ref().map(Credentials::settings)).collect()
    }

    /// Where certificates are shown that nobody has signed, with their fingerprints.
    pub(super) fn fingerprints(&self) -> Vec<(&str, &str)> {
        self.entries.iter().filter_map(|entry| entry.fingerprint()).collect()
    }
}

impl Entry {
    fn load(listener: &Listener, tickets: &Tickets, before: Option<&Self>) -> Result<Self, StartError> {
        let name = listener.listen.to_string();
        let before = before.and_then(|before| before.tls.as_ref());
        let load = |tls: &config::Tls| match before {
            Some(before) => Credentials::load_after(tls_settings(listener, tls), tickets, before),
            None => Credentials::load(tls_settings(listener, tls), tickets),
        };
        let tls = listener.tls.as_ref().map(load);
        let tls = tls.transpose().map_err(|error| StartError::Credentials(error.to_string()))?;
        let authenticator = listener.auth.as_ref().map(|auth| Authenticator::load(&auth_settings(auth)));
        let authenticator =
            authenticator.transpose().map_err(|error| StartError::Credentials(error.to_string()))?;
        let authenticator = authenticator.map(Arc::new);
        let networks = access_list(listener)?;
        let proxy_protocol = listener.proxy_protocol;
        let has_users = matches!(listener.service, ServiceName::Nats | ServiceName::Http);
        let tls_start = match listener.tls_mode {
            _ if listener.service != ServiceName::Nats => TlsStart::First,
            TlsMode::Upgrade => TlsStart::AfterGreeting,
            TlsMode::First => TlsStart::First,
            TlsMode::Auto => TlsStart::Either,
        };
        Ok(Self { name, networks, proxy_protocol, tls, authenticator, has_users, tls_start })
    }

    fn fingerprint(&self) -> Option<(&str, &str)> {
        let fingerprint = self.tls.as_ref().and_then(Credentials::fingerprint)?;
        Some((&self.name, fingerprint))
    }

    /// What is odd about the files.
    fn warnings(&self) -> impl Iterator<Item = String> {
        let tls = self.tls.iter().flat_map(Credentials::warnings).map(ToString::to_string);
        let keys = self.authenticator.iter().flat_map(|authenticator| authenticator.warnings()).cloned();
        tls.chain(keys).map(|warning| format!("{}: {warning}", self.name))
    }

    fn door(&self, users: &Arc<Users>) -> Door {
        Door {
            networks: self.networks.clone(),
            proxy_protocol: self.proxy_protocol,
            tls: self.tls.as_ref().map(Credentials::config),
            tls_start: self.tls_start,
            authenticator: self.authenticator.clone(),
            users: self.has_users.then(|| Arc::clone(users)),
        }
    }
}

/// What those of one address may do, over all shards.
pub(super) fn address_limits(config: &Config) -> AddressLimits {
    AddressLimits {
        connections: Some(config.connections_per_address),
        arrivals: config.accept_rate_per_address,
        arrivals_in_all: config.accept_rate,
        requests: config.request_rate_per_address,
        messages: config.message_rate_per_address,
        bytes: config.byte_rate_per_address,
        ..AddressLimits::default()
    }
}

/// Those whose datagrams are counted: each address has the rates of messages and bytes that its connections have together,
/// once more.
pub(super) fn senders(config: &Config) -> Option<Arc<Senders>> {
    Senders::new(config.message_rate_per_address, config.byte_rate_per_address).map(Arc::new)
}

/// Those of one address at the operators' pages: nobody takes all places, so that monitoring gets in.
pub(super) fn admin_addresses() -> Arc<Addresses> {
    let connections = Some(limits::ADMIN_CONNECTIONS / 2);
    Arc::new(Addresses::new(AddressLimits { connections, ..AddressLimits::default() }))
}

/// Whose datagrams are taken, for each of these listeners.
pub(super) fn datagram_networks(listeners: &[Listener]) -> Result<Arc<[AccessList]>, StartError> {
    listeners.iter().map(access_list).collect()
}

/// The addresses that may come to a listener.
fn access_list(listener: &Listener) -> Result<AccessList, StartError> {
    Ok(AccessList { allow: networks(&listener.allow)?, deny: networks(&listener.deny)? })
}

fn networks(list: &[ipnet::IpNet]) -> Result<Networks, StartError> {
    Networks::from_nets(list).map_err(|error| StartError::Credentials(error.to_string()))
}

fn tls_settings(listener: &Listener, tls: &config::Tls) -> TlsSettings {
    let files = |files: &config::CertificateFiles| CertificateFiles {
        cert: files.certificate.clone(),
        key: files.key.clone(),
    };
    let speaks_http = matches!(listener.service, ServiceName::Http | ServiceName::Admin);
    TlsSettings {
        certificates: tls.certificates.iter().map(files).collect(),
        self_signed: tls.self_signed,
        client_ca: tls.client_ca.clone(),
        client_auth: match tls.client_auth {
            config::ClientAuth::Off => ClientAuth::Off,
            config::ClientAuth::Optional => ClientAuth::Optional,
            config::ClientAuth::Required => ClientAuth::Required,
        },
        versions: match tls.min_version {
            TlsVersion::V1_2 => Versions::V1_2AndLater,
            TlsVersion::V1_3 => Versions::V1_3AndLater,
        },
        alpn: if speaks_http { vec![b"http/1.1".to_vec()] } else { Vec::new() },
    }
}

fn auth_settings(auth: &config::Auth) -> AuthSettings {
    AuthSettings {
        tokens: auth.tokens.clone(),
        secrets: auth.jwt_secret.iter().cloned().collect(),
        public_keys: auth.jwt_keys.clone(),
        key_sets: auth.jwks.iter().cloned().collect(),
        symmetric_key_sets: false,
        audiences: auth.audience.iter().cloned().collect(),
        issuers: auth.issuer.iter().cloned().collect(),
        leeway: auth.leeway,
    }
}
