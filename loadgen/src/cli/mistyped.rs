//! A first word that is neither a command nor an address: most likely a command with a slip.

use clap::error::ErrorKind;
use clap::{Command, Error};

/// The complaint about such a word, if it is one. Without this it would be taken for an address, or, with an address
/// behind it, the address would be called unexpected.
pub(super) fn complaint(mut whole: Command, first: &str) -> Option<Error> {
    let names: Vec<String> = whole.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let is_word = !first.is_empty() && first.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    if !is_word || first == "help" || names.iter().any(|name| name == first) {
        return None;
    }
    let sentence = format!(
        "'{first}' is neither a command ({}) nor an address such as tcp://127.0.0.1:7000",
        names.join(", ")
    );
    Some(whole.error(ErrorKind::InvalidSubcommand, sentence))
}
