//! The tables of one listener: its own, and those of its TLS and its authentication.
//!
//! Values are only read here, each with its place. Whether they go together is looked at when the layers are settled,
//! for a program can fill the same fields.

use std::ops::Range;
use std::path::PathBuf;

use ipnet::IpNet;
use toml::de::DeValue;

use super::super::endpoint::Endpoint;
use super::super::error::ConfigError;
use super::super::keys::{AUTH, AUTH_KEYS, CERTIFICATES, LISTENER_KEYS, LISTENER_TABLES, TLS, TLS_KEYS};
use super::super::layer::SaidListener;
use super::super::listener::{Auth, CertificateFiles, Listener, Tls};
use super::super::names::{ClientAuth, ServiceName};
use super::Table;
use super::values::{Reader, duration, mode, network, path, text_as, yes_or_no};
use crate::sys::address::Listen;

impl Table<'_> {
    /// The listener that this table describes; `span` is the table's own.
    pub(super) fn listener(&self, span: Range<usize>) -> Result<SaidListener, ConfigError> {
        self.refuse_unknown(&mut LISTENER_KEYS.iter().map(|key| key.name).chain(LISTENER_TABLES))?;
        let Some(listen) = self.get("address", address)? else {
            let problem = "is missing: write address = \"tcp://127.0.0.1:7000\", for example".to_owned();
            return Err(self.refuse("address", span, problem));
        };
        let service = self.value("service", text_as)?.unwrap_or(ServiceName::Echo);
        let plain = Listener::new(listen.value, service);
        let (tls, auth) = (self.table("tls", TLS)?, self.table("auth", AUTH)?);
        let listener = Listener {
            mode: self.value("mode", mode)?,
            optional: self.value("optional", yes_or_no)?.unwrap_or(plain.optional),
            proxy_protocol: self.value("proxy_protocol", yes_or_no)?.unwrap_or(plain.proxy_protocol),
            allow: self.allowed()?,
            deny: self.list("deny", network)?,
            tls: tls.map(|table| table.tls()).transpose()?,
            auth: auth.map(|table| table.auth()).transpose()?,
            origins: if self.has("origins") { self.list("origins", text_as)? } else { plain.origins.clone() },
            subprotocols: self.list("subprotocols", text_as)?,
            deflate: self.value("deflate", yes_or_no)?.unwrap_or(plain.deflate),
            deflate_context: self.value("deflate_context", yes_or_no)?.unwrap_or(plain.deflate_context),
            tls_mode: self.value("tls_mode", text_as)?.unwrap_or_default(),
            no_auth_user: self.value("no_auth_user", text_as)?,
            slow: self.value("slow", text_as)?.unwrap_or_default(),
            subject: self.value("subject", text_as)?,
            ..plain
        };
        let mut said = SaidListener::new(listener, listen.place);
        for table in [Some(*self), tls, auth].into_iter().flatten() {
            for (key, value) in table.table.iter() {
                said.note(table.path(key.get_ref()), table.place(key.get_ref(), value.span()));
            }
        }
        Ok(said)
    }

    fn tls(&self) -> Result<Tls, ConfigError> {
        self.refuse_unknown(&mut TLS_KEYS.iter().map(|key| key.name))?;
        let mut certificates = Vec::from_iter(self.certificate()?);
        certificates.extend(self.certificates()?);
        let client_ca = self.file("client_ca")?;
        let client_auth = if client_ca.is_some() { ClientAuth::Required } else { ClientAuth::Off };
        Ok(Tls {
            certificates,
            self_signed: self.value("self_signed", yes_or_no)?.unwrap_or(false),
            client_ca,
            client_auth: self.value("client_auth", text_as)?.unwrap_or(client_auth),
            min_version: self.value("min_version", text_as)?.unwrap_or_default(),
        })
    }

    /// The certificate that stands in this table, with its key, if one does.
    fn certificate(&self) -> Result<Option<CertificateFiles>, ConfigError> {
        let needs = |one: &str, other: &str| {
            let span = self.table.get(one).map_or(0..0, |value| value.span());
            Err(self.refuse(one, span, format!("is alone: it needs {other} = \"FILE\" beside it")))
        };
        match (self.file("certificate")?, self.file("key")?) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
            (Some(_), None) => needs("certificate", "key"),
            (None, Some(_)) => needs("key", "certificate"),
        }
    }

    /// The certificates that stand in a list of tables.
    fn certificates(&self) -> Result<Vec<CertificateFiles>, ConfigError> {
        let wrong = |span| {
            let problem =
                "is a list of tables: write certificates = [{ certificate = \"FILE\", key = \"FILE\" }]";
            self.refuse("certificates", span, problem.to_owned())
        };
        let Some(value) = self.table.get("certificates") else { return Ok(Vec::new()) };
        let array = value.get_ref().as_array().ok_or_else(|| wrong(value.span()))?;
        let read = |each: &toml::Spanned<DeValue<'_>>| {
            let table = each.get_ref().as_table().ok_or_else(|| wrong(each.span()))?;
            let table = Table { source: self.source, section: CERTIFICATES, table };
            table.refuse_unknown(&mut ["certificate", "key"].into_iter())?;
            table.certificate()?.ok_or_else(|| wrong(each.span()))
        };
        array.iter().map(read).collect()
    }

    fn auth(&self) -> Result<Auth, ConfigError> {
        self.refuse_unknown(&mut AUTH_KEYS.iter().map(|key| key.name))?;
        let plain = Auth::default();
        Ok(Auth {
            tokens: self.file("tokens")?,
            jwt_secret: self.file("jwt_secret")?,
            jwt_keys: self.list("jwt_keys", path)?.into_iter().map(|path| self.resolve(path)).collect(),
            jwks: self.file("jwks")?,
            audience: self.value("audience", text_as)?,
            issuer: self.value("issuer", text_as)?,
            leeway: self.value("leeway", duration)?.unwrap_or(plain.leeway),
            cookie: self.value("cookie", text_as)?,
            query: self.value("query", text_as)?,
            subprotocol: self.value("subprotocol", yes_or_no)?.unwrap_or(plain.subprotocol),
            realm: self.value("realm", text_as)?.unwrap_or(plain.realm),
        })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of `key` without its place, if it is there.
    pub(super) fn value<T>(&self, key: &str, read: Reader<T>) -> Result<Option<T>, ConfigError> {
        self.table.get(key).map(|value| self.read(key, value, read)).transpose()
    }

    /// The values of a list; a key that is not there is an empty one.
    pub(super) fn list<T>(&self, key: &str, read: Reader<T>) -> Result<Vec<T>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let Some(array) = value.get_ref().as_array() else {
            let problem =
                format!("is {}: it takes a list, as in [\"...\"]", self.source.excerpt(value.span()));
            return Err(self.refuse(key, value.span(), problem));
        };
        array.iter().map(|each| self.read(key, each, read)).collect()
    }

    /// The networks that may come. No entry means all of them, so an empty list would say the opposite of what it shows.
    fn allowed(&self) -> Result<Vec<IpNet>, ConfigError> {
        let networks = self.list("allow", network)?;
        match self.table.get("allow") {
            Some(value) if networks.is_empty() => {
                let problem = "is empty: name the networks that may come, or leave it out where all may";
                Err(self.refuse("allow", value.span(), problem.to_owned()))
            }
            Some(_) | None => Ok(networks),
        }
    }

    /// The file of that key; a relative path begins at the folder of the configuration.
    pub(super) fn file(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.value(key, path)?.map(|path| self.resolve(path)))
    }

    fn resolve(&self, path: PathBuf) -> PathBuf {
        self.source.folder.join(path)
    }
}

/// An address; what stands in `--listen` for more than that is told apart.
fn address(value: &DeValue<'_>) -> Result<Listen, String> {
    text_as(value).map_err(|reason| {
        let endpoint = value.as_str().and_then(|text| text.parse::<Endpoint>().ok());
        endpoint.map_or(reason, |endpoint| {
            let tls = if endpoint.tls { " and a table [listener.tls]" } else { "" };
            format!(
                "that is for --listen; here, write address = \"{}\", service = \"{}\"{tls}",
                endpoint.listen,
                endpoint.service.name()
            )
        })
    })
}
