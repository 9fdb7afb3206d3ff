//! The hub in the running process: whoever speaks is heard by whoever listens, whatever they speak.

mod document;
mod doors;
mod doors_commands;
mod doors_events;
mod doors_kit;
mod doors_limits;
mod doors_origins;
mod doors_passwords;
mod doors_requests;
mod doors_users;
mod nats_rates;
mod slow_doors;
mod slow_tls;
