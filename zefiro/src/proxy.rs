//! Proxy: carries messages between two sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{ErrorKind, Result};
use crate::message::Message;
use crate::poll::{Interest, Poller};
use crate::socket::kind::{Any, Kind};
use crate::socket::{Socket, Wait};

/// Carries messages from each of two sockets to the other until the context is shut down or a socket closed.
///
/// See [`Proxy`] for capture and control (`zmq_proxy(3)`).
///
/// # Errors
/// What ended it.
pub fn proxy<F: Kind, B: Kind>(frontend: &Socket<F>, backend: &Socket<B>) -> Result<()> {
    Proxy::new(frontend, backend).run()
}

/// A proxy with what may belong to it.
#[derive(Debug)]
pub struct Proxy {
    frontend: Socket<Any>,
    backend: Socket<Any>,
    capture: Option<Socket<Any>>,
    control: Option<Socket<Any>>,
    statistics: ProxyStatistics,
}

/// A proxy's live counters; clones show the same.
#[derive(Clone, Default, Debug)]
pub struct ProxyStatistics {
    counts: Arc<[AtomicU64; 4]>,
}

impl ProxyStatistics {
    /// Messages carried from the frontend to the backend.
    pub fn forward(&self) -> u64 {
        self.counts[0].load(Ordering::Relaxed)
    }

    /// Payload bytes of those.
    pub fn forward_bytes(&self) -> u64 {
        self.counts[1].load(Ordering::Relaxed)
    }

    /// Messages carried from the backend to the frontend.
    pub fn backward(&self) -> u64 {
        self.counts[2].load(Ordering::Relaxed)
    }

    /// Payload bytes of those.
    pub fn backward_bytes(&self) -> u64 {
        self.counts[3].load(Ordering::Relaxed)
    }
}

enum Steer {
    Run,
    Pause,
    Terminate,
}

impl Proxy {
    /// A proxy between two sockets.
    pub fn new<F: Kind, B: Kind>(frontend: &Socket<F>, backend: &Socket<B>) -> Proxy {
        Proxy {
            frontend: frontend.clone().into_any(),
            backend: backend.clone().into_any(),
            capture: None,
            control: None,
            statistics: ProxyStatistics::default(),
        }
    }

    /// Sends a copy of every message to this socket as well.
    pub fn capture<C: Kind>(mut self, socket: &Socket<C>) -> Proxy {
        self.capture = Some(socket.clone().into_any());
        self
    }

    /// Obeys `PAUSE`, `RESUME`, `TERMINATE` and `STATISTICS`, received from this socket; a REP socket answers each
    /// (`zmq_proxy_steerable(3)`).
    pub fn control<C: Kind>(mut self, socket: &Socket<C>) -> Proxy {
        self.control = Some(socket.clone().into_any());
        self
    }

    /// The live counters.
    pub fn statistics(&self) -> ProxyStatistics {
        self.statistics.clone()
    }

    /// Carries messages until told to terminate, until the context is shut down, or until a socket is closed.
    ///
    /// # Errors
    /// What ended it, if not the control socket.
    pub fn run(&self) -> Result<()> {
        let poller = Poller::new()?;
        poller.add(&self.frontend, Interest::READABLE, FRONTEND)?;
        poller.add(&self.backend, Interest::READABLE, BACKEND)?;
        if let Some(control) = &self.control {
            poller.add(control, Interest::READABLE, CONTROL)?;
        }
        let mut ready = Vec::new();
        let mut paused = false;
        loop {
            poller.wait(&mut ready, None)?;
            for event in &ready {
                match event.key {
                    CONTROL => match self.obey(paused)? {
                        Steer::Run => paused = self.set_paused(&poller, false)?,
                        Steer::Pause => paused = self.set_paused(&poller, true)?,
                        Steer::Terminate => return Ok(()),
                    },
                    FRONTEND if !paused => self.carry(&self.frontend, &self.backend, 0)?,
                    BACKEND if !paused => self.carry(&self.backend, &self.frontend, 2)?,
                    _ => {}
                }
            }
        }
    }

    /// A paused proxy does not look at its sockets, so that waiting messages cost nothing.
    fn set_paused(&self, poller: &Poller, paused: bool) -> Result<bool> {
        for (key, socket) in [(FRONTEND, &self.frontend), (BACKEND, &self.backend)] {
            let _ = poller.remove(key);
            if !paused {
                poller.add(socket, Interest::READABLE, key)?;
            }
        }
        Ok(paused)
    }

    fn carry(&self, from: &Socket<Any>, to: &Socket<Any>, counts: usize) -> Result<()> {
        for _ in 0..MESSAGES_PER_TURN {
            let mut message = match from.try_recv() {
                Ok(message) => message,
                Err(error) if error.is_would_block() => return Ok(()),
                Err(error) => return Err(error),
            };
            self.statistics.counts[counts].fetch_add(1, Ordering::Relaxed);
            self.statistics.counts[counts + 1].fetch_add(message.byte_len() as u64, Ordering::Relaxed);
            if let Some(capture) = &self.capture {
                capture.send(message.clone())?;
            }
            to.core().send(&mut message, Wait::AsConfigured)?;
        }
        Ok(())
    }

    fn obey(&self, paused: bool) -> Result<Steer> {
        let Some(control) = &self.control else { return Ok(Steer::Run) };
        let command = match control.try_recv() {
            Ok(command) => command,
            Err(error) if error.is_would_block() => return Ok(if paused { Steer::Pause } else { Steer::Run }),
            Err(error) => return Err(error),
        };
        let unchanged = if paused { Steer::Pause } else { Steer::Run };
        let (steer, answer) = match command.as_bytes() {
            b"PAUSE" => (Steer::Pause, Message::new()),
            b"RESUME" => (Steer::Run, Message::new()),
            b"TERMINATE" => (Steer::Terminate, Message::new()),
            b"STATISTICS" => {
                let of = |index: usize| self.statistics.counts[index].load(Ordering::Relaxed).to_ne_bytes();
                let report = [0, 1, 2, 3, 2, 3, 0, 1].map(of);
                control.send(report.iter().map(|count| count.as_slice()).collect::<Message>())?;
                return Ok(unchanged);
            }
            _ => (unchanged, Message::new()),
        };
        match control.try_send(answer) {
            Err(error)
                if !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::State | ErrorKind::WouldBlock) =>
            {
                Err(error.into())
            }
            _ => Ok(steer),
        }
    }
}

const FRONTEND: u64 = 0;
const BACKEND: u64 = 1;
const CONTROL: u64 = 2;

/// Messages carried in one direction before the other gets its turn.
const MESSAGES_PER_TURN: usize = 1000;
