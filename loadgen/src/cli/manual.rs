//! What stands below the flags in the help: examples, definitions, exit codes.

/// Below the short help.
pub(super) const SHORT_END: &str = "More, with examples, definitions and exit codes: --help";

/// Below the long help of a run.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen                                               64 connections to port 7000 of this host
  loadgen tcp://[::1]:7000 -c 1000 -d 16 --cores 1      closed loop, 16,000 messages in flight
  loadgen tcp://127.0.0.1:7000 --rate 5000              open loop, 5000 requests per second
  loadgen http://127.0.0.1:8080/ -r 1000..9000 --arrivals poisson --duration 60s --html ramp.html
  loadgen run unix:/run/tidemill/echo.sock -s 16KiB
  loadgen udp://127.0.0.1:7000 --rate 1000 --count 100000
  loadgen --duration 30s --json result.json             - is standard output, and nothing else then
  loadgen http://127.0.0.1:8080/bytes/13 -d 16          GET, 16 requests in each pipeline
  loadgen http://127.0.0.1:8080/echo -s 4KiB            POST, whose content comes back
  loadgen ws://127.0.0.1:8080 -s 1KiB                   WebSocket at /ws, binary messages
  loadgen wss://127.0.0.1:8443 --tls-ca ca.pem
  loadgen tls://127.0.0.1:7443 --insecure --reconnect   whole TLS handshakes per second

Two kinds of load:
  closed loop   Without --rate. Each connection keeps --depth requests in flight, and sends the
                next one when an answer comes. A server that pauses is asked less often, so most of
                a pause is not seen: the figures say what so many clients get, who wait for it.
  open loop     With --rate. Requests are due at times that follow from rate, law and seed alone,
                as those of people who do not know of each other. One that is due takes any free
                connection, or waits for one in the --queue. A pause of the server is seen in full.

Three clocks, of good answers:
  response      from the time at which a request was meant to be sent to the last byte of its
                answer: what somebody who comes at that time experiences
  service       from sending to the answer: what the server, the network and the kernel took
  lag           from the intended time to sending, in two parts: generator lag, in which loadgen
                itself was late, and queue wait, in which no connection was free
  In a closed loop a request is sent when it is meant to be: response is service, and lag is none.
  The clock is read once when a thread's wait ends, for all that has come. 95 % CI is where a
  percentile lies with 95 % confidence, on as many samples as are independent of each other.
  ~ marks a percentile with fewer than 100 samples beyond it; with fewer than 10, - stands for it.

What becomes of a request; each is in one class, and scheduled is their sum:
  ok            answered, and as it should be
  failed        answered with an error, or lost with its connection
  timed out     not answered within --timeout of being sent; a datagram is lost then
  outstanding   sent, and neither answered nor given up when the run ended
  unsent        due, and never sent: the queue was full, or no connection was free in time
  Of datagrams, over the whole run with its warm-up: late came back after they were given up as
  lost; duplicated came back once more; reordered came back after one that was sent later; delayed
  were not taken by the socket at once, and sent again a moment later.
  The row unanswered has the age that the last three reached; all has every request.

What is measured when:
  --warmup      Load, of which nothing is in the result but the intervals before 0.
  --duration    A request belongs to the measured time when its intended time does, whenever its
                answer comes. Throughput counts the good answers that come within it.
  after it      Requests that are due already are still sent for 1 s. Answers are waited for as
                long as --timeout in an open loop, and 1 s in a closed one.
  --count       ends after so many requests, or when no answer has come for 5 s.
  Connections are opened, and hands shaken, before the warm-up, within 10 s. With --reconnect or
  --requests-per-connection they come and go: the first request of each has its connect and its
  handshakes inside, in response and in service; rows of their own show these apart.

What is an error:
  HTTP: a status that is not 2xx, broken framing, an answer of another length than the others.
  A server that answers Connection: close is connected to again; what it left unanswered is asked
  again, and its latency goes on from the first time. WebSocket: whatever RFC 6455 forbids, and a
  close frame that is not answered within 1 s. Every protocol: bytes that are not those that were
  sent, an answer that does not come in time, and a connection that ends while answers are due; it
  is not opened again.

Checks:
  Each run looks at itself: whether it was on time, had enough of its cores, counted every request,
  whether anything on this host disturbed it, and more. The worst of the checks is the verdict, in
  the first line unless it is PASS. After FAIL the figures are not the server's, or there are none;
  --strict puts that into the exit code. `loadgen calibrate` shows what this machine can measure at
  all.

Signals:
  SIGINT, SIGTERM, SIGHUP   end the run now, and report what there is, with a line that says so;
                            the exit code is what it would have been, 0 if all went well till then

Exit codes:
  0   fine
  1   errors, wrong bytes, or requests that were never answered, or a result that cannot be written
  2   the command line is wrong
  3   could not start: nobody listens, a handshake failed, a file cannot be opened, or cores,
      io_uring or limits are in the way
  4   a check came to FAIL, and --strict was given";

/// Below the long help of a report.
pub(super) const REPORT_END: &str = "\
Examples:
  loadgen report result.json                        the table once more
  loadgen report a.json b.json --html ab.html       several runs beside each other
  loadgen report sweep.json --html sweep.html       latency against rate
  loadgen report page.html --csv intervals.csv      pages hold their results
  loadgen report result.json --hgrm a.hgrm --hlog a.hlog
  loadgen report --schema search                    the JSON Schema of what search writes

Of more than three results there is a row each instead of a table. --csv has a row for each
interval; for the runs of a search, which are kept without intervals, a row for each run. A
comparison has no runs within: it is said once more, and makes no files.

Exit codes:
  0   shown, and written
  1   a file could not be written
  2   the command line is wrong
  3   a file cannot be read, is no result, or cannot be opened for writing";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::cli::Cli;

    /// What stands below the flags is not wrapped by the parser.
    #[test]
    fn no_line_of_a_manual_is_wider_than_a_terminal() {
        let mut whole = Cli::command();
        let commands = whole.get_subcommands_mut().map(|command| &*command).cloned().collect::<Vec<_>>();
        for command in commands.iter().chain([&whole]) {
            let end = command.get_after_long_help().map(ToString::to_string);
            let end = end.unwrap_or_else(|| panic!("{} has examples and exit codes", command.get_name()));
            assert!(end.contains("Examples:\n") && end.contains("Exit codes:\n"), "{}", command.get_name());
            let wide: Vec<&str> = end.lines().filter(|line| 100 < line.chars().count()).collect();
            assert!(wide.is_empty(), "{}: {wide:?}", command.get_name());
        }
    }
}
