//! Workloads: each a pair of roles that run in processes of their own, or, over inproc, in threads of one.
//!
//! A payload begins with its number, which the receiver checks; the last message's is [`LAST`].

use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use zefiro::SocketType;

use super::engine::{Curve, Engine, Setup};

/// What to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// PUSH→PULL, one link, as fast as it goes.
    Thr,
    /// REQ↔REP round trips.
    Lat,
    /// PUB→many SUB.
    Fan,
    /// Many PUSH→one PULL.
    In,
    /// Many DEALER↔one echoing ROUTER.
    Rtr,
    /// A sender that pauses between messages.
    Gap,
    /// Connections: connect, a request and its reply, close.
    Conn,
    /// Memory of idle connections.
    Idle,
    /// Memory and speed of many subscriptions.
    Subs,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Work::Thr => "thr",
            Work::Lat => "lat",
            Work::Fan => "fan",
            Work::In => "in",
            Work::Rtr => "rtr",
            Work::Gap => "gap",
            Work::Conn => "conn",
            Work::Idle => "idle",
            Work::Subs => "subs",
        }
    }
}

/// The details of a run; the same for both roles.
#[derive(Clone, Debug, Serialize, Deserialize, clap::Args)]
pub struct Plan {
    /// Payload bytes
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// How long to run, in milliseconds
    #[arg(long, default_value_t = 700)]
    pub millis: u64,
    /// Peers: subscribers, senders, dealers, connections or subscriptions
    #[arg(long, default_value_t = 1)]
    pub peers: usize,
    /// Pause before each message or round trip, in nanoseconds
    #[arg(long, default_value_t = 0)]
    pub pause_nanos: u64,
    /// Round trips begun per second, whether the last has ended or not; 0: each after the last
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// Parts of a message: the payload, and before it others of a few bytes each
    #[arg(long, default_value_t = 1)]
    pub parts: u8,
    /// Encrypt with CURVE
    #[arg(long)]
    pub curve: bool,
}

impl Plan {
    /// Rests before round trip `count`, or sleeps until it is due if they come at a fixed rate; answers how late it is
    /// because those before have taken too long. How late this thread wakes does not count: it says nothing of who is
    /// measured.
    pub fn wait_for_turn(&self, start: Instant, count: u64) -> Duration {
        if self.pause_nanos > 0 {
            thread::sleep(Duration::from_nanos(self.pause_nanos));
        }
        let Some(due) = (count * 1_000_000_000).checked_div(self.rate) else { return Duration::ZERO };
        let (due, now) = (start + Duration::from_nanos(due), Instant::now());
        if now < due {
            // The kernel may let sleepers be late by 50 µs, half the time between the turns of a high rate.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
            thread::sleep(due - now);
        }
        now.saturating_duration_since(due)
    }

    /// Round trips before those that count.
    pub fn warm_up(&self) -> u64 {
        if self.pause_nanos > 0 || self.rate > 0 { 10 } else { 500 }
    }
}

/// What a role has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Messages received, round trips made, connections opened.
    pub count: u64,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// CPU seconds of the process meanwhile.
    pub cpu: f64,
    /// One-way latency in nanoseconds: median, 99 %, 99.9 %, most.
    pub latency: Option<[u64; 4]>,
    /// Bytes: of memory per peer, or nanoseconds of a match, as the workload says.
    pub extra: Option<f64>,
}

pub const LAST: u64 = u64::MAX;

