//! Monitor: what happens to a socket's connections, as events.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::calling::call;
use crate::socket::core::SocketCore;
use crate::wait::{Wakes, current_parker};

/// A stream of a socket's connection [events](Event), made by [`Socket::monitor`](crate::Socket::monitor).
///
/// It holds up to 1,000 events; if the program does not keep up, the oldest are dropped and
/// [counted](Monitor::missed). A monitor never slows the socket down. It ends when the socket is closed.
///
/// ```
/// use zefiro::{EventKind, Pull};
///
/// let pull = Pull::new();
/// let mut monitor = pull.monitor();
/// pull.bind("tcp://127.0.0.1:*")?;
/// assert!(matches!(monitor.next().map(|event| event.kind), Some(EventKind::Listening)));
/// # Ok::<(), zefiro::Error>(())
/// ```
pub struct Monitor {
    queue: Arc<MonitorQueue>,
}

/// One thing that happened.
///
/// ```
/// let pull = zefiro::Pull::new();
/// let mut monitor = pull.monitor();
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
/// let event = monitor.next().expect("the socket is open");
/// assert_eq!((&event.endpoint, event.to_string()), (&endpoint, format!("{endpoint}: listening")));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The endpoint bound or connected.
    pub endpoint: String,
    /// The other end, where it is known.
    pub peer: Option<String>,
    /// This end's own address, of a connection whose is known.
    pub local: Option<String>,
    /// The SOCKS5 proxy that the connection goes through, or was to.
    pub proxy: Option<String>,
    /// Of a bind that failed: the number of the descriptor that was to listen, and is closed, if it came to one.
    pub descriptor: Option<i32>,
    /// What happened.
    pub kind: EventKind,
    /// The number libzmq gives with such an event: a descriptor, an errno, or a time in milliseconds
    /// (`zmq_socket_monitor(3)`); 0 where there is none.
    pub value: u64,
}

/// What happened. The reasons are words for people; [`Event::value`] is the number for programs, where there is one.
///
/// ```
/// # use zefiro::{EventKind, Pull};
/// let pull = Pull::new();
/// let mut monitor = pull.monitor();
/// pull.unbind(pull.bind("tcp://127.0.0.1:*")?)?;
/// assert_eq!(monitor.next().map(|event| event.kind), Some(EventKind::Listening));
/// assert!(matches!(monitor.next().map(|event| event.kind), Some(EventKind::Closed(_))));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// Bound, and listening.
    Listening,
    /// The address could not be bound.
    BindFailed(String),
    /// A peer has connected.
    Accepted,
    /// A peer could not be accepted.
    AcceptFailed(String),
    /// The name of the peer could not be looked up, or there is no address to connect to, or from, or no socket that is as
    /// the options want it: of a network device that is not there, for example.
    Unresolved(String),
    /// A connection is being established.
    ConnectDelayed,
    /// The operating system has connected; the handshake follows.
    Connected,
    /// The next attempt begins after this time.
    ConnectRetried(Duration),
    /// The peer speaks our protocol: messages flow. Not told of peers without a mechanism: those of ZMTP 1.0 and 2.0, and
    /// plain TCP peers.
    HandshakeSucceeded,
    /// The peer does not speak our protocol, or not in time. A peer without a mechanism never ends a handshake: this is
    /// told of it, as by libzmq, when its connection is lost.
    HandshakeFailed(String),
    /// The peer broke the protocol during the handshake, or the authenticator did; the number says how
    /// (`ZMQ_PROTOCOL_ERROR_…`).
    ProtocolFailed(String),
    /// The peer, or this side, is not who it has to be; the number is the status: 300, 400 or 500 (RFC 27).
    AuthenticationFailed(String),
    /// The connection is lost.
    Disconnected(String),
    /// A listener was closed, or an attempt to connect given up.
    Closed(String),
    /// Two peers have the same routing id: this one, the newcomer or with a handover the older, is ignored, or
    /// [hung up on](crate::Options::router_refuse_duplicates).
    DuplicateRoutingId,
    /// The socket was closed.
    Stopped,
}

