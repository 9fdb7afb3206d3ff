//! What operators are told of the configuration: how often it was read again, and what is served since then.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Endpoint;
use crate::metrics::reloads::Reloads;
use crate::sys::clock::{self, Wall};

/// What there is to tell. The thread that reloads writes it, and that of the operators' pages reads it.
#[derive(Debug)]
pub(super) struct News(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    reloads: Reloads,
    listeners: Vec<String>,
}

impl News {
    /// The server has started, with this configuration.
    pub(super) fn new(endpoints: &[Endpoint]) -> Self {
        let reloads = Reloads {
            loaded_at: Wall::default().seconds(clock::now()),
            last_succeeded: true,
            ..Reloads::default()
        };
        let news = Self(Mutex::new(Told { reloads, listeners: Vec::new() }));
        news.serve(endpoints);
        news
    }

    /// Here is what is served.
    pub(super) fn serve(&self, endpoints: &[Endpoint]) {
        self.lock().listeners = endpoints.iter().map(ToString::to_string).collect();
    }

    /// The configuration was read again, and holds or does not.
    pub(super) fn note(&self, holds: bool) {
        let reloads = &mut self.lock().reloads;
        reloads.last_succeeded = holds;
        if holds {
            reloads.succeeded += 1;
            reloads.loaded_at = Wall::default().seconds(clock::now());
        } else {
            reloads.failed += 1;
        }
    }

    pub(super) fn reloads(&self) -> Reloads {
        self.lock().reloads
    }

    pub(super) fn listeners(&self) -> Vec<String> {
        self.lock().listeners.clone()
    }

    /// It is consistent between any two statements that could panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
