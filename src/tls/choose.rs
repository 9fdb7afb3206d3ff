//! Which certificate a client is shown: the one with the name it asks for.
//!
//! An exact name comes before a wildcard, and the first certificate stands in for whoever asks for no name or for an
//! unknown one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates by name.
pub(super) struct Chooser {
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By the name without `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl Chooser {
    /// Shows this one to everybody, until others are added.
    pub(super) fn new(first: Arc<CertifiedKey>) -> Self {
        Self { first, exact: HashMap::new(), wildcard: HashMap::new() }
    }

    /// Shows `key` to those who ask for one of these names, unless an earlier one has it. Names are in small letters.
    pub(super) fn add(&mut self, names: &[String], key: &Arc<CertifiedKey>) {
        for name in names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, name.as_str()),
            };
            map.entry(name.to_owned()).or_insert_with(|| Arc::clone(key));
        }
    }

    fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.first };
        // A wildcard stands for exactly one label (RFC 9525, 6.3).
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(&name).or_else(wildcard).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.choose(hello.server_name())))
    }
}

/// Names only: keys are never printed.
impl fmt::Debug for Chooser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.exact.keys().collect();
        let wildcards: Vec<&String> = self.wildcard.keys().collect();
        formatter.debug_struct("Chooser").field("names", &names).field("wildcards", &wildcards).finish()
    }
}
