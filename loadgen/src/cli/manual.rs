//! What stands below the flags in the help: examples, definitions, exit codes.

/// Below the short help.
pub(super) const SHORT_END: &str = "More, with examples, definitions and exit codes: --help";

/// Below the long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen                                               64 connections to port 7000 of this host
  loadgen tcp://[::1]:7000 -c 1000 -d 16 --cores 1      16,000 messages in flight
  loadgen run unix:/run/tidemill/echo.sock -s 16KiB
  loadgen udp://127.0.0.1:7000 --count 100000           until so many messages were sent
  loadgen --duration 30s --json result.json
  loadgen http://127.0.0.1:8080/bytes/13 -d 16          GET, 16 requests in each pipeline
  loadgen http://127.0.0.1:8080/echo -s 4KiB            POST, whose content comes back
  loadgen ws://127.0.0.1:8080 -s 1KiB                   WebSocket at /ws, binary messages
  loadgen wss://127.0.0.1:8443 --tls-ca ca.pem
  loadgen tls://127.0.0.1:7443 --insecure --reconnect   whole TLS handshakes per second

What is measured:
  A message's latency counts from the moment it is put into a send to the arrival of its last
  byte. The clock is read once per turn of a thread's loop, when the wait for completions ends:
  what was sent or had arrived in one turn has one time. Warm-up is cut away: a latency counts
  if its message was sent after the warm-up, and a message counts for throughput if it came back
  between the warm-up and the end. Whoever waits for an answer sends nothing meanwhile (closed
  loop), so a stalled server is asked less often: do not read these percentiles as those of an
  open loop. After the end, answers have 1 s of grace. With --count, a run without any answer
  for 5 s is over. A datagram that has not come back after 1 s is lost, and a new message takes
  its place.
  Handshakes, of TLS and of WebSocket, are done before the warm-up. Those of TLS are timed apart:
  from the turn in which the first message is put into a send to the one in which data may be
  sent. With --reconnect a message's latency begins with its connect and has the handshakes
  inside, and a connection's goodbye comes after it.

What is an error:
  HTTP: a status that is not 2xx, broken framing, an answer of another length than the others.
  A server that answers Connection: close is connected to again; what it left unanswered is asked
  again, and its latency goes on from the first time. WebSocket: whatever RFC 6455 forbids, and a
  close frame that is not answered within 1 s. Every protocol: bytes that are not those that were
  sent, and a connection that ends while answers are due; it is not opened again.

Signals:
  SIGINT, SIGTERM, SIGHUP   end the run now, and report what there is

Exit codes:
  0   fine
  1   errors, wrong bytes, or messages that were never answered
  2   the command line is wrong
  3   could not start: nobody listens, a handshake failed, or cores, io_uring or limits are in the
      way";
