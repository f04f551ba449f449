//! The connecting side of a round.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use zefiro::SocketType;

use super::engine::{Curve, Engine, Setup};
use super::work::{
    CONNECTORS, Measured, Plan, Work, count_bytes, cpu_seconds, join_all, receive_all, resident_bytes, round_trips,
    send_for, topic, window,
};

/// Connects, and does the work.
pub fn drive<E: Engine>(work: Work, plan: &Plan, endpoint: &str) -> anyhow::Result<Measured> {
    let engine = Arc::new(E::new(plan.curve.then_some(Curve::Client))?);
    let driver = Driver { engine, plan, endpoint };
    let cpu = cpu_seconds();
    let mut measured = match work {
        Work::Thr | Work::Gap => {
            let measured = driver.push(work == Work::Gap)?;
            // That everything leaves is part of the work.
            drop(driver);
            measured
        }
        Work::In => driver.push_from_many()?,
        Work::Lat => driver.ask()?,
        Work::Fan => driver.subscribe_from_many()?,
        Work::Rtr => driver.deal_from_many()?,
        Work::Conn => driver.connect_often()?,
        Work::Idle => driver.connect_many()?,
        Work::Subs => driver.subscribe_to_many()?,
    };
    measured.cpu = cpu_seconds() - cpu;
    Ok(measured)
}

struct Driver<'a, E> {
    engine: Arc<E>,
    plan: &'a Plan,
    endpoint: &'a str,
}

impl<E: Engine> Driver<'_, E> {
    fn push(&self, timed: bool) -> anyhow::Result<Measured> {
        let socket = self.open(SocketType::Push)?;
        send_for::<E>(&socket, self.plan, timed)
    }

    fn push_from_many(&self) -> anyhow::Result<Measured> {
        let threads = self.start_many(|| {
            let (socket, plan) = (self.open(SocketType::Push)?, self.plan.clone());
            Ok(move || {
                let measured = send_for::<E>(&socket, &plan, false)?;
                thread::sleep(Duration::from_millis(100));
                Ok(measured.count)
            })
        })?;
        Ok(Measured { count: join_all(threads)?.into_iter().sum(), ..Measured::default() })
    }

    fn ask(&self) -> anyhow::Result<Measured> {
        let socket = self.open(SocketType::Req)?;
        let measured = round_trips::<E>(&socket, self.plan)?;
        end_echo::<E>(&socket)?;
        Ok(measured)
    }

    fn subscribe_from_many(&self) -> anyhow::Result<Measured> {
        let threads = self.start_many(|| {
            let socket = self.open(SocketType::Sub)?;
            E::subscribe(&socket, b"")?;
            Ok(move || receive_all::<E>(&socket, 1, false))
        })?;
        let each = join_all(threads)?;
        let seconds = each.iter().map(|measured| measured.seconds).fold(0.0, f64::max);
        Ok(Measured { count: each.iter().map(|measured| measured.count).sum(), seconds, ..Measured::default() })
    }

    fn deal_from_many(&self) -> anyhow::Result<Measured> {
        let threads = self.start_many(|| {
            let (socket, plan) = (self.open(SocketType::Dealer)?, self.plan.clone());
            Ok(move || window::<E>(&socket, &plan))
        })?;
        let start = Instant::now();
        let count = join_all(threads)?.into_iter().sum();
        let seconds = start.elapsed().as_secs_f64();
        end_echo::<E>(&self.open(SocketType::Dealer)?)?;
        Ok(Measured { count, seconds, ..Measured::default() })
    }

    fn connect_often(&self) -> anyhow::Result<Measured> {
        let (start, end) = (Instant::now(), Duration::from_millis(self.plan.millis));
        let threads = (0..CONNECTORS).map(|_| {
            let (engine, endpoint) = (self.engine.clone(), self.endpoint.to_string());
            thread::spawn(move || -> anyhow::Result<u64> {
                let mut count = 0;
                while start.elapsed() < end {
                    let socket = engine.socket(SocketType::Req, Setup::default())?;
                    E::connect(&socket, &endpoint)?;
                    E::send(&socket, &count_bytes(count))?;
                    E::recv(&socket, &mut E::Body::default())?;
                    count += 1;
                }
                Ok(count)
            })
        });
        let count = join_all(threads.collect())?.into_iter().sum();
        let seconds = start.elapsed().as_secs_f64();
        end_echo::<E>(&self.open(SocketType::Req)?)?;
        Ok(Measured { count, seconds, ..Measured::default() })
    }

    /// Idle connections, and the memory they take.
    fn connect_many(&self) -> anyhow::Result<Measured> {
        let peers = self.plan.peers;
        let first = self.open(SocketType::Push)?;
        E::send(&first, b"warm up")?;
        thread::sleep(Duration::from_millis(200));
        let before = resident_bytes();
        let socket = self.engine.socket(SocketType::Push, Setup::default())?;
        for _ in 0..peers {
            E::connect(&socket, self.endpoint)?;
        }
        for _ in 0..peers {
            E::send(&socket, b"x")?;
        }
        thread::sleep(Duration::from_millis(300));
        let per_peer = resident_bytes().saturating_sub(before) as f64 / peers as f64;
        thread::sleep(Duration::from_millis(500));
        E::send(&first, b"done")?;
        thread::sleep(Duration::from_millis(200));
        Ok(Measured { count: peers as u64, extra: Some(per_peer), ..Measured::default() })
    }

    fn subscribe_to_many(&self) -> anyhow::Result<Measured> {
        // libzmq drops the subscriptions beyond the mark when the connection comes.
        let socket = self.engine.socket(SocketType::Sub, Setup { unlimited: true, ..Setup::default() })?;
        for number in 0..self.plan.peers {
            E::subscribe(&socket, &topic(number, b't'))?;
        }
        E::connect(&socket, self.endpoint)?;
        let mut body = E::Body::default();
        E::recv(&socket, &mut body)?;
        ensure!(E::bytes(&body) == topic(0, b't'), "a message came that was not subscribed to");
        Ok(Measured { count: self.plan.peers as u64, ..Measured::default() })
    }

    fn open(&self, socket_type: SocketType) -> anyhow::Result<E::Socket> {
        let socket = self.engine.socket(socket_type, Setup::default())?;
        E::connect(&socket, self.endpoint)?;
        Ok(socket)
    }

    /// Has each peer's work, once it is ready, done by a thread of its own.
    fn start_many<T, W>(&self, ready: impl Fn() -> anyhow::Result<W>) -> anyhow::Result<Vec<Working<T>>>
    where
        T: Send + 'static,
        W: FnOnce() -> anyhow::Result<T> + Send + 'static,
    {
        (0..self.plan.peers).map(|_| Ok(thread::spawn(ready()?))).collect()
    }
}

type Working<T> = thread::JoinHandle<anyhow::Result<T>>;

/// A message of one byte is the last that is echoed.
fn end_echo<E: Engine>(socket: &E::Socket) -> anyhow::Result<()> {
    E::send(socket, b"x")?;
    E::recv(socket, &mut E::Body::default())
}
