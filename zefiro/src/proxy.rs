//! Proxy: carries messages between two sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zmtp::{Frame, SocketType};

use crate::error::{ErrorKind, Result};
use crate::message::Message;
use crate::pause::pause;
use crate::poll::{Interest, Poller};
use crate::routing::request::Request;
use crate::socket::kind::{Any, Kind};
use crate::socket::{Socket, Wait};

/// Carries messages from each of two sockets to the other until the context is shut down or a socket closed.
///
/// See [`Proxy`] for capture and control (`zmq_proxy(3)`).
///
/// ```
/// # use zefiro::{Pull, Push, proxy};
/// # let (frontend, backend, push, pull) = (Pull::new(), Push::new(), Push::new(), Pull::new());
/// # push.connect(frontend.bind("inproc://proxy-front")?)?;
/// # pull.connect(backend.bind("inproc://proxy-back")?)?;
/// # let closer = frontend.clone();
/// let running = std::thread::spawn(move || proxy(&frontend, &backend));
/// push.send("hello")?;
/// assert_eq!(pull.recv()?, "hello");
/// # closer.close();
/// # assert!(running.join().unwrap().is_err());
/// # Ok::<(), zefiro::Error>(())
/// ```
///
/// # Errors
/// What ended it.
pub fn proxy<F: Kind, B: Kind>(frontend: &Socket<F>, backend: &Socket<B>) -> Result<()> {
    Proxy::new(frontend, backend).run()
}

/// A proxy with what may belong to it.
///
/// ```
/// use zefiro::{Proxy, Pull, Push};
///
/// let (frontend, backend) = (Pull::new(), Push::new());
/// let (for_clients, for_workers) = (frontend.bind("tcp://127.0.0.1:*")?, backend.bind("tcp://127.0.0.1:*")?);
/// let proxy = Proxy::new(&frontend, &backend);
/// let statistics = proxy.statistics();
/// let running = std::thread::spawn(move || proxy.run());
///
/// let (client, worker) = (Push::new(), Pull::new());
/// client.connect(&for_clients.to_string())?;
/// worker.connect(&for_workers.to_string())?;
/// client.send("a task")?;
/// assert_eq!(worker.recv()?, "a task");
///
/// // It ends with one of its sockets.
/// frontend.close();
/// let _ = running.join();
/// assert_eq!(statistics.forward(), 1);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a proxy carries nothing until it runs"]
pub struct Proxy {
    frontend: Socket<Any>,
    backend: Socket<Any>,
    capture: Option<Socket<Any>>,
    control: Option<Socket<Any>>,
    statistics: ProxyStatistics,
    wait: Wait,
}

/// A proxy's live counters; clones show the same.
///
/// ```
/// # use zefiro::{Proxy, ProxyStatistics, Pull, Push};
/// let statistics: ProxyStatistics = Proxy::new(&Pull::new(), &Push::new()).statistics();
/// assert_eq!((statistics.forward(), statistics.backward()), (0, 0));
/// ```
#[derive(Clone, Default, Debug)]
pub struct ProxyStatistics {
    forward: Arc<Carried>,
    backward: Arc<Carried>,
}

/// What was carried in one direction.
#[derive(Default, Debug)]
struct Carried {
    messages: AtomicU64,
    parts: AtomicU64,
    bytes: AtomicU64,
}

impl Carried {
    fn count(&self, message: &Message) {
        let counted = [(&self.messages, 1), (&self.parts, message.frame_count()), (&self.bytes, message.byte_len())];
        for (counter, more) in counted {
            counter.fetch_add(more as u64, Ordering::Relaxed);
        }
    }
}

