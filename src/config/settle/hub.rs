//! The hub: its bounds, its users, and what slow consumers meet.

use std::time::Duration;

use super::super::error::ConfigError;
use super::super::hub::{Hub, HubLayer, SlowRule};
use super::super::layer::{Place, Said, SaidTable};
use super::super::units::show_size;
use super::{check_path, narrow, settle_count, settle_size, settle_timeout, within, within_time, wrong};
use crate::access::users::{
    List, Lists, Permissions, Rules, UserLimits, UserSetting, check_hash, is_user_key,
};
use crate::limits;
use crate::protocol::nats::subject::is_valid_filter;

/// Fills what was not said with the defaults, and checks the whole.
pub(super) fn settle(layer: Option<HubLayer>) -> Result<Hub, ConfigError> {
    let layer = layer.unwrap_or_default();
    let plain = Hub::default();
    let permissions = layer.default_permissions;
    if let Some(said) = &permissions {
        check_rules(said, &said.value, &DEFAULT_LISTS)?;
    }
    Ok(Hub {
        payload_bytes_max: settle_size(
            layer.payload_bytes_max,
            plain.payload_bytes_max,
            (1, limits::PAYLOAD_BYTES_MAX),
        )?,
        control_line_bytes_max: settle_size(
            layer.control_line_bytes_max,
            plain.control_line_bytes_max,
            (limits::CONTROL_LINE_BYTES_MIN, limits::CONTROL_LINE_BYTES_MAX),
        )?,
        subscriptions_per_connection: settle_count(
            layer.subscriptions_per_connection,
            plain.subscriptions_per_connection,
            limits::SUBSCRIPTIONS_PER_CONNECTION_MAX,
        )?,
        subscriptions_per_shard: settle_count(
            layer.subscriptions_per_shard,
            plain.subscriptions_per_shard,
            limits::SUBSCRIPTIONS_PER_SHARD_MAX,
        )?,
        pending_bytes_max: settle_size(
            layer.pending_bytes_max,
            plain.pending_bytes_max,
            (limits::PENDING_BYTES_MIN, limits::PENDING_BYTES_MAX),
        )?,
        shared_bytes_per_shard: layer
            .shared_bytes_per_shard
            .map_or(Ok(plain.shared_bytes_per_shard), settle_shared)?,
        ping_interval: settle_timeout(layer.ping_interval, plain.ping_interval)?,
        pings_out: settle_count(layer.pings_out, plain.pings_out, limits::NATS_PINGS_OUT_MAX)?,
        auth_timeout: settle_timeout(layer.auth_timeout, plain.auth_timeout)?,
        permissions_claim: layer.permissions_claim.map_or(Ok(plain.permissions_claim), settle_claim)?,
        connections_per_user: layer
            .connections_per_user
            .map(|said| settle_count(Some(said), 1, u32::MAX))
            .transpose()?,
        message_rate_per_user: layer.message_rate_per_user.map(|said| said.value),
        byte_rate_per_user: layer.byte_rate_per_user.map(|said| said.value),
        default_permissions: permissions.map(|said| said.value),
        slow: layer.slow.map_or(Ok(Vec::new()), settle_slow)?,
        users: layer.users.map_or(Ok(Vec::new()), settle_users)?,
    })
}

fn settle_shared(said: Said<u64>) -> Result<u64, ConfigError> {
    let bounds = (limits::HUB_LENT_BYTES_MIN, limits::HUB_LENT_BYTES_MAX);
    within(&said, bounds, ("smallest", "largest"), |bytes| show_size(*bytes))
}

fn settle_claim(said: Said<String>) -> Result<String, ConfigError> {
    let name = &said.value;
    if name.is_empty() || limits::NAME_BYTES_MAX < name.len() {
        let problem = format!("is {name:?}: it takes 1 to {} bytes", limits::NAME_BYTES_MAX);
        return Err(wrong(said.place, problem));
    }
    Ok(said.value)
}

fn settle_slow(said: Said<Vec<SaidTable<SlowRule>>>) -> Result<Vec<SlowRule>, ConfigError> {
    refuse_many(&said, limits::SLOW_RULES_MAX)?;
    for rule in &said.value {
        let subjects = &rule.value.subjects;
        let problem = if subjects.is_empty() {
            "is empty: name the subjects that the policy is for, as in [\"game.>\"]".to_owned()
        } else if limits::PERMISSION_SUBJECTS_MAX < subjects.len() {
            format!("has {} entries: the most is {}", subjects.len(), limits::PERMISSION_SUBJECTS_MAX)
        } else if let Some(bad) = subjects.iter().find(|subject| !is_valid_filter(subject.as_bytes())) {
            format!(
                "names {bad:?}: it takes subjects such as game.score or game.*, with > as the last token where all that \
                 follows is meant"
            )
        } else {
            continue;
        };
        return Err(wrong(rule.place_of("hub.slow.subjects"), problem));
    }
    Ok(said.value.into_iter().map(|rule| rule.value).collect())
}

fn settle_users(said: Said<Vec<SaidTable<UserSetting>>>) -> Result<Vec<UserSetting>, ConfigError> {
    refuse_many(&said, limits::USERS_MAX)?;
    for (index, user) in said.value.iter().enumerate() {
        check_user(user)?;
        let earlier = || said.value[..index].iter().map(|other| &other.value);
        if earlier().any(|other| other.name == user.value.name) {
            let problem = format!("is {:?}, as that of another user is", user.value.name);
            return Err(wrong(user.place_of("hub.user.name"), problem));
        }
        if user.value.nkey.is_some() && earlier().any(|other| other.nkey == user.value.nkey) {
            let problem = "is another user's already".to_owned();
            return Err(wrong(user.place_of("hub.user.nkey"), problem));
        }
    }
    Ok(said.value.into_iter().map(|user| user.value).collect())
}

