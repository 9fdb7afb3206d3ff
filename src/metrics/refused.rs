//! Why a peer was turned away: one word each, for counters and logs.

use super::Counters;

macro_rules! refusals {
    ($($variant:ident $field:ident $label:literal $sentence:literal)*) => {
        /// Why a peer, or something it asked for, was turned away.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refused {
            $(#[doc = $sentence] $variant,)*
        }

        impl Refused {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }

            /// What happened, as a sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }

            /// Its counter.
            pub fn count(self, counters: &mut Counters) -> &mut u64 {
                match self {
                    $(Self::$variant => &mut counters.$field,)*
                }
            }
        }
    };
}

refusals! {
    Network refused_network "network"
        "Its address is not one that may come."
    AddressConnections refused_address_connections "address_connections"
        "Its address has all the connections it may have."
    AddressArrivals refused_address_arrivals "address_arrivals"
        "Its address comes too often."
    Arrivals refused_arrivals "arrivals"
        "Connections come too fast."
    ProxyHeader refused_proxy_header "proxy_header"
        "It did not begin with a PROXY header, as this listener asks."
    OpeningTimeout refused_opening_timeout "opening_timeout"
        "It took too long to begin."
    TlsPlain refused_tls_plain "tls_plain"
        "It spoke without TLS to a listener with TLS."
    TlsNegotiation refused_tls_negotiation "tls_negotiation"
        "It has no TLS version or cipher in common with us."
    TlsCertificate refused_tls_certificate "tls_certificate"
        "It has no certificate that is good here, or does not take ours."
    TlsMalformed refused_tls_malformed "tls_malformed"
        "What it sent is not TLS."
    TlsOther refused_tls_other "tls_other"
        "Its TLS handshake or connection failed for another reason."
    Malformed refused_malformed "malformed"
        "It sent what its protocol does not allow."
    TooLarge refused_too_large "too_large"
        "It sent more than may come at once."
    Slow refused_slow "slow"
        "It sent what it began too slowly."
    DatagramRate refused_datagram_rate "datagram_rate"
        "Its address sends more datagrams, or more bytes in them, than it may."
    RequestRate refused_request_rate "request_rate"
        "It asks too often."
    CredentialMissing refused_credential_missing "credential_missing"
        "It showed no credential."
    CredentialBad refused_credential_bad "credential_bad"
        "It showed a credential that is not good here."
    CredentialExpired refused_credential_expired "credential_expired"
        "It showed a credential whose time is over or has not come."
    CredentialRevoked refused_credential_revoked "credential_revoked"
        "Its user was removed or changed when the configuration was read again."
    PasswordTimeout refused_password_timeout "password_timeout"
        "Its password could not be checked in the time that there is for that."
    Origin refused_origin "origin"
        "It comes from a web page that may not."
    Subject refused_subject "subject"
        "It asked the hub for what cannot be."
    Permission refused_permission "permission"
        "It wanted to publish or listen where it may not."
    Subscriptions refused_subscriptions "subscriptions"
        "It wanted to listen to more than it may at once."
    UserConnections refused_user_connections "user_connections"
        "Its user has all the connections that are allowed."
    UserRate refused_user_rate "user_rate"
        "Its user sends more than is allowed."
}