impl ProxyStatistics {
    /// Messages carried from the frontend to the backend.
    ///
    /// ```
    /// # use zefiro::{Proxy, Pull, Push};
    /// # let (frontend, backend, push, pull) = (Pull::new(), Push::new(), Push::new(), Pull::new());
    /// # push.connect(frontend.bind("inproc://forward-front")?)?;
    /// # pull.connect(backend.bind("inproc://forward-back")?)?;
    /// let proxy = Proxy::new(&frontend, &backend);
    /// let statistics = proxy.statistics();
    /// let running = std::thread::spawn(move || proxy.run());
    /// push.send("hello")?;
    /// pull.recv()?;
    /// assert_eq!(statistics.forward(), 1);
    /// # frontend.close();
    /// # assert!(running.join().unwrap().is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn forward(&self) -> u64 {
        self.forward.messages.load(Ordering::Relaxed)
    }

    /// Payload bytes of those.
    ///
    /// ```
    /// # use zefiro::{Proxy, Pull, Push};
    /// # let (frontend, backend, push, pull) = (Pull::new(), Push::new(), Push::new(), Pull::new());
    /// # push.connect(frontend.bind("inproc://forward-bytes-front")?)?;
    /// # pull.connect(backend.bind("inproc://forward-bytes-back")?)?;
    /// # let proxy = Proxy::new(&frontend, &backend);
    /// # let statistics = proxy.statistics();
    /// # let running = std::thread::spawn(move || proxy.run());
    /// push.send("hello")?;
    /// pull.recv()?;
    /// assert_eq!(statistics.forward_bytes(), 5);
    /// # frontend.close();
    /// # assert!(running.join().unwrap().is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn forward_bytes(&self) -> u64 {
        self.forward.bytes.load(Ordering::Relaxed)
    }

    /// Messages carried from the backend to the frontend.
    ///
    /// ```
    /// # use zefiro::{Proxy, Pull, Push};
    /// # let (frontend, backend, push, pull) = (Push::new(), Pull::new(), Push::new(), Pull::new());
    /// # pull.connect(frontend.bind("inproc://backward-front")?)?;
    /// # push.connect(backend.bind("inproc://backward-back")?)?;
    /// # let proxy = Proxy::new(&frontend, &backend);
    /// # let statistics = proxy.statistics();
    /// # let running = std::thread::spawn(move || proxy.run());
    /// push.send("hello")?;
    /// pull.recv()?;
    /// assert_eq!((statistics.forward(), statistics.backward()), (0, 1));
    /// # frontend.close();
    /// # assert!(running.join().unwrap().is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn backward(&self) -> u64 {
        self.backward.messages.load(Ordering::Relaxed)
    }

    /// Payload bytes of those.
    ///
    /// ```
    /// # use zefiro::{Proxy, Pull, Push};
    /// # let (frontend, backend, push, pull) = (Push::new(), Pull::new(), Push::new(), Pull::new());
    /// # pull.connect(frontend.bind("inproc://backward-bytes-front")?)?;
    /// # push.connect(backend.bind("inproc://backward-bytes-back")?)?;
    /// # let proxy = Proxy::new(&frontend, &backend);
    /// # let statistics = proxy.statistics();
    /// # let running = std::thread::spawn(move || proxy.run());
    /// push.send("hello")?;
    /// pull.recv()?;
    /// assert_eq!(statistics.backward_bytes(), 5);
    /// # frontend.close();
    /// # assert!(running.join().unwrap().is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn backward_bytes(&self) -> u64 {
        self.backward.bytes.load(Ordering::Relaxed)
    }

    /// Parts and bytes: received and sent, of the frontend and then of the backend.
    fn report(&self) -> Message {
        [&self.forward, &self.backward, &self.backward, &self.forward]
            .iter()
            .flat_map(|carried| [&carried.parts, &carried.bytes])
            .map(|counter| Frame::from(&counter.load(Ordering::Relaxed).to_ne_bytes()[..]))
            .collect()
    }
}

/// What the proxy waits for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Flow {
    paused: bool,
    /// A message for the backend waits for room there.
    forward_blocked: bool,
    backward_blocked: bool,
}

impl Flow {
    /// What to be told of a side whose messages may be `held` up, and which others may be `awaited` to have room. A
    /// paused proxy does not look, so that waiting messages cost nothing.
    fn interest(self, held: bool, awaited: bool) -> Interest {
        match (self.paused, held, awaited) {
            (true, ..) | (false, true, false) => Interest::NONE,
            (false, true, true) => Interest::WRITABLE,
            (false, false, true) => Interest::BOTH,
            (false, false, false) => Interest::READABLE,
        }
    }
}

enum Steer {
    Run,
    Pause,
    Terminate,
}

impl Proxy {
    /// A proxy between two sockets.
    ///
    /// ```
    /// # use zefiro::{Dealer, ErrorKind, Proxy, Router};
    /// let (clients, workers) = (Router::new(), Dealer::new());
    /// let proxy = Proxy::new(&clients, &workers);
    /// workers.close();
    /// assert_eq!(proxy.run().unwrap_err().kind(), ErrorKind::Closed);
    /// ```
    pub fn new<F: Kind, B: Kind>(frontend: &Socket<F>, backend: &Socket<B>) -> Proxy {
        Proxy {
            frontend: frontend.clone().into_any(),
            backend: backend.clone().into_any(),
            capture: None,
            control: None,
            statistics: ProxyStatistics::default(),
            wait: Wait::AsConfigured,
        }
    }

