//! Where Tidemill does not do as nats-server does, and why. The documentation has the same list.

/// Cases of `recorded.txt`, each with the reason for another answer.
pub(super) const RECORDED: &[(&str, &str)] = &[];

/// Why the answer to this case may be another one.
pub(super) fn reason(case: &str) -> Option<&'static str> {
    if super::peer::nats_server_is_tested() {
        return None;
    }
    RECORDED.iter().find(|(name, _)| *name == case).map(|(_, reason)| *reason)
}
