//! Zefiro's futures under tokio, on one thread or several.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use tokio::runtime::{Builder, Runtime};
use zefiro::{Pull, Push, Rep, Req};

use super::engine::SENDING_MAX;
use super::work::{LAST, Measured, Plan, Work, cpu_seconds, percentiles};

/// A runtime: of the current thread, or of several.
pub fn runtime(several: bool) -> anyhow::Result<Runtime> {
    Ok(if several {
        Builder::new_multi_thread().worker_threads(2).build()?
    } else {
        Builder::new_current_thread().build()?
    })
}

/// The binding side.
pub fn serve(several: bool, work: Work, endpoint: &str, bound: impl FnOnce(&str)) -> anyhow::Result<Measured> {
    let runtime = runtime(several)?;
    match work {
        Work::Thr => {
            let pull = Pull::new();
            bound(&pull.bind(endpoint)?.to_string());
            runtime.block_on(in_task(several, async move {
                // As the blocking interface does it, too.
                let mut message = pull.recv_async().await?;
                let (start, cpu) = (Instant::now(), cpu_seconds());
                let mut count = 0u64;
                while number_of(&message) != LAST {
                    ensure!(number_of(&message) == count, "a message is missing");
                    count += 1;
                    pull.recv_into_async(&mut message).await?;
                }
                let seconds = start.elapsed().as_secs_f64();
                Ok(Measured { count, seconds, cpu: cpu_seconds() - cpu, ..Measured::default() })
            }))
        }
        Work::Lat => {
            let rep = Rep::new();
            bound(&rep.bind(endpoint)?.to_string());
            runtime.block_on(in_task(several, async move {
                let (mut count, cpu) = (0, cpu_seconds());
                loop {
                    let request = rep.recv_async().await?;
                    let last = request.byte_len() == 1;
                    rep.send_async(request).await?;
                    if last {
                        std::thread::sleep(Duration::from_millis(50));
                        return Ok(Measured { count, cpu: cpu_seconds() - cpu, ..Measured::default() });
                    }
                    count += 1;
                }
            }))
        }
        _ => bail!("the async interface runs thr and lat only"),
    }
}

/// The connecting side.
pub fn drive(several: bool, work: Work, plan: &Plan, endpoint: &str) -> anyhow::Result<Measured> {
    let (runtime, plan, cpu) = (runtime(several)?, plan.clone(), cpu_seconds());
    let mut measured = match work {
        Work::Thr => {
            let push = Push::new();
            push.connect(endpoint)?;
            runtime.block_on(in_task(several, async move {
                let mut body = vec![0; plan.size];
                let (start, end, mut count) = (Instant::now(), Duration::from_millis(plan.millis), 0u64);
                while count % 256 != 0 || start.elapsed() < end {
                    body[..8].copy_from_slice(&count.to_le_bytes());
                    push.send_async(body.as_slice()).await?;
                    count += 1;
                }
                body[..8].copy_from_slice(&LAST.to_le_bytes());
                push.send_async(body.as_slice()).await?;
                let seconds = start.elapsed().as_secs_f64();
                push.close_within(SENDING_MAX).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))?;
                Ok(Measured { count, seconds, ..Measured::default() })
            }))?
        }
        Work::Lat => {
            let req = Req::new();
            req.connect(endpoint)?;
            runtime.block_on(in_task(several, async move {
                let body = vec![0; plan.size];
                let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
                for _ in 0..plan.warm_up() {
                    req.send_async(body.as_slice()).await?;
                    req.recv_async().await?;
                }
                let (start, end, mut count) = (Instant::now(), Duration::from_millis(plan.millis), 0u64);
                while start.elapsed() < end {
                    let begun = Instant::now();
                    req.send_async(body.as_slice()).await?;
                    let answer = req.recv_async().await?;
                    ensure!(answer.as_bytes() == body, "the answer is not what was asked");
                    histogram.saturating_record(begun.elapsed().as_nanos() as u64 / 2);
                    count += 1;
                }
                req.send_async("x").await?;
                req.recv_async().await?;
                let seconds = start.elapsed().as_secs_f64();
                Ok(Measured { count, seconds, latency: Some(percentiles(&histogram)), ..Measured::default() })
            }))?
        }
        _ => bail!("the async interface runs thr and lat only"),
    };
    measured.cpu = cpu_seconds() - cpu;
    Ok(measured)
}

/// With several threads the work runs as a task on one of them, as programs' work does; `block_on` alone would run it
/// on the caller's.
async fn in_task<T: Send + 'static>(
    several: bool,
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    if several { tokio::spawn(work).await? } else { work.await }
}

fn number_of(body: &zefiro::Message) -> u64 {
    body.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
