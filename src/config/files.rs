//! The files that a configuration names: for whoever has to know beforehand what will be opened, as a sandbox has.
//!
//! Each struct is taken apart field by field, so that a new one asks here whether it names a file.

use std::path::Path;

use super::listener::{Auth, CertificateFiles, Listener, Tls};
use super::{Config, Hub};
use crate::access::users::UserSetting;

impl Config {
    /// All files that it names, in the order of its tables; each may stand there more than once. The file that it was read
    /// from is known to its [`Source`](super::Source).
    pub fn files(&self) -> Vec<&Path> {
        let Hub { users, .. } = &self.hub;
        let of_listeners = self.listeners.iter().flat_map(of_listener);
        of_listeners.chain(users.iter().flat_map(of_user)).collect()
    }
}

fn of_listener(listener: &Listener) -> impl Iterator<Item = &Path> {
    let Listener {
        // A socket's file is made, not read.
        listen: _,
        service: _,
        mode: _,
        optional: _,
        proxy_protocol: _,
        allow: _,
        deny: _,
        tls,
        auth,
        origins: _,
        subprotocols: _,
        deflate: _,
        deflate_context: _,
        tls_mode: _,
        no_auth_user: _,
        slow: _,
        subject: _,
    } = listener;
    tls.iter().flat_map(of_tls).chain(auth.iter().flat_map(of_auth))
}

fn of_tls(tls: &Tls) -> impl Iterator<Item = &Path> {
    let Tls { certificates, self_signed: _, client_ca, client_auth: _, min_version: _ } = tls;
    certificates.iter().flat_map(of_pair).chain(client_ca.as_deref())
}

fn of_pair(CertificateFiles { certificate, key }: &CertificateFiles) -> [&Path; 2] {
    [certificate, key]
}

fn of_auth(auth: &Auth) -> impl Iterator<Item = &Path> {
    let Auth {
        tokens,
        jwt_secret,
        jwt_keys,
        jwks,
        audience: _,
        issuer: _,
        leeway: _,
        cookie: _,
        query: _,
        subprotocol: _,
        realm: _,
    } = auth;
    let single = [tokens, jwt_secret, jwks].into_iter().filter_map(Option::as_deref);
    single.chain(jwt_keys.iter().map(AsRef::as_ref))
}

fn of_user(user: &UserSetting) -> impl Iterator<Item = &Path> {
    let UserSetting { name: _, password_file, password_hash: _, token_file, nkey: _, rules: _, limits: _ } =
        user;
    [password_file, token_file].into_iter().filter_map(Option::as_deref)
}
