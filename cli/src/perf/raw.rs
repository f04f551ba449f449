//! Bare sockets: the floor. No framing, no queues, no peers; blocking reads and writes, and `poll` where there are many.
//!
//! Each workload is done as a careful program would that needs nothing else: streams go in large pieces, whoever
//! answers writes together what it has read together, and pauses and single round trips are one write each.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, poll};

use super::work::{
    CONNECTORS, Measured, Plan, WINDOW, Work, cpu_seconds, join_all, monotonic_nanos, pause_between, percentiles,
};

/// What bare sockets can be compared in.
pub fn does(work: Work) -> bool {
    !matches!(work, Work::Idle | Work::Subs)
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds, and answers the endpoint as it really is.
    fn bind(endpoint: &str) -> anyhow::Result<(Listener, String)> {
        if let Some(path) = endpoint.strip_prefix("ipc://") {
            return Ok((Listener::Unix(UnixListener::bind(path)?), endpoint.to_string()));
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("tcp://{}", listener.local_addr()?);
        Ok((Listener::Tcp(listener), endpoint))
    }

    fn accept(&self) -> anyhow::Result<Stream> {
        match self {
            Listener::Tcp(listener) => Stream::tcp(listener.accept()?.0),
            Listener::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl Stream {
    fn connect(endpoint: &str) -> anyhow::Result<Stream> {
        match endpoint.strip_prefix("ipc://") {
            Some(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
            None => Stream::tcp(TcpStream::connect(endpoint.trim_start_matches("tcp://"))?),
        }
    }

    fn tcp(stream: TcpStream) -> anyhow::Result<Stream> {
        stream.set_nodelay(true)?;
        Ok(Stream::Tcp(stream))
    }

    /// No more is written; the other side reads to the end.
    fn finish(&self) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Reads to the end; answers how many bytes there were.
    fn read_all(&mut self) -> anyhow::Result<u64> {
        let (mut buffer, mut bytes) = (vec![0; STREAM_BYTES], 0);
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes += count as u64,
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The accepting side.
pub fn serve(work: Work, plan: &Plan, endpoint: &str, bound: impl FnOnce(&str)) -> anyhow::Result<Measured> {
    let (listener, endpoint) = Listener::bind(endpoint)?;
    bound(&endpoint);
    if work == Work::Conn {
        return serve_connections(&listener);
    }
    let peers = if matches!(work, Work::Fan | Work::In | Work::Rtr) { plan.peers } else { 1 };
    let mut streams: Vec<Stream> = (0..peers).map(|_| listener.accept()).collect::<anyhow::Result<_>>()?;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut latency = None;
    let bytes = match work {
        Work::Fan => write_to_all(&mut streams, plan)?,
        Work::In | Work::Rtr => serve_all(streams, work == Work::Rtr)?,
        Work::Gap => {
            let (bytes, histogram) = read_stamped(&mut streams[0], plan.size)?;
            latency = Some(percentiles(&histogram));
            bytes
        }
        Work::Lat => echo(&mut streams[0], plan.size)?,
        _ => streams[0].read_all()?,
    };
    let count = bytes / plan.size as u64;
    Ok(Measured { count, seconds: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, latency, extra: None })
}

/// The connecting side.
pub fn drive(work: Work, plan: &Plan, endpoint: &str) -> anyhow::Result<Measured> {
    let cpu = cpu_seconds();
    let mut measured = match work {
        Work::Thr => {
            let start = Instant::now();
            let count = write_for(&mut Stream::connect(endpoint)?, plan)?;
            Measured { count, seconds: start.elapsed().as_secs_f64(), ..Measured::default() }
        }
        Work::Lat => round_trips(&mut Stream::connect(endpoint)?, plan)?,
        Work::Gap => write_stamped(&mut Stream::connect(endpoint)?, plan)?,
        Work::In => on_each(plan, endpoint, write_for)?,
        Work::Fan => on_each(plan, endpoint, |stream, plan| Ok(stream.read_all()? / plan.size as u64))?,
        Work::Rtr => on_each(plan, endpoint, window)?,
        Work::Conn => connect_over_and_over(plan, endpoint)?,
        Work::Idle | Work::Subs => bail!("there is nothing of the kind in bare sockets"),
    };
    measured.cpu = cpu_seconds() - cpu;
    Ok(measured)
}

/// Does the work on as many connections as there are peers, a thread for each; answers all counts together.
fn on_each(
    plan: &Plan,
    endpoint: &str,
    work: fn(&mut Stream, &Plan) -> anyhow::Result<u64>,
) -> anyhow::Result<Measured> {
    let start = Instant::now();
    let threads: Vec<JoinHandle<anyhow::Result<u64>>> = (0..plan.peers)
        .map(|_| {
            let (mut stream, plan) = (Stream::connect(endpoint)?, plan.clone());
            Ok(thread::spawn(move || work(&mut stream, &plan)))
        })
        .collect::<anyhow::Result<_>>()?;
    let count = join_all(threads)?.into_iter().sum();
    Ok(Measured { count, seconds: start.elapsed().as_secs_f64(), ..Measured::default() })
}

/// Whole messages, about [`STREAM_BYTES`] of them.
fn piece(plan: &Plan) -> Vec<u8> {
    vec![7; (STREAM_BYTES / plan.size).max(1) * plan.size]
}

/// Writes until the time is over; answers how many messages.
fn write_for(stream: &mut Stream, plan: &Plan) -> anyhow::Result<u64> {
    let (piece, start, end) = (piece(plan), Instant::now(), Duration::from_millis(plan.millis));
    let mut pieces = 0;
    while start.elapsed() < end {
        stream.write_all(&piece)?;
        pieces += 1;
    }
    stream.finish()?;
    Ok(pieces * (piece.len() / plan.size) as u64)
}

/// Writes the same to all, in turn, until the time is over; answers how many bytes each got.
fn write_to_all(streams: &mut [Stream], plan: &Plan) -> anyhow::Result<u64> {
    let (piece, start, end) = (piece(plan), Instant::now(), Duration::from_millis(plan.millis));
    let mut bytes = 0;
    while start.elapsed() < end {
        for stream in &mut *streams {
            stream.write_all(&piece)?;
        }
        bytes += piece.len() as u64;
    }
    streams.iter().try_for_each(Stream::finish)?;
    Ok(bytes)
}

/// Reads what comes on any stream until all have ended, and writes it back if it `echoes`; answers how many bytes there
/// were.
fn serve_all(mut streams: Vec<Stream>, echoes: bool) -> anyhow::Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; STREAM_BYTES], 0);
    while !streams.is_empty() {
        let mut fds: Vec<PollFd<'_>> = streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
        poll(&mut fds, None)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = Vec::new();
        for (index, stream) in streams.iter_mut().enumerate().filter(|(index, _)| ready[*index]) {
            let count = stream.read(&mut buffer)?;
            if echoes {
                stream.write_all(&buffer[..count])?;
            }
            bytes += count as u64;
            if count == 0 {
                ended.push(index);
            }
        }
        for index in ended.into_iter().rev() {
            streams.swap_remove(index);
        }
    }
    Ok(bytes)
}

/// Keeps [`WINDOW`] requests outstanding, as many written together as were answered together.
fn window(stream: &mut Stream, plan: &Plan) -> anyhow::Result<u64> {
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let body = vec![7; WINDOW as usize * plan.size];
    let mut answers = vec![0; body.len()];
    let (mut sent, mut received, mut partial) = (0u64, 0u64, 0);
    loop {
        if start.elapsed() < end {
            let room = WINDOW - (sent - received);
            stream.write_all(&body[..room as usize * plan.size])?;
            sent += room;
        }
        if sent == received {
            stream.finish()?;
            return Ok(received);
        }
        let count = stream.read(&mut answers)?;
        ensure!(count > 0, "the other side has ended");
        partial += count;
        received += (partial / plan.size) as u64;
        partial %= plan.size;
    }
}

fn echo(stream: &mut Stream, size: usize) -> anyhow::Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; size], 0);
    loop {
        match stream.read_exact(&mut buffer) {
            Ok(()) => stream.write_all(&buffer)?,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(bytes),
            Err(error) => return Err(error.into()),
        }
        bytes += size as u64;
    }
}

/// Round trips, one after the other or at a fixed rate; latency is half a round trip.
fn round_trips(stream: &mut Stream, plan: &Plan) -> anyhow::Result<Measured> {
    let (body, mut answer) = (vec![7; plan.size], vec![0; plan.size]);
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut turn = || -> anyhow::Result<()> {
        stream.write_all(&body)?;
        stream.read_exact(&mut answer)?;
        ensure!(answer == body, "the answer is not what was asked");
        Ok(())
    };
    for _ in 0..plan.warm_up() {
        turn()?;
    }
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let mut count = 0;
    while start.elapsed() < end {
        let late = plan.wait_for_turn(start, count);
        let begun = Instant::now();
        turn()?;
        histogram.saturating_record((late + begun.elapsed() / 2).as_nanos() as u64);
        count += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { count, seconds, latency: Some(percentiles(&histogram)), ..Measured::default() })
}

/// A message at a time, with the time in its first bytes.
fn write_stamped(stream: &mut Stream, plan: &Plan) -> anyhow::Result<Measured> {
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let mut body = vec![7; plan.size];
    let mut count = 0;
    while start.elapsed() < end {
        pause_between(plan);
        body[..8].copy_from_slice(&monotonic_nanos().to_le_bytes());
        stream.write_all(&body)?;
        count += 1;
    }
    stream.finish()?;
    Ok(Measured { count, seconds: start.elapsed().as_secs_f64(), ..Measured::default() })
}

/// Reads to the end; answers how many bytes there were, and how late each message was.
fn read_stamped(stream: &mut Stream, size: usize) -> anyhow::Result<(u64, Histogram<u64>)> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let (mut buffer, mut held, mut bytes) = (vec![0; STREAM_BYTES.max(size)], 0, 0);
    loop {
        let count = stream.read(&mut buffer[held..])?;
        if count == 0 {
            return Ok((bytes, histogram));
        }
        held += count;
        let whole = held - held % size;
        for message in buffer[..whole].chunks(size) {
            let sent = message.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            histogram.saturating_record(monotonic_nanos().saturating_sub(sent));
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
        bytes += whole as u64;
    }
}

/// Takes a connection, answers its request, and waits for its end; until one asks nothing.
fn serve_connections(listener: &Listener) -> anyhow::Result<Measured> {
    let (mut count, start, cpu) = (0, Instant::now(), cpu_seconds());
    let mut request = [0; 8];
    loop {
        let mut stream = listener.accept()?;
        match stream.read_exact(&mut request) {
            Ok(()) => stream.write_all(&request)?,
            Err(_) => break,
        }
        count += 1;
    }
    Ok(Measured { count, seconds: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, ..Measured::default() })
}

fn connect_over_and_over(plan: &Plan, endpoint: &str) -> anyhow::Result<Measured> {
    let (start, end) = (Instant::now(), Duration::from_millis(plan.millis));
    let threads: Vec<JoinHandle<anyhow::Result<u64>>> = (0..CONNECTORS)
        .map(|_| {
            let endpoint = endpoint.to_string();
            thread::spawn(move || {
                let mut count = 0u64;
                while start.elapsed() < end {
                    let mut stream = Stream::connect(&endpoint)?;
                    let (request, mut reply) = (count.to_le_bytes(), [0; 8]);
                    stream.write_all(&request)?;
                    stream.read_exact(&mut reply)?;
                    ensure!(reply == request, "the answer is not what was asked");
                    count += 1;
                }
                Ok(count)
            })
        })
        .collect();
    let count = join_all(threads)?.into_iter().sum();
    let seconds = start.elapsed().as_secs_f64();
    drop(Stream::connect(endpoint)?);
    Ok(Measured { count, seconds, ..Measured::default() })
}

/// Bytes of one write and one read of a stream.
const STREAM_BYTES: usize = 64 * 1024;
