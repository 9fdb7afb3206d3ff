//! `INFO`: what the server says of itself.

use serde::Serialize;

/// What the server says of itself, in the order in which nats-server says it. What is left out does not hold.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Info<'a> {
    /// Unlike that of any other server, and new at each start.
    pub server_id: &'a str,
    /// The software's name.
    pub server_name: &'a str,
    /// A version of nats-server: libraries read it with care, and switch features on by it.
    pub version: &'a str,
    /// 1: CONNECT may ask for protocol 1.
    pub proto: u8,
    /// Where the listener listens.
    pub host: &'a str,
    /// Where the listener listens.
    pub port: u16,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Whether there must be credentials in CONNECT.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the client must begin TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether TLS needs a certificate of the client.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether the client may begin TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// Most bytes of headers and payload in one message.
    pub max_payload: u32,
    /// The connection's number in this server.
    pub client_id: u64,
    /// The client's own address.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub client_ip: &'a str,
    /// What a client with a key is to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// Whether the server is about to stop: the client should go elsewhere.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// Whether this is the answer to the first PING, and says how the client is known.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account it was given: there is one, of this name in nats-server, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_account: Option<&'a str>,
}

impl Info<'_> {
    /// Appends the whole line. There is a blank before its end: clients have seen it for ten years.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"INFO ");
        let json = serde_json::to_vec(self).expect("texts and numbers become JSON");
        out.extend_from_slice(&json);
        out.extend_from_slice(b" \r\n");
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_false(value: &bool) -> bool {
    !*value
}
