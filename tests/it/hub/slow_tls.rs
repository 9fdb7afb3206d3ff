//! A slow consumer behind TLS: it is cut as in the clear, and told why behind whole messages; nobody else misses anything.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::http::{ADMIN, figure};
use crate::support::nats::{Client, number, payload, publish};
use crate::support::server::Server;
use crate::support::tls::{self, Authority, VERSIONS};
use crate::support::web::serve;
use crate::support::{Folder, eventually, streams};

const KERNEL_BYTES: usize = 16 * 1024;
/// Messages that are on their way at any time, which fit into the memory that the kernel has for each who reads.
const WINDOW: usize = 4;
const LENGTH: usize = 8 * 1024;

fn start(folder: &Folder, authority: &Authority) -> Server {
    let keys = authority.issue(&["localhost"]).keys(folder, "server");
    let nats = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n";
    let tables = format!(
        "{nats}tls_mode = \"first\"\ntls = {{ {keys} }}\n{nats}{ADMIN}[hub]\npending_bytes_max = \"256KiB\"\n"
    );
    serve(folder, "", &tables, &["--shards", "2"])
}

#[track_caller]
fn check_hears<S: Read + Write>(client: &mut Client<S>, first: usize) {
    for expected in first..first + WINDOW {
        let (subject, payload) = client.message().expect("who reads is not cut");
        assert_eq!((&*subject, number(&payload), payload.len()), ("s", expected, LENGTH));
    }
}

/// For each version of TLS.
#[test]
fn who_is_too_slow_behind_tls_is_told_so_and_nobody_else_misses_anything() {
    for version in VERSIONS {
        let (folder, authority) = (Folder::new(), Authority::new("authority"));
        let server = start(&folder, &authority);
        let config: Arc<ClientConfig> = Arc::new(authority.client(&[version]));
        let (behind_tls, clear) = (server.addresses("nats+tls://")[0], server.addresses("nats://")[0]);
        let mut socket =
            tls::begin(streams::tcp_with_buffers(behind_tls, KERNEL_BYTES), &config, "localhost");
        tls::shake(&mut socket).expect("the server agrees");
        let mut stuck = Client::open(socket, Some("s"));
        let mut reads = Client::open(tls::connect(behind_tls, &config), Some("s"));
        let mut reads_clear = Client::open(streams::tcp(clear), Some("s"));
        let mut publisher = Client::open(streams::tcp(clear), None);
        let slow = || figure(&server, "tidemill_hub_slow_consumers_total");
        let mut said = 0;
        while slow() == 0 {
            assert!(said < 20_000, "it is cut at last");
            let window: String =
                (said..said + WINDOW).map(|number| publish("s", &payload(number, LENGTH))).collect();
            publisher.say(&window);
            check_hears(&mut reads, said);
            check_hears(&mut reads_clear, said);
            said += WINDOW;
        }
        // An end of TLS (close_notify), and not only one of TCP: that would be an error here.
        stuck.check_cut(said);
        assert_eq!(slow(), 1, "nobody else is slow");
        drop(stuck);
        eventually("it is gone", || figure(&server, "tidemill_hub_clients") == 3);
        drop((reads, reads_clear, publisher));
        server.stop_clean();
    }
}
