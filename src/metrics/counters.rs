//! The table of counters: each once, with its name for machines, its sentence, and how shards are added up.

/// How a number of several shards becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; shards add up.
    Sum,
    /// Goes up and down; shards add up.
    Gauge,
    /// The highest ever seen, by any shard.
    Max,
    /// The lowest ever seen, by any shard; [`UNSEEN`] before the first look.
    Min,
    /// The highest of the last seconds, by any shard. It is true at the moment of the look, so figures that were hung out do not
    /// have it.
    Recent,
}

impl Kind {
    fn start(self) -> u64 {
        if self == Self::Min { UNSEEN } else { 0 }
    }

    pub(super) fn join(self, one: u64, other: u64) -> u64 {
        match self {
            Self::Sum | Self::Gauge => one.saturating_add(other),
            Self::Max | Self::Recent => one.max(other),
            Self::Min => one.min(other),
        }
    }
}

/// One counter, as those who print need it.
pub struct Row {
    /// The name of the field in [`Counters`].
    pub field: &'static str,
    /// The name for machines, after the conventions of Prometheus.
    pub name: &'static str,
    /// How shards are joined.
    pub kind: Kind,
    /// One sentence: what is counted.
    pub help: &'static str,
    /// Reads it.
    pub read: fn(&Counters) -> u64,
    pub(super) place: fn(&mut Counters) -> &mut u64,
}

impl Row {
    /// The name without its label.
    pub fn base(&self) -> &'static str {
        self.name.split('{').next().unwrap_or(self.name)
    }

    /// Whether `/metrics` shows it shard by shard, instead of their sum: then the name ends with `{shard}`.
    pub fn is_by_shard(&self) -> bool {
        self.name.ends_with("{shard}")
    }

    /// Whether it counts microseconds, as its field says; the name for machines is in seconds, Prometheus' own unit.
    pub fn is_in_micros(&self) -> bool {
        self.field.ends_with("_micros")
    }

    /// Its label, if it is one of several rows of that name.
    pub fn label(&self) -> Option<(&'static str, &'static str)> {
        let (key, value) = self.name.split_once('{')?.1.trim_end_matches('}').split_once('=')?;
        Some((key, value.trim_matches('"')))
    }
}

/// The value of a minimum that nobody has measured yet.
pub const UNSEEN: u64 = u64::MAX;

macro_rules! counters {
    ($($kind:ident $field:ident $name:literal $help:literal)*) => {
        /// Plain numbers, one field per row of [`TABLE`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl Default for Counters {
            fn default() -> Self {
                Self { $($field: Kind::$kind.start(),)* }
            }
        }

        /// Every counter, in the order in which it is printed.
        pub const TABLE: &[Row] = &[$(Row {
            field: stringify!($field),
            name: $name,
            kind: Kind::$kind,
            help: $help,
            read: |counters| counters.$field,
            place: |counters| &mut counters.$field,
        },)*];
    };
}

