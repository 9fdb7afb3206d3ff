//! The users of the hub: made of the configuration and its files, and made anew when these are read again.

use std::sync::Arc;

use crate::access::users::{Tallies, UserLimits, UserSettings, Users};
use crate::config::{ClientAuth, Config, Hub, Listener, ServiceName};
use crate::error::StartError;

/// The users of the hub, and what is counted of them.
pub(super) struct UserBook {
    tallies: Arc<Tallies>,
    users: Arc<Users>,
}

impl UserBook {
    /// Reads the files that the users' settings name.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load(hub: &Hub) -> Result<Self, StartError> {
        let tallies = Arc::default();
        let users = load(hub, &tallies)?;
        Ok(Self { tallies, users: Arc::new(users) })
    }

    /// As [`load`](Self::load), for the same hub again, of which other things may be said now. What was counted is counted on.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load_again(&self, hub: &Hub) -> Result<Self, StartError> {
        let users = load(hub, &self.tallies)?.after(&self.users);
        Ok(Self { tallies: Arc::clone(&self.tallies), users: Arc::new(users) })
    }

    /// The users as they are now.
    pub(super) fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// What is odd about the files that can be used.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.users.warnings().iter().map(|warning| format!("hub: {warning}")).collect()
    }

    /// Says it in the log.
    pub(super) fn warn(&self) {
        self.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    }
}

/// Where everybody who reaches a listener from another host may say and hear everything.
pub(super) fn open_to_all(config: &Config) -> Vec<String> {
    let is_reached = |listener: &Listener| {
        listener.listen.ip().is_some_and(|address| !address.ip().to_canonical().is_loopback())
    };
    let asks_nobody = |listener: &&Listener| {
        let has_authority = listener.tls.as_ref().is_some_and(|tls| tls.client_auth == ClientAuth::Required);
        let leads_to_hub = matches!(listener.service, ServiceName::Nats | ServiceName::Http);
        leads_to_hub
            && is_reached(listener)
            && listener.auth.is_none()
            && !has_authority
            && listener.allow.is_empty()
    };
    if !config.hub.users.is_empty() {
        return Vec::new();
    }
    let warn = |listener: &Listener| {
        format!(
            "{} lets everybody who reaches it publish and hear everything. Try: [[hub.user]], auth, or an allow list",
            listener.listen
        )
    };
    config.listeners.iter().filter(asks_nobody).map(warn).collect()
}

fn load(hub: &Hub, tallies: &Arc<Tallies>) -> Result<Users, StartError> {
    Users::load(&settings(hub), tallies).map_err(|error| StartError::Credentials(error.to_string()))
}

fn settings(hub: &Hub) -> UserSettings {
    UserSettings {
        users: hub.users.clone(),
        default_rules: hub.default_permissions.clone(),
        default_limits: UserLimits {
            connections: hub.connections_per_user,
            messages: hub.message_rate_per_user,
            bytes: hub.byte_rate_per_user,
            // Those of every connection hold besides.
            subscriptions: None,
            payload_bytes: None,
        },
        claim: hub.permissions_claim.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these files' listeners are open to all.
    #[track_caller]
    fn check(file: &str, expected: &[&str]) {
        let config = Config::from_toml(file).unwrap();
        let said = open_to_all(&config);
        let listens: Vec<_> = said.iter().filter_map(|text| text.split_whitespace().next()).collect();
        assert_eq!(listens, expected, "{file}");
    }

    #[test]
    fn only_what_asks_nobody_is_open_to_all() {
        let listener = |address: &str, rest: &str| {
            format!("[[listener]]\naddress = \"tcp://{address}\"\nservice = \"nats\"\n{rest}\n")
        };
        check(&listener("0.0.0.0:4222", ""), &["tcp://0.0.0.0:4222"]);
        check(&listener("[::]:4222", ""), &["tcp://[::]:4222"]);
        check(&listener("127.0.0.1:4222", ""), &[]);
        check(&listener("[::1]:4222", ""), &[]);
        check(&listener("0.0.0.0:4222", "allow = [\"10.0.0.0/8\"]"), &[]);
        // bcrypt's own example.
        let hash = "$2a$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        let user = format!("[[hub.user]]\nname = \"anna\"\npassword_bcrypt = \"{hash}\"\n");
        check(&format!("{}{user}", listener("0.0.0.0:4222", "")), &[]);
        check("[[listener]]\naddress = \"tcp://0.0.0.0:7000\"\n", &[]);
    }
}