/// Where events wait for the program.
pub(crate) struct MonitorQueue {
    state: Mutex<QueueState>,
    /// A function the events go to, instead of being waited for. Whoever causes events while it runs leaves them to the
    /// thread that runs it.
    sink: Option<Mutex<Sink>>,
}

type Sink = Box<dyn FnMut(Event) + Send>;

/// Has events delivered to a function until it is dropped or [stopped](MonitorHandle::stop); made by
/// [`Socket::monitor_with`](crate::Socket::monitor_with).
///
/// ```
/// # use zefiro::{EventKind, Pull};
/// # let pull = Pull::new();
/// let (sender, events) = std::sync::mpsc::channel();
/// let handle = pull.monitor_with(move |event| _ = sender.send(event.kind));
/// drop(handle);
/// assert_eq!(events.recv(), Ok(EventKind::Stopped));
/// ```
#[must_use = "the events end when it is dropped"]
pub struct MonitorHandle {
    queue: Arc<MonitorQueue>,
    socket: Weak<SocketCore>,
}

impl MonitorHandle {
    pub(crate) fn new(socket: &Arc<SocketCore>, sink: Sink) -> MonitorHandle {
        let queue = MonitorQueue { state: Mutex::new(QueueState::default()), sink: Some(Mutex::new(sink)) };
        MonitorHandle { queue: Arc::new(queue), socket: Arc::downgrade(socket) }
    }

    pub(crate) fn queue(&self) -> &Arc<MonitorQueue> {
        &self.queue
    }

    /// Ends it: [`EventKind::Stopped`] is the last event. Another thread may be telling the function of it, or of one
    /// before, when this returns.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull};
    /// # let pull = Pull::new();
    /// let (sender, events) = std::sync::mpsc::channel();
    /// let handle = pull.monitor_with(move |event| _ = sender.send(event.kind));
    /// handle.stop();
    /// assert_eq!(events.recv(), Ok(EventKind::Stopped));
    /// ```
    pub fn stop(&self) {
        if let Some(core) = self.socket.upgrade() {
            core.lock().stop_monitor(&self.queue);
        }
    }
}

/// For the C library.
#[doc(hidden)]
impl MonitorHandle {
    /// As [`stop`](MonitorHandle::stop), and returns when the function has run for the last time, which so must not wait for
    /// the caller.
    pub fn stop_and_wait(&self) {
        self.stop();
        self.queue.settle();
    }
}

impl Drop for MonitorHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for MonitorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorHandle").finish_non_exhaustive()
    }
}

impl Event {
    pub(crate) fn new(endpoint: &Arc<str>, kind: EventKind) -> Event {
        Event { endpoint: endpoint.to_string(), peer: None, local: None, proxy: None, descriptor: None, kind, value: 0 }
    }
}

#[derive(Default)]
struct QueueState {
    events: VecDeque<Event>,
    missed: u64,
    stopped: bool,
    /// The one that waits: a monitor is waited for by one at a time, and who waits next has taken the place of the last.
    waiter: Option<Waker>,
}

impl QueueState {
    /// The next event, `None` if there will be no more.
    fn next(&mut self) -> Poll<Option<Event>> {
        match self.events.pop_front() {
            None if !self.stopped => Poll::Pending,
            next => Poll::Ready(next),
        }
    }
}

impl Monitor {
    pub(crate) fn new() -> (Monitor, Arc<MonitorQueue>) {
        let queue = Arc::new(MonitorQueue { state: Mutex::new(QueueState::default()), sink: None });
        (Monitor { queue: queue.clone() }, queue)
    }

    /// Events dropped because the program did not keep up.
    ///
    /// ```
    /// # let pull = zefiro::Pull::new();
    /// let monitor = pull.monitor();
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(monitor.missed(), 0);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn missed(&self) -> u64 {
        self.queue.state.lock().missed
    }

