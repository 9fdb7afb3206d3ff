//! Reading files of tokens and keys: regular ones of a bounded length, with a word about their permissions.
//!
//! It must not know what they hold.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::AccessError;
use crate::limits;

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, AccessError> {
    let unreadable = |cause| AccessError::Unreadable { path: path.to_owned(), cause };
    // Opening a pipe that nobody writes to would wait; with this flag it does not.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(AccessError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(limits::KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits::KEY_FILE_BYTES_MAX {
        return Err(AccessError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// What to say about a file of secrets that others may read.
pub(super) fn warning(path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        let path = path.display();
        format!("{path} holds secrets and every user of this host may use it (mode {mode:03o}). Try: chmod 640 {path}")
    })
}
