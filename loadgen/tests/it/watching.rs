//! Watching real processes and real servers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use loadgen::environment::{Neighbours, listening_processes};
use loadgen::record::processor::ProcessorTime;
use loadgen::server_side::{Sampler, Source};
use tidemill::config::{Config, Listener, ServiceName};
use tidemill::metrics::Tally;
use tidemill::metrics::process::Process;
use tidemill::metrics::prometheus;
use tidemill::server::Server;
use tidemill::service::house::{Behind, House};
use tidemill::sys::clock;
use tidemill::sys::cpu;

/// A process that works until it is ended, and is ended with the test.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap())
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It has ended already where the test came so far.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_work_of_a_process_is_seen_until_it_ends() {
    let mut busy = Busy::start();
    let start = clock::now();
    let mut sampler = Sampler::start(Source::Pid(busy.0.id()), start).unwrap();
    let worked = |sampler: &Sampler| sampler.samples().last().unwrap().cpu_s;
    while worked(&sampler) < 0.1 {
        sampler.sample(clock::now());
    }
    let end = sampler.samples().last().unwrap().at;
    let server = sampler.server(start, end, 1000).unwrap();
    // One thread cannot work longer than time passes; the two clocks may differ by some ticks of the scheduler.
    let passed = clock::now().saturating_since(start).as_secs_f64();
    assert!(0.099 < server.cpu_s && server.cpu_s < passed + 0.05, "{server:?} in {passed} s");
    assert!((server.cpu_us_per_request.unwrap() - server.cpu_s * 1000.0).abs() < 1e-6, "{server:?}");
    assert!(0 < server.rss_bytes, "{server:?}");
    busy.end();
    sampler.sample(clock::now());
    let problem = sampler.problem(start).unwrap();
    assert!(problem.ends_with(&format!("process {} has ended", busy.0.id())), "{problem}");
    assert_eq!(sampler.server(start, clock::now(), 1000), None);
}

/// The time of a thread that has ended is no longer among those of the threads, but it was used.
#[test]
fn the_work_of_threads_that_have_ended_counts() {
    let start = clock::now();
    let mut sampler = Sampler::start(Source::Pid(process::id()), start).unwrap();
    let work = || {
        let mut number = 1_u64;
        while ProcessorTime::of_this_thread().total < Duration::from_millis(200) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    };
    thread::spawn(work).join().unwrap();
    sampler.sample(clock::now());
    let used = sampler.samples().last().unwrap().cpu_s;
    assert!(0.15 <= used, "{used} s");
}

/// The mask of the other process is that of this one.
#[test]
fn the_cores_of_another_process_are_known() {
    let busy = Busy::start();
    let (cores, local) = (cpu::allowed_cores(), "unix:/nowhere".parse().unwrap());
    let neighbours = Neighbours::find(&local, Some(busy.0.id()));
    assert_eq!(neighbours.shared_cores(&cores), Some(cores.clone()));
    assert_eq!(neighbours.shared_cores(&[4095]), Some(Vec::new()));
}

/// The page is Tidemill's own, on a server that answers each request with it.
#[test]
fn the_figures_of_tidemill_are_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let page = prometheus::encode(&Tally::default(), Process::read(), None);
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            // The other side may have given up.
            let _ = stream.write_all(format!("{head}{page}").as_bytes());
        }
    });
    let page = || Source::Metrics(url.parse().unwrap());
    let start = clock::now();
    // Its time-out is short, and a busy host may reach it; then it is asked again.
    let mut sampler = loop {
        match Sampler::start(page(), start) {
            Ok(sampler) => break sampler,
            Err(error) => assert!(error.to_string().contains("did not answer within 100 ms"), "{error}"),
        }
    };
    while sampler.samples().len() < 2 {
        sampler.sample(clock::now());
    }
    let end = sampler.samples()[1].at;
    let server = sampler.server(start, end, 1).unwrap();
    assert_eq!(server.source, format!("{url}/metrics"));
    assert!(0.0 <= server.cpu_s && 1 << 20 < server.rss_bytes, "{server:?}");
    assert_eq!((server.voluntary_switches, server.involuntary_switches), (None, None));
}

#[test]
fn a_page_that_is_not_there_is_told_at_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            let page = prometheus::encode(&Tally::default(), None, None);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            let _ = stream.write_all(format!("{head}{page}").as_bytes()); // The other side may have given up.
        }
    });
    let error = loop {
        let error =
            Sampler::start(Source::Metrics(url.parse().unwrap()), clock::now()).unwrap_err().to_string();
        if !error.contains("did not answer within 100 ms") {
            break error;
        }
    };
    let expected = format!(
        "{url} has no process_cpu_seconds_total. Try: the page of the server's admin listener, or its process with \
         --server-pid"
    );
    assert_eq!(error, expected);
}

/// Its sockets are in the tables of its rings.
#[test]
fn tidemill_is_found_where_it_listens() {
    let listen = "tcp://127.0.0.1:0".parse().unwrap();
    let listener = Listener::new(listen, ServiceName::Echo);
    let config = Config { listeners: vec![listener], shards: Some(1), ..Config::default() };
    let board = Arc::new(tidemill::metrics::board::Board::new(1));
    let make = move |_| House::new(&[Behind::Echo], &[], Arc::clone(&board));
    let server = Server::start(&config, make).unwrap();
    assert!(listening_processes(&server.addresses()[0]).contains(&process::id()));
}
