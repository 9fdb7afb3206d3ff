//! The users of the hub: made of the configuration and its files, and made anew when these are read again.

use std::sync::Arc;

use crate::access::users::{Tallies, UserLimits, UserSettings, Users};
use crate::config::Hub;
use crate::error::StartError;

/// The users of the hub, and what they are made of.
pub(super) struct UserBook {
    settings: UserSettings,
    tallies: Arc<Tallies>,
    users: Arc<Users>,
}

impl UserBook {
    /// Reads the files that the users' settings name.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn load(hub: &Hub) -> Result<Self, StartError> {
        let (settings, tallies) = (settings(hub), Arc::default());
        let users =
            Users::load(&settings, &tallies).map_err(|error| StartError::Credentials(error.to_string()))?;
        let book = Self { settings, tallies, users: Arc::new(users) };
        book.warn();
        Ok(book)
    }

    /// Reads the files again. What cannot be used is said, and all stays as it was. Returns whether they could.
    pub(super) fn reload(&mut self) -> bool {
        match Users::load(&self.settings, &self.tallies) {
            Ok(users) => {
                self.users = Arc::new(users);
                self.warn();
                true
            }
            Err(error) => {
                tracing::error!("the users of the hub stay as they were: {error}");
                false
            }
        }
    }

    /// The users as they are now.
    pub(super) fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// What is odd about the files that can be used.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.users.warnings().iter().map(|warning| format!("hub: {warning}")).collect()
    }

    fn warn(&self) {
        for warning in self.warnings() {
            tracing::warn!("{warning}");
        }
    }
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
