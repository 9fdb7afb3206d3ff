//! The effective configuration as TOML, explained: what `--print-config` shows.
//!
//! It can be redirected into a file and edited; read again, it gives the same configuration. A key that is unset stands
//! there as a comment, with an example.

use super::keys::{
    AUTH, AUTH_KEYS, DEFAULT_PERMISSIONS, HUB, HUB_KEYS, KEYS, Key, LISTENER, LISTENER_KEYS, PERMISSION_KEYS,
    SLOW, SLOW_KEYS, TLS, TLS_KEYS, USER, USER_KEYS,
};
use super::{Config, Hub, Listener};

/// Columns of a comment.
const WIDTH: usize = 100;

/// The whole file.
pub(super) fn print(config: &Config) -> String {
    let defaults = Config::default();
    let mut text = comment(
        "The configuration of Tidemill. Durations are written as 250ms, 30s or 10m, sizes as 64KiB or 1MiB. SIGHUP has a \
         server that runs read this file again; each key says from when on its new value holds then (Reload).",
    );
    print_tables(&mut text, "server", &KEYS, config, &defaults);
    for (index, listener) in config.listeners.iter().enumerate() {
        print_listener(&mut text, listener, index == 0);
    }
    text.push_str(&example());
    print_tables(&mut text, "limits", &KEYS, config, &defaults);
    print_tables(&mut text, "log", &KEYS, config, &defaults);
    print_hub(&mut text, &config.hub, &defaults.hub);
    text
}

/// The hub: all its keys, then its tables that are set, then an example of each as comments.
fn print_hub(text: &mut String, hub: &Hub, defaults: &Hub) {
    print_tables(text, HUB, &HUB_KEYS, hub, defaults);
    print_set(text, DEFAULT_PERMISSIONS, &PERMISSION_KEYS, hub.default_permissions.as_ref());
    for rule in &hub.slow {
        text.push_str(&format!("\n[[{SLOW}]]\n"));
        print_those_set(text, &SLOW_KEYS, rule);
    }
    for user in &hub.users {
        text.push_str(&format!("\n[[{USER}]]\n"));
        print_those_set(text, &USER_KEYS, user);
        if let Some(rules) = &user.rules {
            print_those_set(text, &PERMISSION_KEYS, rules);
        }
    }
    text.push('\n');
    text.push_str(&comment(
        "What those may do in the hub who have no permissions of their own; without this table, everything.",
    ));
    print_examples(text, &format!("[{DEFAULT_PERMISSIONS}]"), &PERMISSION_KEYS);
    text.push_str(&comment("What consumers meet that do not keep up, by subject."));
    print_examples(text, &format!("[[{SLOW}]]"), &SLOW_KEYS);
    text.push_str(&comment(
        "A user of the hub. The keys of the default permissions may stand here, too, and then hold in their place. Once \
         there is a user, everybody has to be one, or to bring a token that listener.auth knows.",
    ));
    print_examples(text, &format!("[[{USER}]]"), &USER_KEYS);
}

/// One listener. The first shows all keys and what they mean; the others, and the tables in each, only what is set.
fn print_listener(text: &mut String, listener: &Listener, explain: bool) {
    text.push_str(&format!("\n[[{LISTENER}]]\n"));
    for key in &LISTENER_KEYS {
        if explain {
            text.push_str(&comment(&format!("{} {}", key.about, key.reload.about())));
        }
        if explain || (key.show)(listener).is_some() {
            text.push_str(&line(key, listener));
        }
    }
    print_set(text, TLS, &TLS_KEYS, listener.tls.as_ref());
    print_set(text, AUTH, &AUTH_KEYS, listener.auth.as_ref());
}

/// A table inside a listener, with the keys that are set.
fn print_set<T>(text: &mut String, section: &str, keys: &[Key<T>], of: Option<&T>) {
    let Some(of) = of else { return };
    text.push_str(&format!("[{section}]\n"));
    print_those_set(text, keys, of);
}

fn print_those_set<T>(text: &mut String, keys: &[Key<T>], of: &T) {
    keys.iter().filter(|key| (key.show)(of).is_some()).for_each(|key| text.push_str(&line(key, of)));
}

/// A listener with TLS and authentication, all of it as comments: every key of the two tables, explained.
fn example() -> String {
    let mut text = String::from("\n");
    text.push_str(&comment(
        "A listener with TLS, where requests must say who sends them. Take out what you do not need, and the # before \
         the rest.",
    ));
    text.push_str(&format!("#[[{LISTENER}]]\n"));
    for key in LISTENER_KEYS.iter().filter(|key| ["address", "service"].contains(&key.name)) {
        text.push_str(&format!("#{} = {}\n", key.name, key.example));
    }
    print_examples(&mut text, &format!("[{TLS}]"), &TLS_KEYS);
    print_examples(&mut text, &format!("[{AUTH}]"), &AUTH_KEYS);
    text
}

fn print_examples<T>(text: &mut String, header: &str, keys: &[Key<T>]) {
    text.push_str(&format!("#{header}\n"));
    for key in keys {
        text.push_str(&comment(&format!("{} {}", key.about, key.reload.about())));
        text.push_str(&format!("#{} = {}\n", key.name, key.example));
    }
}

/// One table with all its keys, each below its explanation.
fn print_tables<T>(text: &mut String, section: &str, keys: &[Key<T>], config: &T, defaults: &T) {
    text.push_str(&format!("\n[{section}]\n"));
    for key in keys.iter().filter(|key| key.section == section) {
        text.push_str(&comment(&format!("{}{} {}", key.about, default(key, defaults), key.reload.about())));
        text.push_str(&line(key, config));
    }
}

/// What holds when the key is not set; of keys that are unset by default, their own words say it.
fn default<T>(key: &Key<T>, defaults: &T) -> String {
    (key.show)(defaults).map_or_else(String::new, |value| format!(" Default: {}.", value.replace('"', "")))
}

/// `name = value`, or the example as a comment where there is no value.
fn line<T>(key: &Key<T>, of: &T) -> String {
    match (key.show)(of) {
        Some(value) => format!("{} = {value}\n", key.name),
        None => format!("#{} = {}\n", key.name, key.example),
    }
}

/// The text as lines of comment, broken between words.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut column = WIDTH;
    for word in text.split_whitespace() {
        if WIDTH < column + 1 + word.len() {
            lines.push_str(if lines.is_empty() { "#" } else { "\n#" });
            column = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        column += 1 + word.len();
    }
    lines.push('\n');
    lines
}