counters! {
    Sum accepted "tidemill_connections_accepted_total{shard}"
        "Connections accepted."
    Sum refused_full "tidemill_connections_refused_full_total"
        "Connections closed at once because the table was full."
    Sum accept_pauses "tidemill_accept_pauses_total"
        "Pauses in accepting because descriptors ran short."
    Sum closed "tidemill_connections_closed_total"
        "Connections whose slot is free again."
    Sum cut_idle "tidemill_connections_cut_idle_total"
        "Connections cut after a long silence in both directions."
    Sum cut_stalled "tidemill_connections_cut_stalled_total"
        "Connections cut because the peer read nothing of what waited for it."
    Sum cut_linger "tidemill_connections_cut_linger_total"
        "Connections cut because the peer did not close after we had."
    Sum cut_outbox "tidemill_connections_cut_outbox_total"
        "Connections cut because too many bytes waited to be sent."
    Sum cut_inbox "tidemill_connections_cut_inbox_total"
        "Connections cut because an unfinished frame grew too long."
    Sum cut_drain "tidemill_connections_cut_drain_total"
        "Connections cut because a stop did not wait longer."
    Sum reset_by_peer "tidemill_connections_reset_by_peer_total"
        "Connections that the peer reset, or that the kernel found dead."
    Gauge private_bytes "tidemill_private_bytes{shard}"
        "Memory of single connections for what waits for them and what they have not finished saying."
    Gauge connections_open "tidemill_connections_open{shard}"
        "Connections that hold a slot."
    Sum bytes_received "tidemill_bytes_received_total{shard}"
        "Bytes received on streams."
    Sum bytes_sent "tidemill_bytes_sent_total{shard}"
        "Bytes sent on streams."
    Sum receives "tidemill_receives_total"
        "Completions that brought stream bytes."
    Sum sends "tidemill_sends_total"
        "Completions that took stream bytes."
    Sum send_short "tidemill_sends_short_total"
        "Sends of which the kernel took only a part."
    Sum send_blocked "tidemill_sends_blocked_total"
        "Sends that would have waited for the peer."
    Sum copied_bytes "tidemill_copied_bytes_total"
        "Bytes copied for peers that do not keep up, because receive buffers ran low."
    Sum datagrams_received "tidemill_datagrams_received_total"
        "Datagrams received."
    Sum datagrams_sent "tidemill_datagrams_sent_total"
        "Datagrams sent."
    Sum datagrams_dropped "tidemill_datagrams_dropped_total"
        "Datagrams whose answer could not be sent."
    Sum datagrams_truncated "tidemill_datagrams_truncated_total"
        "Datagrams that were longer than their buffer."
    Gauge shards_uring "tidemill_shards{engine=\"uring\"}"
        "Shards served by io_uring."
    Gauge shards_epoll "tidemill_shards{engine=\"epoll\"}"
        "Shards served by epoll."
    Sum enters "tidemill_ring_enters_total{shard}"
        "System calls that submitted and waited."
    Sum completions "tidemill_ring_completions_total{shard}"
        "Completions handled."
    Max completions_per_enter_max "tidemill_ring_completions_per_enter_max"
        "The most completions that one system call brought."
    Sum submissions "tidemill_ring_submissions_total"
        "Operations submitted."
    Sum submission_queue_full "tidemill_ring_submission_queue_full_total"
        "Times that a full submission queue was submitted early."
    Sum cq_overflows "tidemill_ring_completion_queue_overflows_total"
        "Times that completions overflowed into the kernel's memory."
    Sum no_buffers "tidemill_receive_no_buffers_total"
        "Receives that ended because no buffer was free (ENOBUFS)."
    Sum receive_paused "tidemill_receive_paused_total"
        "Times that a peer was not read from any more because it did not read."
    Sum receive_resumed "tidemill_receive_resumed_total"
        "Times that reading from a paused peer started again."
    Gauge receive_buffers_free "tidemill_receive_buffers_free{shard}"
        "Receive buffers that the kernel may fill."
    Gauge receive_buffers "tidemill_receive_buffers{shard}"
        "All receive buffers, those included that hold what came."
    Min receive_buffers_free_min "tidemill_receive_buffers_free_min"
        "The fewest receive buffers that were ever free in one shard."
    Sum stale_completions "tidemill_ring_stale_completions_total"
        "Completions for a slot whose connection was gone."
    Sum unexpected_errors "tidemill_unexpected_errors_total"
        "Errors of the kernel that no code expects."
    Sum messages_received "tidemill_mailbox_messages_received_total"
        "Messages taken from the own mailbox."
    Sum doorbells "tidemill_mailbox_doorbells_total"
        "Sleeping shards woken for a message."
    Sum log_lines_suppressed "tidemill_log_lines_suppressed_total"
        "Log lines that were only counted, because too many came in one second."
    Sum tls_handshakes "tidemill_tls_handshakes_total"
        "TLS handshakes that came to their end."
    Sum tls_resumed "tidemill_tls_handshakes_resumed_total"
        "TLS handshakes that took up an earlier session."
    Sum http_requests "tidemill_http_requests_total"
        "HTTP requests whose head was read."
    Sum http_answers_1xx "tidemill_http_answers_total{status=\"1xx\"}"
        "HTTP answers that change the protocol."
    Sum http_answers_2xx "tidemill_http_answers_total{status=\"2xx\"}"
        "HTTP answers that give what was asked for."
    Sum http_answers_4xx "tidemill_http_answers_total{status=\"4xx\"}"
        "HTTP answers that refuse."
    Sum http_answers_5xx "tidemill_http_answers_total{status=\"5xx\"}"
        "HTTP answers that fail, or say that the server is stopping."
    Gauge websockets_open "tidemill_websockets_open"
        "WebSocket connections."
    Sum websocket_messages_received "tidemill_websocket_messages_received_total"
        "WebSocket messages received."
    Sum websocket_messages_sent "tidemill_websocket_messages_sent_total"
        "WebSocket messages sent."
    Sum websocket_failures "tidemill_websocket_failures_total"
        "WebSocket connections ended for a fault of the peer."
    Sum hub_published "tidemill_hub_published_total{shard}"
        "Messages that connections have published."
    Sum hub_delivered "tidemill_hub_delivered_total{shard}"
        "Messages that went towards connections because they listen."
    Sum hub_crossed "tidemill_hub_crossed_total"
        "Messages that went to another shard, because somebody there listens."
    Sum hub_slow_pending "tidemill_hub_slow_consumers_total{reason=\"pending_bytes\"}"
        "Subscribers cut because more waited for them than may for one."
    Sum hub_slow_shared "tidemill_hub_slow_consumers_total{reason=\"shared_bytes\"}"
        "Subscribers cut because much waited for them while more was shared than may be for all."
    Sum hub_slow_outbox "tidemill_hub_slow_consumers_total{reason=\"outbox\"}"
        "Subscribers cut because too many bytes of their own waited; among tidemill_connections_cut_outbox_total, too."
    Sum hub_slow_stalled "tidemill_hub_slow_consumers_total{reason=\"stalled\"}"
        "Subscribers cut because they read nothing for too long; among tidemill_connections_cut_stalled_total, too."
    Sum hub_slow_replies "tidemill_hub_slow_consumers_total{reason=\"replies\"}"
        "Connections that asked by WebSocket and were cut because they did not read the answers."
    Sum hub_dropped_replaced "tidemill_hub_dropped_total{reason=\"replaced\"}"
        "Messages left out for who did not keep up, because a later one of their subject took their place."
    Sum hub_dropped_oldest "tidemill_hub_dropped_total{reason=\"oldest\"}"
        "Messages left out for who did not keep up, because they were the oldest of too many."
    Sum hub_dropped_cut "tidemill_hub_dropped_total{reason=\"cut\"}"
        "Messages left out because who was to be sent them was cut for not keeping up."
    Sum hub_orphaned "tidemill_hub_orphaned_total"
        "Messages for a queue group whose members had all left when they came to another shard."
    Sum hub_told_lost "tidemill_hub_told_lost_total"
        "Messages to the server's own services that were lost because too many waited."
    Gauge hub_clients "tidemill_hub_clients{shard}"
        "Connections that take part in the hub."
    Gauge hub_subscriptions "tidemill_hub_subscriptions{shard}"
        "Subscriptions."
    Gauge hub_lent_bytes "tidemill_hub_lent_bytes{shard}"
        "Bytes that wait for subscribers, each counted once however many share it."
    Gauge hub_held_bytes "tidemill_hub_held_bytes{shard}"
        "Bytes that are held back for subscribers that do not keep up, under a policy that may leave some out."
    Sum published_nats "tidemill_hub_published_by_door_total{door=\"nats\"}"
        "Messages published by NATS clients, over TCP and over WebSocket."
    Sum published_websocket "tidemill_hub_published_by_door_total{door=\"websocket\"}"
        "Messages published over WebSocket."
    Sum published_http "tidemill_hub_published_by_door_total{door=\"http\"}"
        "Messages published by an HTTP request."
    Sum published_datagram "tidemill_hub_published_by_door_total{door=\"datagram\"}"
        "Messages published by a datagram."
    Gauge events_open "tidemill_event_streams_open"
        "Connections that are sent Server-Sent Events."
    Sum requests_unheard "tidemill_hub_requests_unheard_total"
        "Requests over HTTP and WebSocket to a subject that nobody listens to."
    Sum requests_timed_out "tidemill_hub_requests_timed_out_total"
        "Requests over HTTP and WebSocket that nobody answered in time."
    Sum hub_turns "tidemill_hub_turns_total"
        "Turns that had something for subscribers."
    Sum parcels_sent "tidemill_hub_parcels_total{shard}"
        "Batches of messages and of interest that a shard has sent to others."
    Sum parcels_received "tidemill_hub_parcels_received_total{shard}"
        "Batches of messages and of interest that a shard has received of others."
    Gauge nats_open "tidemill_nats_connections_open"
        "NATS clients, over TCP and over WebSocket."
    Sum nats_messages_received "tidemill_nats_messages_received_total"
        "Messages that NATS clients have sent."
    Sum nats_payload_bytes_received "tidemill_nats_payload_bytes_received_total"
        "Bytes of headers and payloads that NATS clients have sent."
    Sum nats_pauses "tidemill_nats_pauses_total"
        "Times that a NATS client was read from later because another shard was behind."
    Sum nats_errors_operation "tidemill_nats_errors_total{kind=\"operation\"}"
        "What came begins like no operation, or a payload does not end where its line said."
    Sum nats_errors_control_line "tidemill_nats_errors_total{kind=\"control_line\"}"
        "A line was too long."
    Sum nats_errors_payload "tidemill_nats_errors_total{kind=\"payload\"}"
        "A message was too long."
    Sum nats_errors_arguments "tidemill_nats_errors_total{kind=\"arguments\"}"
        "An operation did not have the arguments that it needs."
    Sum nats_errors_reported "tidemill_nats_errors_total{kind=\"reported\"}"
        "The client reported an error, and was let go."
    Sum nats_errors_connect "tidemill_nats_errors_total{kind=\"connect\"}"
        "A CONNECT asked for what there is not."
    Sum nats_errors_authorization "tidemill_nats_errors_total{kind=\"authorization\"}"
        "A client did not say in time who it is, or not truly."
    Sum nats_errors_stale "tidemill_nats_errors_total{kind=\"stale\"}"
        "A client did not answer two pings."
    Sum nats_errors_subject "tidemill_nats_errors_total{kind=\"subject\"}"
        "A subject was not one."
    Sum nats_errors_subscriptions "tidemill_nats_errors_total{kind=\"subscriptions\"}"
        "A client had all the subscriptions that it may have."
    Sum nats_errors_publish_permission "tidemill_nats_errors_total{kind=\"publish_permission\"}"
        "A client published where it may not."
    Sum nats_errors_subscribe_permission "tidemill_nats_errors_total{kind=\"subscribe_permission\"}"
        "A client subscribed to what it may not hear."
    Sum throttled "tidemill_throttled_total"
        "Times that a peer was read from later because it sent more than its rate."
    Sum refused_network "tidemill_refused_total{reason=\"network\"}"
        "Connections from addresses that may not come."
    Sum refused_address_connections "tidemill_refused_total{reason=\"address_connections\"}"
        "Connections from addresses that have all they may have."
    Sum refused_address_arrivals "tidemill_refused_total{reason=\"address_arrivals\"}"
        "Connections from addresses that come too often."
    Sum refused_arrivals "tidemill_refused_total{reason=\"arrivals\"}"
        "Connections that came too fast."
    Sum refused_proxy_header "tidemill_refused_total{reason=\"proxy_header\"}"
        "Connections without the PROXY header that their listener asks for."
    Sum refused_opening_timeout "tidemill_refused_total{reason=\"opening_timeout\"}"
        "Connections whose PROXY header or TLS handshake did not come in time."
    Sum refused_tls_plain "tidemill_refused_total{reason=\"tls_plain\"}"
        "Connections that spoke without TLS to a listener with TLS."
    Sum refused_tls_negotiation "tidemill_refused_total{reason=\"tls_negotiation\"}"
        "TLS handshakes without a common version or cipher."
    Sum refused_tls_certificate "tidemill_refused_total{reason=\"tls_certificate\"}"
        "TLS handshakes without a certificate that is good for the other side."
    Sum refused_tls_malformed "tidemill_refused_total{reason=\"tls_malformed\"}"
        "TLS connections that sent something else."
    Sum refused_tls_other "tidemill_refused_total{reason=\"tls_other\"}"
        "TLS connections that failed for another reason."
    Sum refused_malformed "tidemill_refused_total{reason=\"malformed\"}"
        "Connections that sent what their protocol does not allow."
    Sum refused_too_large "tidemill_refused_total{reason=\"too_large\"}"
        "Requests and messages that were larger than they may be."
    Sum refused_slow "tidemill_refused_total{reason=\"slow\"}"
        "Requests that came too slowly."
    Sum refused_datagram_rate "tidemill_refused_total{reason=\"datagram_rate\"}"
        "Datagrams that came too fast from their address, and were dropped."
    Sum refused_request_rate "tidemill_refused_total{reason=\"request_rate\"}"
        "Requests that came too often."
    Sum refused_credential_missing "tidemill_refused_total{reason=\"credential_missing\"}"
        "Requests without a credential."
    Sum refused_credential_bad "tidemill_refused_total{reason=\"credential_bad\"}"
        "Requests with a credential that is not good here."
    Sum refused_credential_expired "tidemill_refused_total{reason=\"credential_expired\"}"
        "Requests with a credential whose time is over or has not come."
    Sum refused_credential_revoked "tidemill_refused_total{reason=\"credential_revoked\"}"
        "Connections of users that a reload has removed or changed."
    Sum refused_password_timeout "tidemill_refused_total{reason=\"password_timeout\"}"
        "Passwords that could not be checked in time."
    Sum refused_origin "tidemill_refused_total{reason=\"origin\"}"
        "WebSocket requests from web pages that may not."
    Sum refused_subject "tidemill_refused_total{reason=\"subject\"}"
        "Requests and datagrams to the hub that named no subject, or one that cannot be."
    Sum refused_permission "tidemill_refused_total{reason=\"permission\"}"
        "Messages and subscriptions that were not allowed."
    Sum refused_subscriptions "tidemill_refused_total{reason=\"subscriptions\"}"
        "Wishes to listen to more than one may at once."
    Sum refused_user_connections "tidemill_refused_total{reason=\"user_connections\"}"
        "Connections and requests of users who have all that they may have."
    Sum refused_user_rate "tidemill_refused_total{reason=\"user_rate\"}"
        "Requests of users who send more than they may."
    Sum cpu_micros "tidemill_shard_cpu_seconds_total{shard}"
        "Processor time of the shard's thread, in the kernel and outside it."
    Recent turn_longest_1s_micros "tidemill_turn_longest_1s_seconds{shard}"
        "The longest turn of the loop in the last second."
    Recent turn_longest_10s_micros "tidemill_turn_longest_10s_seconds{shard}"
        "The longest turn of the loop in the last ten seconds."
    Recent turn_longest_60s_micros "tidemill_turn_longest_60s_seconds{shard}"
        "The longest turn of the loop in the last minute."
    Sum turns "tidemill_turns_total{shard}"
        "Turns of the loop."
}
