//! The keys of the hub, of its users and of its rules for slow consumers.

use super::super::hub::{Hub, SlowRule};
use super::super::units::{show_byte_rate, show_duration, show_size};
use super::{Key, Reload, list, path, quoted};
use crate::access::users::{Rules, UserSetting};

/// The table of the hub.
pub(in super::super) const HUB: &str = "hub";
/// The table of what those may do who have no permissions of their own.
pub(in super::super) const DEFAULT_PERMISSIONS: &str = "hub.default_permissions";
/// The tables of rules for slow consumers.
pub(in super::super) const SLOW: &str = "hub.slow";
/// The tables of users.
pub(in super::super) const USER: &str = "hub.user";
/// The tables that may stand in that of the hub.
pub(in super::super) const HUB_TABLES: [&str; 3] = ["default_permissions", "slow", "user"];

/// The keys of the hub.
pub(in super::super) const HUB_KEYS: [Key<Hub>; 13] = [
    Key {
        section: HUB,
        name: "payload_bytes_max",
        about: "Bytes of the payload of one message, its headers included (max_payload of NATS). Longer ones are \
                refused, and end the connection of a NATS client (of a WebSocket with 1009; a request is answered 413).",
        example: "\"1MiB\"",
        reload: Reload::New,
        show: |hub| Some(quoted(&show_size(hub.payload_bytes_max.into()))),
    },
    Key {
        section: HUB,
        name: "control_line_bytes_max",
        about: "Bytes of one line of the NATS protocol (max_control_line). Longer ones end the connection.",
        example: "\"4KiB\"",
        reload: Reload::New,
        show: |hub| Some(quoted(&show_size(hub.control_line_bytes_max.into()))),
    },
    Key {
        section: HUB,
        name: "subscriptions_per_connection",
        about: "Subscriptions of one connection. One more is refused.",
        example: "65536",
        reload: Reload::New,
        show: |hub| Some(hub.subscriptions_per_connection.to_string()),
    },
    Key {
        section: HUB,
        name: "subscriptions_per_shard",
        about: "Subscriptions of all connections of one shard, some 200 bytes each. One more is refused.",
        example: "1048576",
        reload: Reload::Now,
        show: |hub| Some(hub.subscriptions_per_shard.to_string()),
    },
    Key {
        section: HUB,
        name: "pending_bytes_max",
        about: "Bytes that may wait for one consumer (max_pending). Whoever has more is slow, and meets the policy for \
                that. What all of a shard have waiting is bounded by shared_bytes_per_shard and \
                limits.outbox_per_shard besides.",
        example: "\"64MiB\"",
        reload: Reload::New,
        show: |hub| Some(quoted(&show_size(hub.pending_bytes_max.into()))),
    },
    Key {
        section: HUB,
        name: "shared_bytes_per_shard",
        about: "Bytes of messages that consumers of one shard wait for, each counted once however many do. While there are \
                more, whoever has more than 1 MiB waiting is slow.",
        example: "\"1GiB\"",
        reload: Reload::Now,
        show: |hub| Some(quoted(&show_size(hub.shared_bytes_per_shard))),
    },
    Key {
        section: HUB,
        name: "ping_interval",
        about: "The silence after which a NATS client is pinged.",
        example: "\"2m\"",
        reload: Reload::Now,
        show: |hub| Some(quoted(&show_duration(hub.ping_interval))),
    },
    Key {
        section: HUB,
        name: "pings_out",
        about: "Pings without an answer after which a NATS client is cut.",
        example: "2",
        reload: Reload::Now,
        show: |hub| Some(hub.pings_out.to_string()),
    },
    Key {
        section: HUB,
        name: "auth_timeout",
        about: "The time that a NATS client has to say who it is, where it has to. Then it is cut. The time in which a \
                password is checked, which has a bound of 30s, is not its own.",
        example: "\"2s\"",
        reload: Reload::New,
        show: |hub| Some(quoted(&show_duration(hub.auth_timeout))),
    },
    Key {
        section: HUB,
        name: "permissions_claim",
        about: "The claim of a JSON Web Token that may hold permissions: { publish = { allow, deny }, subscribe = { \
                allow, deny }, allow_responses }. Without it, those of the user with the token's name (sub) hold, or \
                else the default ones.",
        example: "\"tidemill\"",
        reload: Reload::New,
        show: |hub| Some(quoted(&hub.permissions_claim)),
    },
    Key {
        section: HUB,
        name: "connections_per_user",
        about: "Connections open at once of one user, unless the user has a number of its own. By HTTP, what lasts is one, and \
                each request until it is answered; one too many is refused with 429. Unset, no limit.",
        example: "1000",
        reload: Reload::New,
        show: |hub| hub.connections_per_user.map(|most| most.to_string()),
    },
    Key {
        section: HUB,
        name: "message_rate_per_user",
        about: "Messages that are taken of one user, over all connections and shards, unless the user has a rate of its \
                own. Those beyond it wait with their senders; requests by HTTP are refused with 429. Unset, no limit.",
        example: "\"5000/s\"",
        reload: Reload::New,
        show: |hub| hub.message_rate_per_user.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: HUB,
        name: "byte_rate_per_user",
        about: "The same for bytes. Unset, no limit.",
        example: "\"8MiB/s\"",
        reload: Reload::New,
        show: |hub| hub.byte_rate_per_user.map(|rate| quoted(&show_byte_rate(&rate))),
    },
];

