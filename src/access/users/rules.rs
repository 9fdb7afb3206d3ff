//! Which subjects somebody may use, as a configuration or a token says it: plain texts, before anything is checked.
//!
//! [`Permissions`](super::Permissions) are made of them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::limits;

/// Which subjects somebody may use. What is not said is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where somebody may publish.
    pub publish: Lists,
    /// What somebody may subscribe to. An entry may name a queue group behind a space: then it is about that group.
    pub subscribe: Lists,
    /// Whether somebody may answer wherever a request that was delivered asks to. Then nothing else may be published but
    /// what is allowed by name.
    pub responses: Option<Responses>,
}

/// Subjects with wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// What may be used; unset, everything. An empty list is nothing.
    pub allow: Option<Vec<String>>,
    /// What may not be used, even when allowed.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// How a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responses {
    /// Answers to each request.
    pub max: u32,
    /// The time for them, from the delivery of the request on.
    pub expires: Duration,
}

impl Default for Responses {
    fn default() -> Self {
        Self { max: limits::RESPONSES_MAX, expires: limits::RESPONSES_EXPIRE }
    }
}

/// The rules in a token's claim.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    #[serde(default)]
    publish: Lists,
    #[serde(default)]
    subscribe: Lists,
    allow_responses: Option<ClaimedResponses>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ClaimedResponses {
    Flag(bool),
    Bounds(ClaimedBounds),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimedBounds {
    max: Option<u32>,
    /// Seconds.
    expires: Option<u32>,
}

impl Rules {
    /// Reads the claim of a JSON Web Token:
    /// `{"publish": {"allow": [...], "deny": [...]}, "subscribe": {...}, "allow_responses": {"max": 1, "expires": 120}}`,
    /// where each part may be missing, `expires` is in seconds, and `"allow_responses": true` stands for its defaults.
    /// Nothing when it has another form: whoever made it meant something that is not known here.
    pub fn from_claim(claim: Value) -> Option<Self> {
        let Claim { publish, subscribe, allow_responses } = serde_json::from_value(claim).ok()?;
        let plain = Responses::default();
        let responses = match allow_responses {
            None | Some(ClaimedResponses::Flag(false)) => None,
            Some(ClaimedResponses::Flag(true)) => Some(plain),
            Some(ClaimedResponses::Bounds(ClaimedBounds { max, expires })) => Some(Responses {
                max: max.unwrap_or(plain.max),
                expires: expires.map_or(plain.expires, |seconds| Duration::from_secs(seconds.into())),
            }),
        };
        Some(Self { publish, subscribe, responses })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lists(allow: Option<&[&str]>, deny: &[&str]) -> Lists {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Lists { allow: allow.map(owned), deny: owned(deny) }
    }

    #[test]
    fn a_claim_is_read_with_its_defaults() {
        let check = |claim: Value, expected: Rules| assert_eq!(Rules::from_claim(claim), Some(expected));
        check(json!({}), Rules::default());
        check(
            json!({"publish": {"allow": ["a.>"], "deny": ["a.b"]}, "subscribe": {"deny": ["c q"]}}),
            Rules {
                publish: lists(Some(&["a.>"]), &["a.b"]),
                subscribe: lists(None, &["c q"]),
                responses: None,
            },
        );
        let nothing = Rules { publish: lists(Some(&[]), &[]), ..Rules::default() };
        check(json!({"publish": {"allow": []}}), nothing);
        let responses = |max, seconds| Rules {
            responses: Some(Responses { max, expires: Duration::from_secs(seconds) }),
            ..Rules::default()
        };
        check(json!({"allow_responses": true}), responses(1, 120));
        check(json!({"allow_responses": false}), Rules::default());
        check(json!({"allow_responses": {}}), responses(1, 120));
        check(json!({"allow_responses": {"max": 5, "expires": 60}}), responses(5, 60));
    }

    #[test]
    fn a_claim_of_another_form_is_refused() {
        for claim in [
            json!(null),
            json!(true),
            json!("a"),
            json!(["a"]),
            json!({"pub": {"allow": ["a"]}}),
            json!({"publish": ["a"]}),
            json!({"publish": {"allow": "a"}}),
            json!({"publish": {"allowed": ["a"]}}),
            json!({"publish": {"allow": [1]}}),
            json!({"allow_responses": {"max": -1}}),
            json!({"allow_responses": {"ttl": 1}}),
            json!({"allow_responses": 3}),
        ] {
            assert_eq!(Rules::from_claim(claim.clone()), None, "{claim}");
        }
    }
}
