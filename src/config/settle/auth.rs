//! What requests must bring: which files can go together, and where it can be asked for.

use super::super::error::ConfigError;
use super::super::layer::SaidListener;
use super::super::listener::Auth;

/// Refuses settings that cannot be, or that would not be looked at.
pub(super) fn check(_said: &SaidListener, _auth: &Auth) -> Result<(), ConfigError> {
    Ok(())
}
