//! The client's half of the NATS protocol: reading what a server sends, and writing what a client says.