/// The binding side.
pub fn serve<E: Engine>(work: Work, plan: &Plan, endpoint: &str, bound: impl FnOnce(&str)) -> anyhow::Result<Measured> {
    let engine = E::new(plan.curve.then_some(Curve::Server))?;
    match work {
        Work::Thr | Work::In | Work::Gap => {
            let socket = engine.socket(SocketType::Pull, Setup::default())?;
            bound(&E::bind(&socket, endpoint)?);
            receive_all::<E>(&socket, if work == Work::In { plan.peers } else { 1 }, work == Work::Gap)
        }
        Work::Lat | Work::Rtr | Work::Conn => {
            let socket_type = if work == Work::Rtr { SocketType::Router } else { SocketType::Rep };
            let socket = engine.socket(socket_type, Setup::default())?;
            bound(&E::bind(&socket, endpoint)?);
            let (mut count, start) = (0, Instant::now());
            let cpu = cpu_seconds();
            while E::echo(&socket)? != 1 {
                count += 1;
            }
            // The answer to the last request is to arrive before the process ends.
            thread::sleep(Duration::from_millis(50));
            Ok(Measured {
                count,
                seconds: start.elapsed().as_secs_f64(),
                cpu: cpu_seconds() - cpu,
                ..Measured::default()
            })
        }
        Work::Fan => {
            let socket = engine.socket(SocketType::XPub, Setup { no_drop: true, verbose: true, unlimited: false })?;
            bound(&E::bind(&socket, endpoint)?);
            let mut body = E::Body::default();
            for _ in 0..plan.peers {
                E::recv(&socket, &mut body)?;
            }
            let cpu = cpu_seconds();
            let mut measured = send_for::<E>(&socket, plan, false)?;
            thread::sleep(Duration::from_millis(200));
            measured.cpu = cpu_seconds() - cpu;
            Ok(measured)
        }
        Work::Idle => {
            let socket = engine.socket(SocketType::Pull, Setup::default())?;
            bound(&E::bind(&socket, endpoint)?);
            let mut body = E::Body::default();
            E::recv(&socket, &mut body)?;
            let before = resident_bytes();
            for _ in 0..plan.peers {
                E::recv(&socket, &mut body)?;
            }
            thread::sleep(Duration::from_millis(300));
            let per_peer = resident_bytes().saturating_sub(before) as f64 / plan.peers as f64;
            E::recv(&socket, &mut body)?;
            Ok(Measured { count: plan.peers as u64, extra: Some(per_peer), ..Measured::default() })
        }
        Work::Subs => {
            let socket = engine.socket(SocketType::XPub, Setup { no_drop: false, verbose: true, unlimited: true })?;
            bound(&E::bind(&socket, endpoint)?);
            let (mut body, before, start) = (E::Body::default(), resident_bytes(), Instant::now());
            for _ in 0..plan.peers {
                E::recv(&socket, &mut body)?;
            }
            let seconds = start.elapsed().as_secs_f64();
            let per_topic = resident_bytes().saturating_sub(before) as f64 / plan.peers as f64 - TOPIC_BYTES as f64;
            let matching = Instant::now();
            for number in 0..MATCHES {
                // Topics nobody has subscribed to: the cost of matching alone.
                E::send(&socket, topic(number, b'x').as_slice())?;
            }
            let nanos = matching.elapsed().as_nanos() as u64 / MATCHES as u64;
            E::send(&socket, topic(0, b't').as_slice())?;
            thread::sleep(Duration::from_millis(100));
            Ok(Measured {
                count: plan.peers as u64,
                seconds,
                extra: Some(per_topic),
                latency: Some([nanos; 4]),
                ..Measured::default()
            })
        }
    }
}

/// Both sides in one process.
pub fn both<E: Engine>(work: Work, plan: &Plan) -> anyhow::Result<(Measured, Measured)> {
    let engine = E::new(None)?;
    let types = match work {
        Work::Lat => (SocketType::Rep, SocketType::Req),
        _ => (SocketType::Pull, SocketType::Push),
    };
    let server = engine.socket(types.0, Setup::default())?;
    E::bind(&server, "inproc://perf")?;
    let client = engine.socket(types.1, Setup::default())?;
    E::connect(&client, "inproc://perf")?;
    let cpu = cpu_seconds();
    let serving = thread::spawn(move || -> anyhow::Result<Measured> {
        if work == Work::Lat {
            while E::echo(&server)? != 1 {}
            return Ok(Measured::default());
        }
        receive_all::<E>(&server, 1, work == Work::Gap)
    });
    let mut driven = if work == Work::Lat {
        let measured = round_trips::<E>(&client, plan)?;
        E::send(&client, b"x")?;
        E::recv(&client, &mut E::Body::default())?;
        measured
    } else {
        send_for::<E>(&client, plan, work == Work::Gap)?
    };
    let served = serving.join().map_err(|_| anyhow::anyhow!("the receiving thread panicked"))??;
    driven.cpu = cpu_seconds() - cpu;
    Ok((Measured { cpu: 0.0, ..served }, driven))
}

pub fn join_all<T>(threads: Vec<thread::JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
}

/// The pause between messages, if there is one: the processor is not given up for it.
pub fn pause_between(plan: &Plan) {
    if plan.pause_nanos > 0 {
        let pause = Instant::now();
        while (pause.elapsed().as_nanos() as u64) < plan.pause_nanos {
            std::hint::spin_loop();
        }
    }
}

/// Sends numbered messages until the time is over, then the last one.
pub fn send_for<E: Engine>(socket: &E::Socket, plan: &Plan, timed: bool) -> anyhow::Result<Measured> {
    let mut body = vec![0; plan.size];
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let every = if plan.size > 10_000 || timed { 16 } else { 256 };
    let mut count = 0u64;
    while !count.is_multiple_of(every) || start.elapsed() < end {
        pause_between(plan);
        body[..8].copy_from_slice(&count.to_le_bytes());
        if timed {
            body[8..16].copy_from_slice(&monotonic_nanos().to_le_bytes());
        }
        send_parts::<E>(socket, plan.parts, &body)?;
        count += 1;
    }
    body[..8].copy_from_slice(&LAST.to_le_bytes());
    send_parts::<E>(socket, plan.parts, &body)?;
    Ok(Measured { count, seconds: start.elapsed().as_secs_f64(), ..Measured::default() })
}

