//! The settings of a test in the language of Tidemill.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::peer::{Settings, TlsFirst, User};
use crate::support::{Folder, text};

/// The configuration; secrets are written to files in this folder.
pub(super) fn configuration(settings: &Settings, folder: &Folder) -> String {
    let mut lines =
        format!("[server]\nshards = {}\n\n[hub]\nauth_timeout = \"1m\"\n", settings.shards.max(1));
    let limits = [
        ("payload_bytes_max", settings.max_payload),
        ("control_line_bytes_max", settings.max_control_line),
        ("subscriptions_per_connection", settings.max_subscriptions),
    ];
    for (name, value) in limits {
        if let Some(value) = value {
            line(&mut lines, format_args!("{name} = {value}"));
        }
    }
    settings.users.iter().for_each(|each| user(each, folder, &mut lines));
    if let Some(token) = settings.token {
        let file = secret("token", token, folder);
        line(&mut lines, format_args!("[[hub.user]]\nname = \"token\"\ntoken_file = {file:?}"));
    }
    let port = settings.port;
    line(&mut lines, format_args!("[[listener]]\naddress = \"tcp://127.0.0.1:{port}\"\nservice = \"nats\""));
    let auth = settings.jwt_secret.map(|secret_text| {
        let file = secret("jwt", secret_text, folder);
        format!("[listener.auth]\njwt_secret = {file:?}\n")
    });
    let auth = auth.unwrap_or_default();
    lines += &auth;
    if let Some((certificate, key)) = &settings.tls {
        let (certificate, key) = (text(certificate), text(key));
        let mode = match settings.tls_first {
            TlsFirst::No => "upgrade",
            TlsFirst::Yes => "first",
            TlsFirst::Auto => "auto",
        };
        let tls = format!("[listener.tls]\ncertificate = {certificate:?}\nkey = {key:?}");
        line(&mut lines, format_args!("tls_mode = \"{mode}\"\n{tls}"));
        line(
            &mut lines,
            format_args!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n{tls}"),
        );
    }
    // The page of the test in a browser comes from another port.
    let web_port = settings.web_port;
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:{web_port}\"\nservice = \"http\"\n");
    lines + &listener + "origins = [\"*\"]\n" + &auth
}

fn user(user: &User, folder: &Folder, lines: &mut String) {
    let name = if user.name.is_empty() { "key" } else { user.name };
    line(lines, format_args!("[[hub.user]]\nname = {name:?}"));
    if !user.nkey.is_empty() {
        line(lines, format_args!("nkey = {:?}", user.nkey));
    } else if user.password.starts_with("$2") {
        line(lines, format_args!("password_bcrypt = {:?}", user.password));
    } else {
        line(lines, format_args!("password_file = {:?}", secret(name, user.password, folder)));
    }
    let lists = [
        ("publish_allow", user.publish.allow),
        ("publish_deny", user.publish.deny),
        ("subscribe_allow", user.subscribe.allow),
        ("subscribe_deny", user.subscribe.deny),
    ];
    for (name, subjects) in lists {
        if !subjects.is_empty() {
            line(lines, format_args!("{name} = {subjects:?}"));
        }
    }
    if user.allow_responses {
        // As nats-server has it if nothing else is said.
        line(lines, format_args!("responses_max = 1"));
    }
}

/// Writes a file that only its owner may read, and returns its path.
fn secret(name: &str, secret: &str, folder: &Folder) -> String {
    let path = folder.write(&format!("{name}.secret"), secret);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
    text(&path).to_owned()
}

fn line(lines: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(lines, "{arguments}").expect("a string takes everything");
}
