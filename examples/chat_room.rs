//! A chat room over WebSocket: whatever one says, all others hear, each message encoded once.
//!
//! ```sh
//! cargo run --release --example chat_room          # then open http://127.0.0.1:8090 in two windows
//! ```
//!
//! The room lives on one shard, so it needs no lock; the connections of a shard reach one another by letters.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use tidemill::config::{Config, Listener, ServiceName};
use tidemill::connection::ConnectionId;
use tidemill::protocol::http1::Request;
use tidemill::protocol::websocket::Kind;
use tidemill::server::Server;
use tidemill::service::Closed;
use tidemill::service::http::{Answer, Ask, Content, Frame, Http, Page, Settings, Site, Talk};

/// Who is in the room, each with a name.
#[derive(Default)]
struct Room {
    members: Vec<(ConnectionId, String)>,
}

impl Room {
    fn name(&self, id: ConnectionId) -> &str {
        self.members.iter().find(|(member, _)| *member == id).map_or("", |(_, name)| name)
    }
}

impl Site for Room {
    /// Whether it is the page or the room.
    type Route = bool;

    fn route(&mut self, request: &Request<'_>) -> bool {
        request.target.path == b"/chat"
    }

    fn content(&self, _: &bool) -> Content {
        Content::Discard
    }

    fn is_open(&self, _: &bool) -> bool {
        false
    }

    fn answer(&mut self, chat: bool, _: Ask) -> Answer {
        if chat {
            Answer::WebSocket
        } else {
            Answer::Page(Page::ok("text/html; charset=utf-8", PAGE.as_bytes()))
        }
    }

    fn joined(&mut self, talk: &mut Talk<'_, '_>) {
        let name = talk.peer().to_string();
        let frame = Frame::new(Kind::Text, format!("* {name} has come").as_bytes());
        self.members.iter().for_each(|(member, _)| talk.tell(*member, &frame));
        self.members.push((talk.id(), name));
    }

    fn message(&mut self, _: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        let said = format!("{}: {}", self.name(talk.id()), String::from_utf8_lossy(payload));
        let frame = Frame::new(Kind::Text, said.as_bytes());
        self.members.iter().for_each(|(member, _)| talk.tell(*member, &frame));
    }

    fn left(&mut self, closed: &mut Closed<'_>) {
        let frame = Frame::new(Kind::Text, format!("* {} has gone", self.name(closed.id)).as_bytes());
        self.members.retain(|(member, _)| *member != closed.id);
        self.members.iter().for_each(|(member, _)| closed.letters.post(*member, Arc::clone(frame.bytes())));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let listener = Listener::new(format!("tcp://{address}").parse()?, ServiceName::Http);
    let config = Config { listeners: vec![listener], shards: Some(1), ..Config::default() };
    let server = Server::start(&config, |_| Http::new(Room::default(), vec![Arc::new(Settings::default())]))?;
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