    /// The next event, if one is there.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull};
    /// # let pull = Pull::new();
    /// let mut monitor = pull.monitor();
    /// assert_eq!(monitor.try_recv(), None);
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(monitor.try_recv().map(|event| event.kind), Some(EventKind::Listening));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn try_recv(&mut self) -> Option<Event> {
        self.queue.state.lock().events.pop_front()
    }

    /// Waits for the next event, at most `timeout`. `None` when that is over or the socket is closed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pull = zefiro::Pull::new();
    /// let mut monitor = pull.monitor();
    /// assert_eq!(monitor.recv_timeout(Duration::from_millis(5)), None);
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.wait(Instant::now().checked_add(timeout))
    }

    /// The next event, as a future; `None` when the socket is closed. Dropping the future loses nothing.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, Result};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let pull = Pull::new();
    /// let mut monitor = pull.monitor();
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(monitor.recv_async().await.map(|event| event.kind), Some(EventKind::Listening));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_async(&mut self) -> Option<Event> {
        std::future::poll_fn(|task| self.poll_next(task)).await
    }

    /// The next event for a hand-written future; `None` when the socket is closed.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, Result};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let pull = Pull::new();
    /// let mut monitor = pull.monitor();
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// let event = std::future::poll_fn(|task| monitor.poll_next(task)).await;
    /// assert_eq!(event.map(|event| event.kind), Some(EventKind::Listening));
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_next(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<Event>> {
        {
            let state = &mut *self.queue.state.lock();
            let next = state.next();
            if next.is_ready() || state.waiter.as_ref().is_some_and(|waiter| waiter.will_wake(task.waker())) {
                return next;
            }
        }
        // The program's code, which may use the socket; and so may the end of the waker that was there.
        let waker = task.waker().clone();
        let (next, _spent) = {
            let state = &mut *self.queue.state.lock();
            (state.next(), state.waiter.replace(waker))
        };
        next
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Event> {
        let (parker, waker) = current_parker();
        loop {
            let _spent = {
                let state = &mut *self.queue.state.lock();
                if let Poll::Ready(next) = state.next() {
                    return next;
                }
                if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    return None;
                }
                state.waiter.replace(waker.clone())
            };
            parker.park(deadline);
        }
    }
}

/// Blocks for each event; ends when the socket is closed.
impl Iterator for Monitor {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.wait(None)
    }
}

/// Ends when the socket is closed.
#[cfg(feature = "stream")]
impl futures_core::Stream for Monitor {
    type Item = Event;

