//! What each tool means by its figures, beside the figures: so that a difference is read as what it is.

use super::say;

/// For the closed loop.
pub(crate) fn http() {
    say("
What they mean:

- *Generator CPU* is that of the whole process by wait4(2), less that of its shortest run (column *start and end*), divided
  by the answers beyond that run's. *Server CPU* is that of the server's threads for all answers of a run. Median over slices.
- All four are closed loops: while the server pauses nobody asks, so no percentile here is that of an open loop.
- *mean x rate* is how many requests were on their way on average, by the tool's own figures (Little's law). It would be the
  number of connections if each asked again at once. What is missing is the time that a connection spent inside of the
  generator by that generator's account: it does not belong to any latency, and who calls it the server's is wrong.
- loadgen: from the turn in which the request is put into a send to the turn in which its last byte has arrived, on the
  monotonic clock, which is read once for all that arrives together; what lies between is the handling of the turn. The
  time that a send waits in the ring behind others of its turn is inside. Every answer's length and status is looked at.
  HDR histogram with three digits; nothing is left out, failures are a class of their own.
- wrk 4.1: from the write to the end of the parsed answer, on the wall clock (gettimeofday), in whole microseconds. An answer
  that is read in the same turn behind 63 others is stamped after they were handled, so the wait in the generator's own queue
  is inside. But it writes the next request only when a later turn of its loop finds the socket writable, and its clock starts
  then: that wait is in no figure, hence its low p50 and its low mean x rate. Afterwards it *corrects*: a sample longer than twice the mean interval of a connection (run time x connections /
  answers, so its mean latency) adds made-up samples at that distance below it (`stats_correct`). That raises p99 and the
  mean above those of the samples. Time-outs (2 s) are counted and left out of the percentiles. Its run is a whole number of
  seconds, and it closes without waiting for what is in flight.
- h2load: from the moment a request is submitted to its stream to the end of the answer. It prints no percentiles (1.52),
  only min, max, mean and standard deviation, over samples of which it keeps at most 1,000,000 in each thread. It opens
  all clients before the clock starts. Its *1st byte* and *connect* are other clocks.
- oha: from before a request is handed to hyper to the last byte of its body, on the monotonic clock; each of its tasks waits
  for tokio to be run again on both ends, which is in its figures and in its CPU time. The first request of a connection has
  the connect inside. What is in flight at the end is cut and counted as an error, not as an answer.
");
}

/// For the open loop.
pub(crate) fn open(bound: f64) {
    say(&format!(
        "
What is compared: wrk has no open loop, so its cost in the first table is that of its closed loop at full rate, where each
wait brings many answers at once and costs least for each. An open loop at half of that rate wakes for nearly every request,
to send it when it is due; at most {bound} times wrk's cost is asked of it. *sleep* wakes up when the next request is due;
*hybrid* sleeps until 50 µs before and then spins; *spin* never sleeps, so its CPU per request is just the core divided by
the rate. Only *sleep* is held against the bound in earnest.

A request that is alone pays for what 64 share in a closed loop: a wake-up of the server's core, a wait of its own with a
timer, a system call. So the second table asks nearly the same of wrk: few connections, whose answers come one by one, at
the rate that it reaches with them; an answer is then its timer.

p50 and p99 are response times, from the intended time. *own lag* is by how much the generator itself sent late, which is
inside of them and also stands apart in its report; wrk has no such figure, since it has no intended time.
"
    ));
}

/// For sockperf.
pub(crate) fn ping_pong() {
    say("
What they mean: the echo is one thread with blocking calls, `benches/generators/echo.rs`; sockperf gets the same
answers but for one bit, since it takes no answer that still says \"from a client\", and its own server does not
answer others. sockperf prints half of a round trip unless it is told `--full-rtt`, as here. It reads the TSC right
before sendto and right after recvfrom; on one socket it blocks in recvfrom (with `--nonblocked` it calls it until
there is something). It leaves out its first 400 ms and last 50 ms. loadgen reads its clock before the send is put
into the ring and after the ring's wait has ended: io_uring_enter submits and waits, once or twice for a message,
since the completion of the send may end a wait of its own. So its round trip has the submission, the completions and
the wake-up in it, and also a timer's set-up in each wait. With *spin* it asks the ring again and again without
waiting. Data is verified by loadgen, not by sockperf. CPU is that of the whole process, start and end included, for
each round trip.
");
}

/// For the memory.
pub(crate) fn memory(rate: &str) {
    say(&format!(
        "
The largest resident memory of the process that was seen every 20 ms (VmRSS, with *not of files* its RssAnon), with many
connections less with few, for each connection more. Sockets and rings are the kernel's and not in it. Open: {rate} requests
per second over all connections, whose buffers are theirs only while they are needed; closed: a request in flight on
each connection, which is the most that can be in use at depth 1.
"
    ));
}

/// For the progress view.
pub(crate) fn progress() {
    say("
Requests per second of one run with its view and one without, in turns. The generator has one core for all its threads here,
so drawing takes its time from the load; on a machine with a core to spare it costs less. The terminal is one that script(1)
makes, and who reads it sits on the same core.
");
}
