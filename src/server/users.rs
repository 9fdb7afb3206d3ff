//! The users of the hub: made of the configuration and its files, and made anew when these are read again.

use std::sync::Arc;

use crate::access::users::{Tallies, UserLimits, UserSettings, Users};
use crate::config::Hub;
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
