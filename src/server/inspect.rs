//! What the operators' pages find out from the shards.

use std::sync::Arc;
use std::time::Duration;

use super::news::News;
use super::switchboard::Switchboard;
use crate::connection::{Listed, Order};
use crate::hub::{HubSizes, ListedFilter};
use crate::metrics::Tally;
use crate::metrics::reloads::Reloads;
use crate::service::http::Inspect;
use crate::sys::clock::{self, Time};

/// Asks the shards, and waits for their answers.
pub(super) struct Inspector {
    pub(super) switchboard: Switchboard,
    pub(super) shards: usize,
    pub(super) since: Time,
    pub(super) news: Arc<News>,
    pub(super) engine: String,
}

impl Inspect for Inspector {
    fn figures(&mut self) -> Tally {
        let mut tally = Tally::default();
        for (shard, snapshot) in self.switchboard.report(self.shards) {
            tally.add(shard, &snapshot);
        }
        tally
    }

    fn connections(&mut self, order: Order, count: usize) -> (usize, Vec<Listed>) {
        self.switchboard.list(self.shards, order, count)
    }

    fn filters(&mut self, offset: usize, limit: usize) -> (HubSizes, Vec<ListedFilter>) {
        self.switchboard.filters(self.shards, offset, limit)
    }

    fn uptime(&self) -> Duration {
        clock::now().saturating_since(self.since)
    }

    fn listeners(&self) -> Vec<String> {
        self.news.listeners()
    }

    fn reloads(&self) -> Reloads {
        self.news.reloads()
    }

    fn engine(&self) -> &str {
        &self.engine
    }
}