fn check_user(said: &SaidTable<UserSetting>) -> Result<(), ConfigError> {
    let UserSetting { name, password_file, password_hash, token_file, nkey, rules, limits: bounds } =
        &said.value;
    let refuse = |key, problem: String| Err(wrong(said.place_of(key), problem));
    let is_name = (1..=limits::IDENTITY_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
    if !is_name {
        let most = limits::IDENTITY_BYTES_MAX;
        return refuse("hub.user.name", format!("is {name:?}: it takes 1 to {most} printable bytes"));
    }
    if password_file.is_some() && password_hash.is_some() {
        let problem = "stands beside password_file: leave one of the two out".to_owned();
        return refuse("hub.user.password_bcrypt", problem);
    }
    if let Some(Err(problem)) = password_hash.as_deref().map(check_hash) {
        return refuse("hub.user.password_bcrypt", format!("cannot be used: {problem}"));
    }
    if nkey.as_deref().is_some_and(|key| !is_user_key(key)) {
        // It is not shown: it may be the private one by mistake.
        let problem =
            "cannot be used: it takes the public nkey of a user, which begins with U and has 56 letters";
        return refuse("hub.user.nkey", problem.to_owned());
    }
    for (key, file) in [("hub.user.password_file", password_file), ("hub.user.token_file", token_file)] {
        if let Some(file) = file {
            check_path(said.place_of(key), file)?;
        }
    }
    if let Some(rules) = rules {
        check_rules(said, rules, &USER_LISTS)?;
    }
    check_bounds(said, bounds)
}

fn check_bounds(said: &SaidTable<UserSetting>, bounds: &UserLimits) -> Result<(), ConfigError> {
    let counts = [
        ("hub.user.connections", bounds.connections, u32::MAX),
        ("hub.user.subscriptions", bounds.subscriptions, limits::SUBSCRIPTIONS_PER_CONNECTION_MAX),
    ];
    for (key, value, most) in counts {
        if let Some(value) = value {
            settle_count(Some(Said { value: value.into(), place: said.place_of(key) }), 1, most)?;
        }
    }
    let Some(bytes) = bounds.payload_bytes else { return Ok(()) };
    let size = Said { value: u64::from(bytes), place: said.place_of("hub.user.payload_bytes_max") };
    within(&size, (1, limits::PAYLOAD_BYTES_MAX.into()), ("smallest", "largest"), |bytes| show_size(*bytes))
        .map(narrow)
        .map(drop)
}

/// The keys of permissions in one table.
struct Keys {
    publish_allow: &'static str,
    publish_deny: &'static str,
    subscribe_allow: &'static str,
    subscribe_deny: &'static str,
    responses_max: &'static str,
    responses_expire: &'static str,
}

const USER_LISTS: Keys = Keys {
    publish_allow: "hub.user.publish_allow",
    publish_deny: "hub.user.publish_deny",
    subscribe_allow: "hub.user.subscribe_allow",
    subscribe_deny: "hub.user.subscribe_deny",
    responses_max: "hub.user.responses_max",
    responses_expire: "hub.user.responses_expire",
};

const DEFAULT_LISTS: Keys = Keys {
    publish_allow: "hub.default_permissions.publish_allow",
    publish_deny: "hub.default_permissions.publish_deny",
    subscribe_allow: "hub.default_permissions.subscribe_allow",
    subscribe_deny: "hub.default_permissions.subscribe_deny",
    responses_max: "hub.default_permissions.responses_max",
    responses_expire: "hub.default_permissions.responses_expire",
};

/// Refuses lists that cannot be, and those that say the opposite of what they show: for nats-server an empty list of what
/// is allowed is everything.
fn check_rules<T>(said: &SaidTable<T>, rules: &Rules, keys: &Keys) -> Result<(), ConfigError> {
    let empty = |lists: &Lists| lists.allow.as_ref().is_some_and(Vec::is_empty);
    let sides = [
        (keys.publish_allow, &rules.publish, "publish_deny"),
        (keys.subscribe_allow, &rules.subscribe, "subscribe_deny"),
    ];
    if let Some((key, _, deny)) = sides.into_iter().find(|(_, lists, _)| empty(lists)) {
        let problem = format!("is empty: name what is allowed, or write {deny} = [\">\"] where nothing is");
        return Err(wrong(said.place_of(key), problem));
    }
    if let Err(error) = Permissions::new(rules) {
        let key = match error.list {
            List::PublishAllow => keys.publish_allow,
            List::PublishDeny => keys.publish_deny,
            List::SubscribeAllow => keys.subscribe_allow,
            List::SubscribeDeny => keys.subscribe_deny,
        };
        return Err(wrong(said.place_of(key), error.problem));
    }
    let Some(responses) = &rules.responses else { return Ok(()) };
    let max = Said { value: u64::from(responses.max), place: said.place_of(keys.responses_max) };
    settle_count(Some(max), 1, u32::MAX)?;
    let bounds: (Duration, Duration) = (limits::TIMEOUT_MIN, limits::TIMEOUT_MAX);
    within_time(said.place_of(keys.responses_expire), responses.expires, bounds)
}

fn refuse_many<T>(said: &Said<Vec<T>>, most: usize) -> Result<(), ConfigError> {
    let count = said.value.len();
    if count <= most {
        return Ok(());
    }
    let place: Place = said.place.clone();
    Err(wrong(place, format!("has {count} entries: the most is {most}")))
}
