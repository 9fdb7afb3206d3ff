//! What went wrong with NATS clients: one word each, for counters.

use super::Counters;

macro_rules! errors {
    ($($variant:ident $field:ident $sentence:literal)*) => {
        /// What went wrong with a NATS client.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum NatsError {
            $(#[doc = $sentence] $variant,)*
        }

        impl NatsError {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its counter.
            pub fn count(self, counters: &mut Counters) -> &mut u64 {
                match self {
                    $(Self::$variant => &mut counters.$field,)*
                }
            }
        }
    };
}

errors! {
    Operation nats_errors_operation "What came begins like no operation, or a payload does not end where its line said."
    ControlLine nats_errors_control_line "A line was too long."
    Payload nats_errors_payload "A message was too long."
    Arguments nats_errors_arguments "An operation did not have the arguments that it needs."
    Reported nats_errors_reported "The client reported an error, and was let go."
    Connect nats_errors_connect "A CONNECT asked for what there is not."
    Authorization nats_errors_authorization "A client did not say in time who it is, or not truly."
    Stale nats_errors_stale "A client did not answer two pings."
    Subject nats_errors_subject "A subject was not one."
    Subscriptions nats_errors_subscriptions "A client had all the subscriptions that it may have."
    PublishPermission nats_errors_publish_permission "A client published where it may not."
    SubscribePermission nats_errors_subscribe_permission "A client subscribed to what it may not hear."
}
