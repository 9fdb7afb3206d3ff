//! Everything together: an echo that loses nothing, whatever goes wrong.

use super::*;

/// A small server of one connection that sends back what it receives, on a kernel where everything goes wrong.
struct Echo {
    sim: Sim,
    file: Descriptor,
    parts: VecDeque<Part>,
    receiving: bool,
    sending: bool,
    ended: bool,
    log: Vec<String>,
}

impl Echo {
    fn push_all(&mut self) {
        if !self.receiving && !self.ended {
            let op = Op::Receive {
                token: token(Kind::Receive),
                file: self.file,
                credit: 100,
                wait_first: self.sim.buffers().free == 0,
            };
            self.receiving = self.sim.push(op).is_ok();
        }
        if !self.sending && !self.parts.is_empty() {
            let wait = self.parts.len().is_multiple_of(2);
            let gather = Gather::new(self.parts.drain(..).take(64).collect());
            let mode = if wait { SendMode::Wait } else { SendMode::Now };
            let op = Op::Send { token: token(Kind::Send), file: self.file, gather, mode };
            match self.sim.push(op) {
                Ok(()) => self.sending = true,
                Err(refused) => match refused.0 {
                    Op::Send { mut gather, .. } => self.parts.extend(gather.parts_mut().drain(..)),
                    other => panic!("{other:?}"),
                },
            }
        }
    }

    fn handle(&mut self, completion: Completion) {
        self.log.push(format!("{:?} {completion:?}", self.sim.now()));
        match completion.outcome {
            Outcome::Received(result) => {
                self.receiving = completion.more;
                match result {
                    Ok(Received::Bytes(bytes)) => self.parts.push_back(Part::Received(bytes)),
                    Ok(Received::End) => self.ended = true,
                    Err(ReceiveError::NoBuffers) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Outcome::Sent { mut gather, result } => {
                self.sending = false;
                match result {
                    Ok(sent) => gather.advance(sent),
                    Err(SendError::WouldBlock) => {}
                    Err(error) => panic!("{error}"),
                }
                let rest = gather.parts_mut().drain(..).rev();
                rest.for_each(|part| self.parts.push_front(part));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn echo(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let tier = [RingTier::V6_1, RingTier::V6_12, RingTier::V6_17][random.index(3)];
    let mut sim = sim(seed, tier, Faults::seeded(&mut random));
    let (peer, file) = sim.connected(tcp());
    sim.set_read_window(peer, 1 + random.index(2000));
    let parts = VecDeque::new();
    let mut echo = Echo { sim, file, parts, receiving: false, sending: false, ended: false, log: Vec::new() };
    let sent: Vec<u8> =
        std::iter::repeat_with(|| random.number().to_le_bytes()).take(625).flatten().collect();
    let (mut written, mut read) = (0, Vec::new());
    for turn in 0.. {
        assert!(turn < 100_000, "seed {seed}: {} of 5000 came back", read.len());
        if echo.ended && read.len() == sent.len() && !echo.receiving && !echo.sending {
            break;
        }
        let end = sent.len().min(written + random.index(700));
        written += echo.sim.write(peer, &sent[written..end]);
        if written == sent.len() {
            echo.sim.end(peer);
        }
        read.extend(echo.sim.read(peer, random.index(700)));
        echo.push_all();
        echo.sim.submit_and_wait(Wait::Until(None)).unwrap();
        let mut ready = VecDeque::new();
        echo.sim.collect(&mut ready, 1 + random.index(8));
        ready.drain(..).for_each(|completion| echo.handle(completion));
    }
    assert!(read == sent, "seed {seed}: what came back is not what was sent");
    assert_eq!(echo.sim.in_flight(), 0, "seed {seed}");
    echo.sim.stream_pool().assert_all_home();
    echo.log
}

#[test]
fn whatever_goes_wrong_an_echo_brings_everything_back() {
    (0..300).for_each(|seed| drop(echo(seed)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(echo(7), echo(7));
    assert_ne!(echo(7), echo(8));
}
