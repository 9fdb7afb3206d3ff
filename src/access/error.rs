//! What can be wrong with files of tokens and keys, in one sentence each. No sentence holds a secret.

use std::io;
use std::path::PathBuf;

use crate::limits;

/// Why there is no authenticator. Whoever has one from before keeps it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}; check the path, and let the user of the server read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// A pipe, a device or a directory: reading one may never end.
    #[error("{} is not a regular file: name the file of tokens or keys itself", .0.display())]
    NotAFile(PathBuf),
    /// A file longer than any of its kind.
    #[error("{} is longer than {} bytes, so it is not taken for tokens or keys: check the path", .0.display(), limits::KEY_FILE_BYTES_MAX)]
    TooLarge(PathBuf),
    /// A line of a file of tokens.
    #[error("{}:{line}: {problem}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file as a whole.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Neither a token nor a key: nobody could ever be let in.
    #[error(
        "there is neither a token nor a key, so nobody could come in: name a file of tokens, a secret, a public key or a key set"
    )]
    Nothing,
    /// All files together hold too many keys.
    #[error("there are more than {} keys for JSON Web Tokens", limits::JWT_KEYS_MAX)]
    TooManyKeys,
    /// A user's own setting.
    #[error("the user {name:?}: {problem}")]
    User {
        /// The user.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A list of subjects.
    #[error("permissions: a list {0}")]
    Permissions(String),
    /// The clocks are allowed to be off by too much.
    #[error("the leeway for tokens is at most {} seconds", limits::JWT_LEEWAY_MAX.as_secs())]
    Leeway,
}