/// Sends a body, the last of so many parts.
#[inline]
fn send_parts<E: Engine>(socket: &E::Socket, parts: u8, body: &[u8]) -> anyhow::Result<()> {
    for _ in 1..parts {
        E::send_part(socket, HEAD)?;
    }
    E::send(socket, body)
}

/// Receives until the last message of each of `senders`, and checks that none is missing.
pub fn receive_all<E: Engine>(socket: &E::Socket, senders: usize, timed: bool) -> anyhow::Result<Measured> {
    let mut body = E::Body::default();
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    E::recv(socket, &mut body)?;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let (mut count, mut ended) = (0u64, 0);
    loop {
        let number = number_of(E::bytes(&body));
        if number == LAST {
            ended += 1;
            if ended == senders {
                break;
            }
        } else {
            ensure!(senders > 1 || number == count, "message {number} came where {count} was due");
            count += 1;
            if timed {
                let sent =
                    E::bytes(&body).get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
                histogram.saturating_record(monotonic_nanos().saturating_sub(sent));
            }
        }
        E::recv(socket, &mut body)?;
    }
    Ok(Measured {
        count,
        seconds: start.elapsed().as_secs_f64(),
        cpu: cpu_seconds() - cpu,
        latency: timed.then(|| percentiles(&histogram)),
        extra: None,
    })
}

/// Round trips, one after the other or at a fixed rate; latency is half a round trip.
pub fn round_trips<E: Engine>(socket: &E::Socket, plan: &Plan) -> anyhow::Result<Measured> {
    let (mut body, mut answer) = (vec![0; plan.size], E::Body::default());
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut turn = |number: u64| -> anyhow::Result<()> {
        body[..8].copy_from_slice(&number.to_le_bytes());
        E::send(socket, &body)?;
        E::recv(socket, &mut answer)?;
        ensure!(E::bytes(&answer) == body, "the answer is not what was asked");
        Ok(())
    };
    for number in 0..plan.warm_up() {
        turn(number)?;
    }
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let mut count = 0u64;
    while start.elapsed() < end {
        let late = plan.wait_for_turn(start, count);
        let begun = Instant::now();
        turn(count)?;
        histogram.saturating_record((late + begun.elapsed() / 2).as_nanos() as u64);
        count += 1;
    }
    Ok(Measured {
        count,
        seconds: start.elapsed().as_secs_f64(),
        latency: Some(percentiles(&histogram)),
        ..Measured::default()
    })
}

/// A dealer that keeps [`WINDOW`] requests outstanding.
pub fn window<E: Engine>(socket: &E::Socket, plan: &Plan) -> anyhow::Result<u64> {
    let (mut body, mut answer) = (vec![0; plan.size], E::Body::default());
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let (mut sent, mut received) = (0u64, 0u64);
    loop {
        while sent - received < WINDOW && start.elapsed() < end {
            body[..8].copy_from_slice(&sent.to_le_bytes());
            E::send(socket, &body)?;
            sent += 1;
        }
        if sent == received {
            return Ok(received);
        }
        E::recv(socket, &mut answer)?;
        ensure!(number_of(E::bytes(&answer)) == received, "answers came out of order");
        received += 1;
    }
}

pub fn percentiles(histogram: &Histogram<u64>) -> [u64; 4] {
    [
        histogram.value_at_quantile(0.5),
        histogram.value_at_quantile(0.99),
        histogram.value_at_quantile(0.999),
        histogram.max(),
    ]
}

fn number_of(body: &[u8]) -> u64 {
    body.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub fn count_bytes(count: u64) -> [u8; 8] {
    count.to_le_bytes()
}

pub fn topic(number: usize, kind: u8) -> Vec<u8> {
    let mut topic = format!("{number:020}").into_bytes();
    topic[0] = kind;
    // Numbers differ at their end, topics of programs anywhere: spread the difference.
    topic.swap(1, TOPIC_BYTES - 1);
    topic
}

/// CPU seconds of this process so far.
pub fn cpu_seconds() -> f64 {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    clock.tv_sec as f64 + clock.tv_nsec as f64 / 1e9
}

pub fn monotonic_nanos() -> u64 {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    clock.tv_sec as u64 * 1_000_000_000 + clock.tv_nsec as u64
}

pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// What goes before the payload, where there are several parts.
const HEAD: &[u8] = b"topic";
/// Threads that connect, ask, and close, over and over.
pub const CONNECTORS: usize = 4;
/// Requests a dealer keeps outstanding.
pub const WINDOW: u64 = 10;
const TOPIC_BYTES: usize = 20;
const MATCHES: usize = 100_000;
