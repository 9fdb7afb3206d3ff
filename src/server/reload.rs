//! The configuration, and all files that it names, read again while the server runs: all of it holds from then on, as far as it
//! can change, or nothing does.

use std::sync::Arc;

use super::common::{Access, Common};
use super::handover::HandOver;
use super::sandbox::Sandbox;
use super::{Server, plan, services};
use crate::config::{Change, Config, Source};
use crate::error::StartError;
use crate::limits;
use crate::log::Log;
use crate::shard::Terms;
use crate::sys::socket;
use crate::sys::supervisor::Supervisor;

/// What became of a configuration that a server has taken over while it runs.
///
/// Each key is named as it stands in a file, with the listener or the user that it is about; no value is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The keys that have another value from now on.
    pub applied: Vec<String>,
    /// The keys that have another value from the next start on, since they need other sockets, threads, rings or buffers.
    pub not_applied: Vec<String>,
}

/// What holds while the server runs.
pub(super) struct Running {
    /// What it was started with.
    pub(super) start: Config,
    /// What holds now.
    pub(super) config: Config,
    pub(super) common: Common,
    pub(super) access: Access,
    /// What services are made of, where they are made by the configuration.
    pub(super) kit: Option<services::Kit>,
}

impl Server {
    /// Takes another configuration over, and reads all files that it names again: certificates, keys, tokens, and the secrets
    /// of users. The same one again is for when these have changed.
    ///
    /// What can change holds when this returns: `--print-config` says of each key whether for connections that are open as
    /// well. Connections of users who have gone, or have other secrets or permissions, are told to the services for
    /// [review](crate::service::Service::review). What only a service looks at, as the bounds of requests and messages, is the business
    /// of whoever has [made](Self::start) it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{config::{Config, Listener}, server::Server, service::Echo};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listeners = vec![Listener::echo("tcp://127.0.0.1:0".parse()?)];
    /// let mut config = Config { listeners, shards: Some(1), ..Config::default() };
    /// let mut server = Server::start(&config, |_| Echo)?;
    ///
    /// config.idle_timeout = Duration::from_secs(60);
    /// config.shards = Some(2);
    /// let reloaded = server.reload(&config)?;
    /// assert_eq!(reloaded.applied, ["limits.idle_timeout"]);
    /// assert_eq!(reloaded.not_applied, ["server.shards"]);
    /// # server.stop(Duration::ZERO);
    /// # server.join()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Says in one sentence what cannot be, or which file cannot be used. Then nothing has changed.
    pub fn reload(&mut self, config: &Config) -> Result<Reloaded, StartError> {
        config.validate()?;
        let Running { start, config: running, common, access, kit } = &self.running;
        let change = Change::of(running, config, start).map_err(StartError::Mixed)?;
        let Change { config, applied, kept, gone } = change;
        let common = common.again(running, &config);
        let access = access.load_again(&config, &gone, &common)?;
        let kit = kit.as_ref().map(|kit| kit.again(&config)).transpose()?;
        let house = common.house(&config, &access)?;
        // Nothing fails from here on.
        let next = Running { start: start.clone(), config, common, access, kit };
        let terms = next.terms(house);
        self.running = next;
        self.hold(terms);
        Ok(Reloaded { applied, not_applied: kept })
    }

    /// The configuration that holds: of one that was taken over, what could not change is as it was.
    pub fn config(&self) -> &Config {
        &self.running.config
    }

    /// Tells everybody what holds from now on.
    fn hold(&mut self, terms: Terms) {
        let Running { config, common, access, .. } = &self.running;
        access.warn(config);
        self.endpoints = common.groups.endpoints(config);
        self.news.serve(&self.endpoints);
        common.admit(config.connections);
        let patience = plan::kernel_patience(config);
        self.handles.iter().for_each(|listener| socket::set_user_timeout(listener, patience));
        let admin = self.running.admin_terms();
        if let Some(shard) = self.crew.change_terms(&Arc::new(terms), admin) {
            tracing::warn!("shard {shard} has not said within a second that it goes by what was read again");
        }
    }
}

impl Running {
    fn terms(&self, house: crate::shard::House) -> Terms {
        let (groups, users) = (&self.common.groups, self.access.users.users());
        let wiring = self.kit.as_ref().map(|kit| {
            let listeners = groups.streams.listeners(&self.config);
            let datagrams = groups.datagrams.listeners(&self.config);
            kit.wiring(&self.config, (&listeners, &datagrams), users)
        });
        Terms { house, options: plan::options(&self.config), wiring }
    }

    /// The terms of the thread behind the operators' pages, if there are such.
    fn admin_terms(&self) -> Option<Terms> {
        let admins = &self.common.groups.admins;
        (!admins.is_empty()).then(|| Terms {
            house: self.common.admin_house(&self.access),
            options: plan::admin_options(&self.config, admins.len()),
            wiring: Some(services::admin_wiring(&self.config, &admins.listeners(&self.config))),
        })
    }
}

/// Loads the configuration as it was loaded for the start, and has the server take it over. What comes of it is said in the
/// log, and to the supervisor.
pub(super) fn from_source(
    server: &mut Server,
    source: &Source,
    log: &Log,
    supervisor: &Supervisor,
    hand_over: &HandOver,
    sandbox: &Sandbox,
) {
    supervisor.reloading();
    let config = source.load().map_err(StartError::from);
    // Of a file that cannot be read it is not known what others it names.
    let files =
        config.as_ref().map_or_else(|_| source.file().into_iter().collect(), |config| source.files(config));
    let closed = sandbox.first_closed(files).map(ToOwned::to_owned);
    let reloaded = config.and_then(|config| server.reload(&config));
    if reloaded.is_ok() {
        // First, so that what follows is written as it is asked for from now on.
        log.change(server.config().log_format, server.config().log_level);
    }
    server.news.note(reloaded.is_ok());
    match &reloaded {
        Ok(reloaded) => say(reloaded),
        Err(error) => tracing::error!("nothing was changed: {error}"),
    }
    if let (Err(_), Some(path)) = (&reloaded, closed) {
        tracing::warn!(
            "the server has shut itself in, and {} is outside; the next start reads it. Try: tidemill upgrade",
            path.display()
        );
    }
    if let (Ok(_), Some(pid)) = (&reloaded, hand_over.successor()) {
        tracing::warn!(
            "process {pid} takes over, and has read its configuration before: send SIGHUP to it, too"
        );
    }
    supervisor.ready(&server.status());
}

fn say(Reloaded { applied, not_applied }: &Reloaded) {
    const READ: &str = "certificates, keys and tokens were read again";
    match &applied[..] {
        [] if not_applied.is_empty() => {
            tracing::info!("{READ}, and of the configuration nothing has changed")
        }
        [] => tracing::info!("{READ}, and of the configuration nothing has changed that can"),
        _ => tracing::info!("{READ}, and this has changed: {}", listed(applied)),
    }
    if !not_applied.is_empty() {
        tracing::warn!(
            "not changed while running: {}; the next start has them. Try: tidemill upgrade",
            listed(not_applied)
        );
    }
}

/// The names, or the first of very many.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(limits::KEYS_LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(limits::KEYS_LISTED_MAX) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

#[cfg(test)]
mod tests;