    fn poll_next(self: std::pin::Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Event>> {
        Monitor::poll_next(self.get_mut(), task)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // The queue may have its end under the socket's lock, and the waker may use the socket.
        let _spent = self.queue.state.lock().waiter.take();
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

impl MonitorQueue {
    /// Adds an event, and whoever waits for it to those to be woken: by the caller, once it holds no lock.
    pub(crate) fn push(&self, event: Event, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        if state.events.len() >= EVENTS_MAX {
            state.events.pop_front();
            state.missed += 1;
        }
        state.events.push_back(event);
        wakes.extend(state.waiter.take());
    }

    /// No more events will come.
    pub(crate) fn stop(&self, wakes: &mut Wakes) {
        self.state.lock().stopped = true;
        self.push(Event::new(&"".into(), EventKind::Stopped), wakes);
    }

    pub(crate) fn has_sink(&self) -> bool {
        self.sink.is_some()
    }

    /// Hands what waits to the function, in order. Nobody holds a socket's lock.
    ///
    /// No thread waits for another that is in the function: that may wait in turn for what this one is to do next.
    pub(crate) fn deliver(&self) {
        let Some(sink) = &self.sink else { return };
        while !self.state.lock().events.is_empty() {
            // Who has it, and that may be this thread, looks again when it has let go.
            let Some(mut sink) = sink.try_lock() else { return };
            self.drain(&mut sink);
        }
    }

    /// As [`deliver`](MonitorQueue::deliver), but waits for a thread that is in the function.
    fn settle(&self) {
        if let Some(sink) = &self.sink {
            self.drain(&mut sink.lock());
        }
    }

    fn drain(&self, sink: &mut Sink) {
        loop {
            let next = self.state.lock().events.pop_front();
            let Some(event) = next else { return };
            call(|| sink(event));
        }
    }
}

impl EventKind {
    /// Its name for programs, as `handshake-failed`.
    ///
    /// ```
    /// assert_eq!(zefiro::EventKind::HandshakeSucceeded.name(), "handshake-succeeded");
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::Listening => "listening",
            EventKind::BindFailed(_) => "bind-failed",
            EventKind::Accepted => "accepted",
            EventKind::AcceptFailed(_) => "accept-failed",
            EventKind::Unresolved(_) => "unresolved",
            EventKind::ConnectDelayed => "connect-delayed",
            EventKind::Connected => "connected",
            EventKind::ConnectRetried(_) => "connect-retried",
            EventKind::HandshakeSucceeded => "handshake-succeeded",
            EventKind::HandshakeFailed(_) => "handshake-failed",
            EventKind::ProtocolFailed(_) => "protocol-failed",
            EventKind::AuthenticationFailed(_) => "authentication-failed",
            EventKind::Disconnected(_) => "disconnected",
            EventKind::Closed(_) => "closed",
            EventKind::DuplicateRoutingId => "duplicate-routing-id",
            EventKind::Stopped => "stopped",
        }
    }

    /// Why it happened, in words, where there is a reason to tell.
    ///
    /// ```
    /// # use zefiro::EventKind;
    /// assert_eq!(EventKind::Disconnected("it hung up".into()).reason(), Some("it hung up"));
    /// assert_eq!(EventKind::Connected.reason(), None);
    /// ```
    pub fn reason(&self) -> Option<&str> {
        match self {
            EventKind::BindFailed(why)
            | EventKind::AcceptFailed(why)
            | EventKind::Unresolved(why)
            | EventKind::HandshakeFailed(why)
            | EventKind::ProtocolFailed(why)
            | EventKind::AuthenticationFailed(why)
            | EventKind::Disconnected(why)
            | EventKind::Closed(why) => Some(why),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.endpoint.is_empty() {
            write!(f, "{}: ", self.endpoint)?;
        }
        write!(f, "{}", self.kind)?;
        match &self.peer {
            Some(peer) if *peer != self.endpoint => write!(f, " (peer {peer})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Listening => f.write_str("listening"),
            EventKind::BindFailed(why) => write!(f, "bind failed: {why}"),
            EventKind::Accepted => f.write_str("accepted"),
            EventKind::AcceptFailed(why) => write!(f, "accept failed: {why}"),
            EventKind::Unresolved(why) => write!(f, "name not resolved: {why}"),
            EventKind::ConnectDelayed => f.write_str("connecting"),
            EventKind::Connected => f.write_str("connected"),
            EventKind::ConnectRetried(wait) => write!(f, "retrying in {} ms", wait.as_millis()),
            EventKind::HandshakeSucceeded => f.write_str("handshake succeeded"),
            EventKind::HandshakeFailed(why) => write!(f, "handshake failed: {why}"),
            EventKind::ProtocolFailed(why) => write!(f, "handshake failed: {why}"),
            EventKind::AuthenticationFailed(why) => write!(f, "authentication failed: {why}"),
            EventKind::Disconnected(why) => write!(f, "disconnected: {why}"),
            EventKind::Closed(why) => write!(f, "closed: {why}"),
            EventKind::DuplicateRoutingId => f.write_str("duplicate routing id, peer ignored"),
            EventKind::Stopped => f.write_str("stopped"),
        }
    }
}

/// Events a monitor holds before it drops the oldest.
const EVENTS_MAX: usize = 1000;
