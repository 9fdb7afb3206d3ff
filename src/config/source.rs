//! Where a configuration comes from, so that it can be loaded again in the same way.

use std::path::{Path, PathBuf};

use super::layer::Layer;
use super::{Config, ConfigError};

/// A file and the flags over it; without either, the defaults.
#[derive(Clone, Debug, Default)]
pub struct Source {
    file: Option<PathBuf>,
    flags: Layer,
}

impl Source {
    /// The file, if there is one, and the flags that lie over it. A relative path begins at the working directory, each time
    /// that it is read.
    pub fn new(file: Option<PathBuf>, flags: Layer) -> Self {
        Self { file, flags }
    }

    /// Reads the file and validates the whole, the first time and whenever it is asked for again. The file is opened anew
    /// each time, so one that has taken another's place is the one that is read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.file.as_deref(), self.flags.clone())
    }

    /// The file, as it was named.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// All files that a start with this configuration reads: its own, and those that it names.
    pub fn files<'a>(&'a self, config: &'a Config) -> Vec<&'a Path> {
        self.file().into_iter().chain(config.files()).collect()
    }
}
