//! The tables of the hub: its own, and those of its rules and users.

use std::ops::Range;

use super::super::error::ConfigError;
use super::super::hub::{HubLayer, SlowRule};
use super::super::keys::{
    DEFAULT_PERMISSIONS, HUB, HUB_KEYS, HUB_TABLES, PERMISSION_KEYS, SLOW, SLOW_KEYS, USER, USER_KEYS,
};
use super::super::layer::SaidTable;
use super::Table;
use super::values::{byte_rate, count, duration, rate, size, small_count, small_size, text_as};
use crate::access::users::{Lists, Responses, Rules, UserLimits, UserSetting};

impl Table<'_> {
    /// What the table of the hub says, which is the one of this file's root.
    pub(super) fn hub(&self) -> Result<Option<HubLayer>, ConfigError> {
        let Some(hub) = self.table(HUB, HUB)? else { return Ok(None) };
        hub.refuse_unknown(&mut HUB_KEYS.iter().map(|key| key.name).chain(HUB_TABLES))?;
        Ok(Some(HubLayer {
            payload_bytes_max: hub.get("payload_bytes_max", size)?,
            control_line_bytes_max: hub.get("control_line_bytes_max", size)?,
            subscriptions_per_connection: hub.get("subscriptions_per_connection", count)?,
            subscriptions_per_shard: hub.get("subscriptions_per_shard", count)?,
            pending_bytes_max: hub.get("pending_bytes_max", size)?,
            shared_bytes_per_shard: hub.get("shared_bytes_per_shard", size)?,
            ping_interval: hub.get("ping_interval", duration)?,
            pings_out: hub.get("pings_out", count)?,
            auth_timeout: hub.get("auth_timeout", duration)?,
            permissions_claim: hub.get("permissions_claim", text_as)?,
            connections_per_user: hub.get("connections_per_user", count)?,
            message_rate_per_user: hub.get("message_rate_per_user", rate)?,
            byte_rate_per_user: hub.get("byte_rate_per_user", byte_rate)?,
            default_permissions: hub.default_permissions()?,
            slow: hub.each("slow", SLOW, Self::slow_rule)?,
            users: hub.each("user", USER, Self::user)?,
        }))
    }

    fn default_permissions(&self) -> Result<Option<SaidTable<Rules>>, ConfigError> {
        let Some(table) = self.table("default_permissions", DEFAULT_PERMISSIONS)? else { return Ok(None) };
        table.refuse_unknown(&mut PERMISSION_KEYS.iter().map(|key| key.name))?;
        let span = self.table.get("default_permissions").map_or(0..0, |value| value.span());
        let rules = table.rules()?.unwrap_or_default();
        Ok(Some(table.said(rules, self.place("default_permissions", span))))
    }

    fn slow_rule(&self, span: Range<usize>) -> Result<SaidTable<SlowRule>, ConfigError> {
        self.refuse_unknown(&mut SLOW_KEYS.iter().map(|key| key.name))?;
        let Some(policy) = self.value("policy", text_as)? else {
            let problem = "is missing: write policy = \"drop-oldest\", for example".to_owned();
            return Err(self.refuse("policy", span, problem));
        };
        let rule = SlowRule { subjects: self.list("subjects", text_as)?, policy };
        Ok(self.said(rule, self.place("subjects", span)))
    }

    fn user(&self, span: Range<usize>) -> Result<SaidTable<UserSetting>, ConfigError> {
        let names = USER_KEYS.iter().map(|key| key.name);
        self.refuse_unknown(&mut names.chain(PERMISSION_KEYS.iter().map(|key| key.name)))?;
        let Some(name) = self.value("name", text_as)? else {
            let problem = "is missing: write name = \"alice\", for example".to_owned();
            return Err(self.refuse("name", span, problem));
        };
        let user = UserSetting {
            name,
            password_file: self.file("password_file")?,
            password_hash: self.value("password_bcrypt", text_as)?,
            token_file: self.file("token_file")?,
            nkey: self.value("nkey", text_as)?,
            rules: self.rules()?,
            limits: UserLimits {
                connections: self.value("connections", small_count)?,
                subscriptions: self.value("subscriptions", small_count)?,
                payload_bytes: self.value("payload_bytes_max", small_size)?,
                messages: self.value("message_rate", rate)?,
                bytes: self.value("byte_rate", byte_rate)?,
            },
        };
        Ok(self.said(user, self.place("name", span)))
    }

    /// The permissions that stand in this table among other keys, if any do.
    fn rules(&self) -> Result<Option<Rules>, ConfigError> {
        if !PERMISSION_KEYS.iter().any(|key| self.has(key.name)) {
            return Ok(None);
        }
        let lists = |allow: &str, deny: &str| {
            let allow = self.has(allow).then(|| self.list(allow, text_as)).transpose()?;
            Ok(Lists { allow, deny: self.list(deny, text_as)? })
        };
        let plain = Responses::default();
        let max = self.value("responses_max", small_count)?;
        let expires = self.value("responses_expire", duration)?;
        let responses = (max.is_some() || expires.is_some())
            .then(|| Responses { max: max.unwrap_or(plain.max), expires: expires.unwrap_or(plain.expires) });
        let publish = lists("publish_allow", "publish_deny")?;
        Ok(Some(Rules { publish, subscribe: lists("subscribe_allow", "subscribe_deny")?, responses }))
    }

    /// The value that was made of this table, with the places of its keys.
    fn said<T>(&self, value: T, place: super::Place) -> SaidTable<T> {
        let mut said = SaidTable::new(value, place);
        for (key, value) in self.table.iter() {
            said.note(self.path(key.get_ref()), self.place(key.get_ref(), value.span()));
        }
        said
    }
}