/// The keys of permissions, of a user or of everybody else.
pub(in super::super) const PERMISSION_KEYS: [Key<Rules>; 6] = [
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "publish_allow",
        about: "Where to publish is allowed: subjects, in which * stands for one token and > at the end for all that \
                follow. Unset, everywhere; with responses_max, nowhere.",
        example: "[\"chat.*\", \"game.>\"]",
        reload: Reload::Users,
        show: |rules| texts(rules.publish.allow.as_deref().unwrap_or_default()),
    },
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "publish_deny",
        about: "Where to publish is denied, even when allowed.",
        example: "[\"chat.announcements\"]",
        // Permissions that permit everything have to be told from none.
        reload: Reload::Users,
        show: |rules| texts(&rules.publish.deny).or((*rules == Rules::default()).then(|| "[]".to_owned())),
    },
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "subscribe_allow",
        about: "What may be subscribed to. An entry with a name behind a space is for that queue group. Unset, \
                everything.",
        example: "[\"chat.>\", \"_INBOX.>\", \"jobs workers\"]",
        reload: Reload::Users,
        show: |rules| texts(rules.subscribe.allow.as_deref().unwrap_or_default()),
    },
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "subscribe_deny",
        about: "What may not be subscribed to. Of a wider subscription, what is denied is kept back.",
        example: "[\"chat.staff\"]",
        reload: Reload::Users,
        show: |rules| texts(&rules.subscribe.deny),
    },
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "responses_max",
        about: "Answers to each request that was delivered, wherever it asks for them. Unset, none but where to publish \
                is allowed; 1 when responses_expire is set.",
        example: "1",
        reload: Reload::Users,
        show: |rules| rules.responses.map(|responses| responses.max.to_string()),
    },
    Key {
        section: DEFAULT_PERMISSIONS,
        name: "responses_expire",
        about: "The time for such answers. Default: 2m.",
        example: "\"2m\"",
        reload: Reload::Users,
        show: |rules| rules.responses.map(|responses| quoted(&show_duration(responses.expires))),
    },
];

/// The keys of a rule for slow consumers.
pub(in super::super) const SLOW_KEYS: [Key<SlowRule>; 2] = [
    Key {
        section: SLOW,
        name: "subjects",
        about: "The subjects that the policy is for; the first rule that fits holds, else the listener's own.",
        example: "[\"game.>\"]",
        reload: Reload::Now,
        show: |rule| texts(&rule.subjects),
    },
    Key {
        section: SLOW,
        name: "policy",
        about: "What is done with a consumer that does not keep up: cut, drop-oldest, or keep-latest, which keeps the \
                last message of each subject.",
        example: "\"keep-latest\"",
        reload: Reload::Now,
        show: |rule| Some(quoted(rule.policy.name())),
    },
];

/// The keys of a user, beside those of permissions.
pub(in super::super) const USER_KEYS: [Key<UserSetting>; 10] = [
    Key {
        section: USER,
        name: "name",
        about: "The user's name. A JSON Web Token for that name (sub) has the user's permissions and limits.",
        example: "\"alice\"",
        reload: Reload::Users,
        show: |user| Some(quoted(&user.name)),
    },
    Key {
        section: USER,
        name: "password_file",
        about: "The file of the password, or of its bcrypt hash. By HTTP it is shown as Basic authentication. Without any of \
                password, token and nkey, nobody can say to be this user but by a JSON Web Token.",
        example: "\"alice.password\"",
        reload: Reload::Users,
        show: |user| user.password_file.as_deref().map(path),
    },
    Key {
        section: USER,
        name: "password_bcrypt",
        about: "The bcrypt hash of the password, of a cost of at most 14, in place of a file.",
        example: "\"$2b$11$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\"",
        reload: Reload::Users,
        show: |user| user.password_hash.as_deref().map(quoted),
    },
    Key {
        section: USER,
        name: "token_file",
        about: "The file of a token that says alone who somebody is (auth_token of NATS).",
        example: "\"alice.token\"",
        reload: Reload::Users,
        show: |user| user.token_file.as_deref().map(path),
    },
    Key {
        section: USER,
        name: "nkey",
        about: "The public nkey of the user, who proves with the private one who he is.",
        example: "\"UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK\"",
        reload: Reload::Users,
        show: |user| user.nkey.as_deref().map(quoted),
    },
    Key {
        section: USER,
        name: "connections",
        about: "Connections open at once of this user. Unset, hub.connections_per_user.",
        example: "10",
        reload: Reload::New,
        show: |user| user.limits.connections.map(|most| most.to_string()),
    },
    Key {
        section: USER,
        name: "subscriptions",
        about: "Subscriptions of each connection. Unset, hub.subscriptions_per_connection.",
        example: "100",
        reload: Reload::New,
        show: |user| user.limits.subscriptions.map(|most| most.to_string()),
    },
    Key {
        section: USER,
        name: "payload_bytes_max",
        about: "Bytes of the payload of one message. Unset, hub.payload_bytes_max.",
        example: "\"64KiB\"",
        reload: Reload::New,
        show: |user| user.limits.payload_bytes.map(|bytes| quoted(&show_size(bytes.into()))),
    },
    Key {
        section: USER,
        name: "message_rate",
        about: "Messages of this user, over all connections and shards. Unset, hub.message_rate_per_user.",
        example: "\"100/s\"",
        reload: Reload::New,
        show: |user| user.limits.messages.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: USER,
        name: "byte_rate",
        about: "Bytes of this user, over all connections and shards. Unset, hub.byte_rate_per_user.",
        example: "\"1MiB/s\"",
        reload: Reload::New,
        show: |user| user.limits.bytes.map(|rate| quoted(&show_byte_rate(&rate))),
    },
];

fn texts(texts: &[String]) -> Option<String> {
    list(texts.iter().map(|text| quoted(text)))
}
