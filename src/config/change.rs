//! What becomes of a configuration that is read again while a server runs: which keys have another value, which of these
//! can change, and what holds from then on.
//!
//! The tables of keys say for each whether it can change ([`Reload`]); here they are gone through. Two values are the same
//! when they are printed the same. Listeners are the same by their address, users by their name; so the order of tables is
//! no change, but for the rules for slow consumers, of which the first that fits holds.

use super::keys::{
    AUTH_KEYS, DEFAULT_PERMISSIONS, HUB_KEYS, KEYS, Key, LISTENER_KEYS, PERMISSION_KEYS, Reload, SLOW_KEYS,
    TLS_KEYS, USER, USER_KEYS,
};
use super::{Config, ConfigError, Hub, Listener};
use crate::access::users::UserSetting;

/// What a configuration that was read again changes of the one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What holds from now on: the new values, and of what cannot change those that run.
    pub config: Config,
    /// The keys that have another value from now on, each with the listener or the user that it is about.
    pub applied: Vec<String>,
    /// The keys that were to have another value, and can only have it from a start on.
    pub kept: Vec<String>,
    /// Which of the listeners of `config` are not in what was read, and so are as they were.
    pub gone: Vec<usize>,
}

impl Change {
    /// What `next` changes of the configuration that is `running` since a `start` with that other one.
    ///
    /// # Errors
    /// When what can change does not go with what cannot.
    pub fn of(running: &Config, next: &Config, start: &Config) -> Result<Self, ConfigError> {
        let mut config = next.clone();
        let mut names = Names::default();
        names.settle(&KEYS, "", (running, start), &mut config);
        config.listeners = names.listeners(&running.listeners, &next.listeners);
        names.hub(&running.hub, &next.hub);
        config.validate()?;
        let Names { applied, kept, gone } = names;
        Ok(Self { config, applied, kept, gone })
    }
}

/// The names of keys that have another value.
#[derive(Default)]
struct Names {
    applied: Vec<String>,
    kept: Vec<String>,
    gone: Vec<usize>,
}

impl Names {
    /// Puts back into `next` what cannot change of these keys, and names all that differ.
    fn settle<T>(&mut self, keys: &[Key<T>], of: &str, (running, start): (&T, &T), next: &mut T) {
        for key in keys {
            if (key.show)(running) == (key.show)(next) {
                continue;
            }
            let stays = match &key.reload {
                Reload::Start(put_back) => Some(put_back),
                Reload::UpTo(count, put_back) if count(start) < count(next) => Some(put_back),
                Reload::UpTo(..) | Reload::Now | Reload::New | Reload::Requests | Reload::Users => None,
            };
            let name = format!("{}.{}{of}", key.section, key.name);
            match stays {
                None => self.applied.push(name),
                Some(put_back) => {
                    put_back(next, running);
                    self.kept.push(name);
                }
            }
        }
    }

    /// Names the keys of a table that differ, all of which can change; it may be missing before or after.
    fn compare<T>(
        &mut self,
        section: &str,
        keys: &[Key<T>],
        of: &str,
        running: Option<&T>,
        next: Option<&T>,
    ) {
        let show = |key: &Key<T>, table: Option<&T>| table.and_then(|table| (key.show)(table));
        let differ = keys.iter().filter(|key| show(key, running) != show(key, next));
        self.applied.extend(differ.map(|key| format!("{section}.{}{of}", key.name)));
    }

    /// The listeners from now on: those that run, with what can change of them.
    fn listeners(&mut self, running: &[Listener], next: &[Listener]) -> Vec<Listener> {
        let pairs = pairs(running, next, |listener| &listener.listen).into_iter().enumerate();
        let all = pairs.filter_map(|(place, (old, new))| match (old, new) {
            (Some(old), Some(new)) => Some(self.listener(old, new)),
            (Some(old), None) => {
                self.gone.push(place);
                self.kept.push(format!("listener.address ({} is gone)", old.listen));
                Some(old.clone())
            }
            (None, new) => {
                self.kept.extend(new.map(|new| format!("listener.address ({} is new)", new.listen)));
                None
            }
        });
        all.collect()
    }

    fn listener(&mut self, running: &Listener, next: &Listener) -> Listener {
        let of = format!(" of {}", running.listen);
        let mut names = Self::default();
        let mut settled = next.clone();
        names.settle(&LISTENER_KEYS, &of, (running, running), &mut settled);
        names.compare("listener.tls", &TLS_KEYS, &of, running.tls.as_ref(), next.tls.as_ref());
        names.compare("listener.auth", &AUTH_KEYS, &of, running.auth.as_ref(), next.auth.as_ref());
        let is_other = running.service != next.service;
        // What is said of another service is of no use to the one that stays.
        let applied = if is_other { &mut self.kept } else { &mut self.applied };
        applied.extend(names.applied);
        self.kept.extend(names.kept);
        if is_other { running.clone() } else { settled }
    }

    /// Of the hub everything can change.
    fn hub(&mut self, running: &Hub, next: &Hub) {
        self.compare("hub", &HUB_KEYS, "", Some(running), Some(next));
        let defaults = (running.default_permissions.as_ref(), next.default_permissions.as_ref());
        self.compare(DEFAULT_PERMISSIONS, &PERMISSION_KEYS, "", defaults.0, defaults.1);
        if running.slow.len() == next.slow.len() {
            for (number, (old, new)) in (1..).zip(running.slow.iter().zip(&next.slow)) {
                self.compare("hub.slow", &SLOW_KEYS, &format!(" of rule {number}"), Some(old), Some(new));
            }
        } else {
            self.applied.push("hub.slow".to_owned());
        }
        for pair in pairs(&running.users, &next.users, |user| &user.name) {
            match pair {
                (Some(old), None) => self.applied.push(format!("hub.user.name ({:?} is gone)", old.name)),
                (None, Some(new)) => self.applied.push(format!("hub.user.name ({:?} is new)", new.name)),
                (Some(old), Some(new)) => self.user(old, new),
                (None, None) => {}
            }
        }
    }

    fn user(&mut self, running: &UserSetting, next: &UserSetting) {
        let of = format!(" of {:?}", running.name);
        self.compare(USER, &USER_KEYS, &of, Some(running), Some(next));
        self.compare(USER, &PERMISSION_KEYS, &of, running.rules.as_ref(), next.rules.as_ref());
    }
}

/// Those of both lists that have the same name, in the order of the first list; then those that the second alone has. Of
/// several with one name, as listeners with any free port are, the first belongs to the first.
fn pairs<'a, T, N: PartialEq + ?Sized>(
    running: &'a [T],
    next: &'a [T],
    name: impl Fn(&T) -> &N,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let mut left: Vec<Option<&T>> = next.iter().map(Some).collect();
    let mut pairs: Vec<_> = Vec::with_capacity(running.len());
    for old in running {
        let new = left.iter_mut().find(|new| new.is_some_and(|new| name(new) == name(old)));
        pairs.push((Some(old), new.and_then(Option::take)));
    }
    pairs.extend(left.into_iter().flatten().map(|new| (None, Some(new))));
    pairs
}
