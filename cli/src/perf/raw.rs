//! Bare sockets: the floor. No framing, no queues, no peers; blocking reads and writes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;

use super::work::{Measured, Plan, Work, cpu_seconds, percentiles};

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The accepting side: echoes, or reads to the end.
pub fn serve(work: Work, plan: &Plan, endpoint: &str, bound: impl FnOnce(&str)) -> anyhow::Result<Measured> {
    let mut stream: Box<dyn Stream> = if let Some(path) = endpoint.strip_prefix("ipc://") {
        let listener = UnixListener::bind(path)?;
        bound(endpoint);
        Box::new(listener.accept()?.0)
    } else {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        bound(&format!("tcp://{}", listener.local_addr()?));
        let stream = listener.accept()?.0;
        stream.set_nodelay(true)?;
        Box::new(stream)
    };
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut bytes = 0u64;
    let mut buffer = vec![0; if work == Work::Lat { plan.size } else { STREAM_BYTES }];
    loop {
        let count = if work == Work::Lat {
            match stream.read_exact(&mut buffer) {
                Ok(()) => buffer.len(),
                Err(_) => 0,
            }
        } else {
            stream.read(&mut buffer)?
        };
        if count == 0 {
            break;
        }
        if work == Work::Lat {
            stream.write_all(&buffer)?;
        }
        bytes += count as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { count: bytes / plan.size as u64, seconds, cpu: cpu_seconds() - cpu, ..Measured::default() })
}

/// The connecting side.
pub fn drive(work: Work, plan: &Plan, endpoint: &str) -> anyhow::Result<Measured> {
    let mut stream: Box<dyn Stream> = if let Some(path) = endpoint.strip_prefix("ipc://") {
        Box::new(UnixStream::connect(path)?)
    } else {
        let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://"))?;
        stream.set_nodelay(true)?;
        Box::new(stream)
    };
    let (end, cpu) = (Duration::from_millis(plan.millis), cpu_seconds());
    let mut start = Instant::now();
    let mut count = 0u64;
    let mut latency = None;
    match work {
        Work::Thr => {
            let buffer = vec![7; STREAM_BYTES];
            while start.elapsed() < end {
                stream.write_all(&buffer)?;
                count += buffer.len() as u64;
            }
            count /= plan.size as u64;
        }
        Work::Lat => {
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
            start = Instant::now();
            while start.elapsed() < end {
                let late = plan.wait_for_turn(start, count);
                let begun = Instant::now();
                turn()?;
                histogram.saturating_record((late + begun.elapsed() / 2).as_nanos() as u64);
                count += 1;
            }
            latency = Some(percentiles(&histogram));
        }
        _ => bail!("bare sockets run thr and lat only"),
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { count, seconds, cpu: cpu_seconds() - cpu, latency, extra: None })
}

/// Bytes of one write and one read of the stream.
const STREAM_BYTES: usize = 64 * 1024;
