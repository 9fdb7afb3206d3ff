//! A chat room over WebSocket: whatever one says, all others hear, each message encoded once.
//!
//! ```sh
//! cargo run --release --example chat_room          # then open http://127.0.0.1:8090 in two windows
//! ```
//!
//! The room is a subject of the hub: who is in it listens to it, on whichever shard.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use tidemill::config::{Config, Listener, ServiceName};
use tidemill::hub::{Form, Hub, Kind as Said, Message, Subscribe};
use tidemill::protocol::http1::Request;
use tidemill::protocol::websocket::Kind;
use tidemill::server::Server;
use tidemill::service::Closed;
use tidemill::service::http::{Answer, Ask, Content, Http, Page, Settings, Site, Talk};

/// The room itself; who is in it, the hub knows.
struct Room;

/// Says something to all who are in the room.
fn say(hub: &mut Hub, text: &str) {
    let payload = text.as_bytes();
    hub.publish(None, &Message { subject: b"room", payload, kind: Said::Text, ..Message::default() });
}

impl Site for Room {
    /// Whether it is the page or the room.
    type Route = bool;
    /// The name of who is in the room.
    type Seat = String;

    fn route(&mut self, request: &Request<'_>, _: Option<&str>) -> bool {
        request.target.path == b"/chat"
    }

    fn content(&self, _: &bool) -> Content {
        Content::Discard
    }

    fn is_open(&self, _: &bool) -> bool {
        false
    }

    fn answer(&mut self, chat: bool, _: Ask) -> Answer<String> {
        if chat {
            Answer::WebSocket(String::new())
        } else {
            Answer::Page(Page::ok("text/html; charset=utf-8", PAGE.as_bytes()))
        }
    }

    fn joined(&mut self, name: &mut String, _: Option<&str>, talk: &mut Talk<'_, '_>) {
        *name = talk.peer().to_string();
        say(talk.hub(), &format!("* {name} has come"));
        let client = talk.join(Form::WebSocket, true);
        // There is no other subscription of this client that could have the name.
        let _ = talk.hub().subscribe(client, &Subscribe { filter: b"room", ..Subscribe::default() });
    }

    fn message(&mut self, name: &mut String, _: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        say(talk.hub(), &format!("{name}: {}", String::from_utf8_lossy(payload)));
    }

    fn left(&mut self, name: String, closed: &mut Closed<'_>) {
        say(closed.hub, &format!("* {name} has gone"));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let listener = Listener::new(format!("tcp://{address}").parse()?, ServiceName::Http);
    let config = Config { listeners: vec![listener], shards: Some(1), ..Config::default() };
    let server = Server::start(&config, |_| Http::new(Room, vec![Arc::new(Settings::default())]))?;
    let url = server.addresses()[0].to_string().replace("tcp", "http");
    writeln!(std::io::stdout(), "The room is open at {url}; Ctrl-C closes it.")?;
    loop {
        std::thread::park();
    }
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>Chat</title>
<form><input autofocus autocomplete="off" size="60"></form><pre></pre><script>
const socket = new WebSocket(location.href.replace("http", "ws").replace(/\/*$/, "/chat"));
const [form, input, pre] = ["form", "input", "pre"].map(name => document.querySelector(name));
socket.onmessage = message => pre.append(message.data + "\n");
form.onsubmit = event => { event.preventDefault(); socket.send(input.value); input.value = ""; };
</script>"#;
