//! Where Tidemill does not do as nats-server does, and why.

/// One intended difference.
pub(super) struct Known {
    /// What is different.
    pub(super) what: &'static str,
    /// Why.
    pub(super) reason: &'static str,
    /// The cases of `recorded.txt` that show it.
    pub(super) cases: &'static [&'static str],
    /// Whether a step of a random script is about it, so that it is left out.
    is_about: fn(&[u8]) -> bool,
}

/// All of them.
pub(super) const KNOWN: &[Known] = &[
    Known {
        what: "A size that a publisher writes with zeros in front, as `001`, comes to subscribers without them.",
        reason: "Sizes are numbers to Tidemill; nats-server hands on the digits. Both are the same to a client.",
        cases: &["publish_size_zero_padded"],
        is_about: |_| false, // No script writes such a size.
    },
    Known {
        what: "Who may subscribe to `*.*` may not subscribe to `a.>`: all that a filter stands for must be allowed.",
        reason: "nats-server takes the `>` of the filter for a plain token here, and lets in who may not hear `a.b.c`.",
        cases: &[],
        is_about: |_| false, // The users of the scripts are not allowed such filters.
    },
    Known {
        what: "What a client has subscribed to stays when it says CONNECT once more.",
        reason: "nats-server delivers nothing to it from then on, and does not say so.",
        cases: &[],
        is_about: |_| false, // No script says it a second time.
    },
    Known {
        what: "A filter of more than 64 tokens is an `Invalid Subject`.",
        reason: "Each token costs memory; nats-server has no bound by default. Nobody is known to use more than some twenty.",
        cases: &["a_filter_of_65_tokens"],
        is_about: |_| false, // No script has a filter that long.
    },
];

/// Why the answer to this case may be another one.
pub(super) fn reason(case: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| known.cases.contains(&case)).map(|known| known.reason);
    known.filter(|_| !super::peer::nats_server_is_tested())
}

/// Whether these bytes would show a difference that is known.
pub(super) fn is_about(bytes: &[u8]) -> bool {
    KNOWN.iter().any(|known| (known.is_about)(bytes))
}
