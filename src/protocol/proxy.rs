//! The PROXY protocol, versions 1 and 2: who the peer is, said by a proxy in front of us.