    /// A signal that is handled while the proxy waits ends it with [`Interrupted`](crate::ErrorKind::Interrupted), as C
    /// programs expect.
    ///
    /// ```
    /// # use zefiro::{Dealer, ErrorKind, Proxy, Router};
    /// # let (clients, workers) = (Router::new(), Dealer::new());
    /// let proxy = Proxy::new(&clients, &workers).until_signal();
    /// let running = std::thread::spawn(move || proxy.run());
    /// clients.close();
    /// assert_eq!(running.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    /// ```
    pub fn until_signal(mut self) -> Proxy {
        self.wait = Wait::UntilSignal;
        self
    }

    /// Sends a copy of every message to this socket as well.
    ///
    /// ```
    /// # use zefiro::{Proxy, Pull, Push};
    /// # let (frontend, backend, push, pull) = (Pull::new(), Push::new(), Push::new(), Pull::new());
    /// # push.connect(frontend.bind("inproc://capture-front")?)?;
    /// # pull.connect(backend.bind("inproc://capture-back")?)?;
    /// let (copies, listener) = (Push::new(), Pull::new());
    /// copies.connect(listener.bind("inproc://copies")?)?;
    /// let proxy = Proxy::new(&frontend, &backend).capture(&copies);
    /// let running = std::thread::spawn(move || proxy.run());
    /// push.send("hello")?;
    /// assert_eq!((pull.recv()?, listener.recv()?), ("hello".into(), "hello".into()));
    /// # frontend.close();
    /// # assert!(running.join().unwrap().is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn capture<C: Kind>(mut self, socket: &Socket<C>) -> Proxy {
        self.capture = Some(socket.clone().into_any());
        self
    }

    /// Obeys `PAUSE`, `RESUME`, `TERMINATE` and `STATISTICS`, received from this socket; a REP socket answers each
    /// (`zmq_proxy_steerable(3)`).
    ///
    /// ```
    /// # use zefiro::{Dealer, Proxy, Rep, Req, Router};
    /// # let (clients, workers) = (Router::new(), Dealer::new());
    /// let (control, operator) = (Rep::new(), Req::new());
    /// operator.connect(control.bind("inproc://control")?)?;
    /// let proxy = Proxy::new(&clients, &workers).control(&control);
    /// let running = std::thread::spawn(move || proxy.run());
    /// operator.send("STATISTICS")?;
    /// assert_eq!(operator.recv()?.frame_count(), 8);
    /// operator.send("TERMINATE")?;
    /// assert!(running.join().unwrap().is_ok());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn control<C: Kind>(mut self, socket: &Socket<C>) -> Proxy {
        self.control = Some(socket.clone().into_any());
        self
    }

    /// The live counters.
    ///
    /// ```
    /// # use zefiro::{Dealer, Proxy, Router};
    /// let proxy = Proxy::new(&Router::new(), &Dealer::new());
    /// assert_eq!(proxy.statistics().forward(), 0);
    /// ```
    pub fn statistics(&self) -> ProxyStatistics {
        self.statistics.clone()
    }

    /// Carries messages until told to terminate, until the context is shut down, or until a socket is closed. A message
    /// is only taken from one side when the other has room for it.
    ///
    /// ```
    /// # use zefiro::{Context, Dealer, ErrorKind, Proxy, Router};
    /// # let context = Context::new();
    /// let clients = Router::builder().context(&context).build()?;
    /// let workers = Dealer::builder().context(&context).build()?;
    /// let proxy = Proxy::new(&clients, &workers);
    /// let running = std::thread::spawn(move || proxy.run());
    /// context.shutdown();
    /// assert_eq!(running.join().unwrap().unwrap_err().kind(), ErrorKind::Terminated);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
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
        let mut flow = Flow::default();
        loop {
            match self.wait {
                Wait::UntilSignal => poller.wait_until_signal(&mut ready, None)?,
                _ => poller.wait(&mut ready, None)?,
            };
            // Of those that are never out of messages the poller does not get to wait for any.
            pause();
            let before = flow;
            for event in &ready {
                match event.key {
                    CONTROL => match self.obey(flow.paused)? {
                        Steer::Run => flow.paused = false,
                        Steer::Pause => flow.paused = true,
                        Steer::Terminate => return Ok(()),
                    },
                    // Whatever has changed about either side, both directions may go on.
                    _ if !flow.paused => {
                        let ProxyStatistics { forward, backward } = &self.statistics;
                        flow.forward_blocked = self.carry(&self.frontend, &self.backend, forward)?;
                        flow.backward_blocked = self.carry(&self.backend, &self.frontend, backward)?;
                    }
                    // Nothing is carried, but an end is an end.
                    _ => {
                        self.frontend.readiness()?;
                        self.backend.readiness()?;
                    }
                }
            }
            if flow != before {
                poller.modify(FRONTEND, flow.interest(flow.forward_blocked, flow.backward_blocked))?;
                poller.modify(BACKEND, flow.interest(flow.backward_blocked, flow.forward_blocked))?;
            }
        }
    }

    /// Carries what is there, for a turn. Answers whether the receiving side has no room.
    fn carry(&self, from: &Socket<Any>, to: &Socket<Any>, carried: &Carried) -> Result<bool> {
        let asks = (from.socket_type(), to.socket_type()) == (SocketType::XPub, SocketType::XSub);
        for _ in 0..MESSAGES_PER_TURN {
            // What has not been read from the links is for the poller to find.
            let there = to.core();
            let room = there.lock().readiness(there.socket_type).1;
            if !room && !self.one_way() {
                return Ok(from.readiness()?.0);
            }
            let mut message = match from.try_recv() {
                Ok(message) => message,
                // A type that cannot receive has nothing to be carried.
                Err(error) if error.is_would_block() || error.kind() == ErrorKind::Unsupported => return Ok(false),
                Err(error) => return Err(error),
            };
            carried.count(&message);
            if let Some(capture) = &self.capture {
                capture.core().send(&mut message.clone(), self.wait)?;
            }
            if !asks || is_to_be_passed_on(&message, from, to) {
                to.core().send(&mut message, self.wait)?;
            }
        }
        Ok(false)
    }

    /// One socket as both sides carries without asking for room (`zmq_proxy(3)`).
    fn one_way(&self) -> bool {
        Arc::ptr_eq(self.frontend.core(), self.backend.core())
    }

    fn obey(&self, paused: bool) -> Result<Steer> {
        let Some(control) = &self.control else { return Ok(Steer::Run) };
        let command = match control.try_recv() {
            Ok(command) => command,
            Err(error) if error.is_would_block() => return Ok(if paused { Steer::Pause } else { Steer::Run }),
            Err(error) => return Err(error),
        };
        let mut steer = if paused { Steer::Pause } else { Steer::Run };
        // Each part is a command, so that the routing id before it is in no ROUTER's way.
        for part in command.frames() {
            match part.as_slice() {
                b"PAUSE" => steer = Steer::Pause,
                b"RESUME" => steer = Steer::Run,
                b"TERMINATE" => {
                    steer = Steer::Terminate;
                    break;
                }
                b"STATISTICS" => {
                    control.send(self.statistics.report())?;
                    return Ok(steer);
                }
                _ => {}
            }
        }
        // Only a REP must answer; who steers through another type does not wait for one.
        if control.socket_type() == SocketType::Rep {
            control.try_send(Message::new())?;
        }
        Ok(steer)
    }
}

/// What an XPUB tells, and whether the XSUB is to hear it.
///
/// The XSUB counts what it is asked for. But in its verbose modes an XPUB tells of more subscriptions than ends, and of
/// ends that never had a beginning: then topics would stay upstream that nobody asks for, or go that somebody does. So
/// the end that counts is the one after which no subscriber has the topic. What the program has asked the XSUB for itself
/// stays.
fn is_to_be_passed_on(message: &Message, from: &Socket<Any>, to: &Socket<Any>) -> bool {
    let Some(Request { subscribe, topic }) = Request::of(message.first()) else { return true };
    let is_wanted = subscribe || from.core().lock().pattern.is_asked_for(topic);
    let mut upstream = to.core().lock();
    if message.frame_count() > 1 || upstream.options.xsub_verbose_unsubscribe {
        return true;
    }
    if subscribe {
        upstream.pattern.note_proxied(topic);
        return true;
    }
    upstream.pattern.end_proxied(topic, is_wanted)
}

const FRONTEND: u64 = 0;
const BACKEND: u64 = 1;
const CONTROL: u64 = 2;

/// Messages carried in one direction before the other gets its turn.
const MESSAGES_PER_TURN: usize = 1000;
