//! Whole-shard runs on the simulated kernel.

use crate::connection::Connection;

/// A bug that a test plants to see that it is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    EarlyFree,
    LostRearm,
}

pub(super) fn plant(planted: Option<Planted>, connection: &mut Connection) {
    match planted {
        None => {}
        Some(Planted::EarlyFree) => connection.plant_early_free(),
        Some(Planted::LostRearm) => connection.plant_lost_rearm(),
    }
}
