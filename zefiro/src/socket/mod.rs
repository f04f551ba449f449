//! Socket: what a program holds, typed by its pattern.
//!
//! What only some types can do is in `sending`, `receiving`, `subscribing` and `draft`; `raw` is for the C library.

pub(crate) mod attach;
pub(crate) mod attention;
mod builder;
pub(crate) mod core;
mod draft;
pub(crate) mod endpoints;
pub(crate) mod future;
pub mod kind;
pub(crate) mod locked;
mod notify;
mod ops;
pub(crate) mod owed;
pub(crate) mod parts;
mod peers;
mod queued;
mod raw;
mod receiving;
pub(crate) mod salute;
mod sending;
mod subscribing;
mod writer;

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use zmtp::SocketType;

pub use self::builder::Builder;
use self::core::SocketCore;
pub use self::future::{RecvFuture, RecvIntoFuture, SendFuture};
#[cfg(feature = "stream")]
pub use self::future::{RecvStream, SendSink};
use self::kind::{Kind, Typed};
pub use self::ops::Wait;
pub use self::peers::{Peer, PeerId};
use crate::counters::Counters;
use crate::endpoint::{Endpoint, ToEndpoint};
use crate::error::Result;
use crate::monitor::{Event, Monitor, MonitorHandle};
use crate::options::Options;
use crate::unsent::NotSent;
use crate::wait::Wakes;

/// A socket of a pattern: [`Push`](crate::Push), [`Pull`](crate::Pull), [`Req`](crate::Req), …; or of
/// [any](kind::Any) pattern, decided at run time.
///
/// A socket is a handle: clones share it, from any thread. Receiving on a type that only sends does not compile. When
/// the last handle is dropped the socket is closed: that never blocks, and what is queued still goes out, for as long
/// as the option [`linger`](Options::linger) says and the process lives.
///
/// Every operation comes blocking, as an attempt (`try_`), with a time limit, and as a future that needs no particular
/// runtime. Futures are cancel-safe: dropping one that has not finished loses no message.
///
/// ```
/// use zefiro::{Pull, Push};
///
/// let pull = Pull::new();
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let push = Push::new();
/// push.connect(&endpoint)?;
/// push.send("hello")?;
/// assert_eq!(pull.recv()?, "hello");
/// # Ok::<(), zefiro::Error>(())
/// ```
pub struct Socket<K = kind::Any> {
    core: Arc<SocketCore>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Typed> Socket<K> {
    /// A socket of the [global](crate::Context::global) context with the default options.
    ///
    /// ```
    /// let pair = zefiro::Pair::new();
    /// assert_eq!(pair.socket_type(), zefiro::SocketType::Pair);
    /// ```
    pub fn new() -> Socket<K> {
        match Socket::<K>::builder().build() {
            Ok(socket) => socket,
            Err(error) => unreachable!("the global context has no limit and no end: {error}"),
        }
    }

    /// Sets up a socket.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// let pull = Pull::builder().recv_high_water_mark(10).build()?;
    /// assert_eq!(pull.options().recv_high_water_mark, 10);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn builder() -> Builder<K> {
        Builder::of(K::SOCKET_TYPE)
    }
}

impl<K: Typed> Default for Socket<K> {
    fn default() -> Socket<K> {
        Socket::new()
    }
}

impl Socket<kind::Any> {
    /// A socket of a type known at run time, in the [global](crate::Context::global) context, with the default options.
    ///
    /// ```
    /// # use zefiro::{AnySocket, ErrorKind};
    /// let socket = AnySocket::open("push".parse().expect("it is a type"));
    /// // What the type cannot do is found out when it is tried.
    /// assert_eq!(socket.recv().unwrap_err().kind(), ErrorKind::Unsupported);
    /// ```
    pub fn open(socket_type: SocketType) -> Socket<kind::Any> {
        match Socket::builder_of(socket_type).build() {
            Ok(socket) => socket,
            Err(error) => unreachable!("the global context has no limit and no end: {error}"),
        }
    }

    /// Sets up a socket of a type known at run time.
    ///
    /// ```
    /// # use zefiro::{AnySocket, SocketType};
    /// let socket = AnySocket::builder_of(SocketType::Router).router_mandatory(true).build()?;
    /// assert_eq!(socket.socket_type(), SocketType::Router);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn builder_of(socket_type: SocketType) -> Builder<kind::Any> {
        Builder::of(socket_type)
    }
}

impl<K: Kind> Socket<K> {
    /// Takes an address for peers to connect to, and answers it as it really is: with the port the system chose for
    /// `tcp://127.0.0.1:*`. A name is looked up in this call, which may block.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Pull};
    /// let pull = Pull::new();
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// assert!(endpoint.to_string().starts_with("tcp://127.0.0.1:"));
    /// let error = Pull::new().bind(&endpoint).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AddressInUse);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The endpoint is [not valid](crate::ErrorKind::InvalidEndpoint), [in use](crate::ErrorKind::AddressInUse), or the system
    /// refuses; the error says which endpoint and why.
    pub fn bind(&self, endpoint: impl ToEndpoint) -> Result<Endpoint> {
        self.core.bind(&endpoint.endpoint_text())
    }

    /// As [`bind`](Socket::bind), with a descriptor that listens already, from a service manager or a parent process, say.
    /// Of `endpoint` only the transport counts over tcp; over ipc it is the address to tell. The file of an ipc address
    /// is left as it is.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let pull = Pull::new();
    /// let endpoint = pull.bind_fd("tcp://127.0.0.1:*", listener)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The endpoint is [not valid](crate::ErrorKind::InvalidEndpoint) or of a transport without descriptors, or the descriptor
    /// does not listen.
    pub fn bind_fd(&self, endpoint: impl ToEndpoint, descriptor: impl Into<OwnedFd>) -> Result<Endpoint> {
        self.core.bind_fd(&endpoint.endpoint_text(), descriptor.into())
    }

    /// Connects to an address, now or as soon as somebody is there; again whenever the connection is lost. Returns at
    /// once: messages may be sent, and wait for the peer.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// let push = Push::new();
    /// push.connect("inproc://connect")?; // Nobody is there yet.
    /// push.send("early")?;
    /// let pull = Pull::new();
    /// pull.bind("inproc://connect")?;
    /// assert_eq!(pull.recv()?, "early");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The endpoint is [not valid](crate::ErrorKind::InvalidEndpoint).
    pub fn connect(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.connect(&endpoint.endpoint_text())
    }

    /// Gives an address up: it is free when this returns. Its connections are closed once their queues are sent.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// let pull = Pull::new();
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// pull.unbind(&endpoint)?;
    /// Pull::new().bind(&endpoint)?;
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The socket is [not bound](crate::ErrorKind::UnknownEndpoint) to it.
    pub fn unbind(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.unbind(&endpoint.endpoint_text())
    }

    /// Ends a connection made by [`connect`](Socket::connect), once its queue is sent. Unread messages of it are
    /// dropped.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Sub};
    /// let subscriber = Sub::new();
    /// subscriber.connect("tcp://127.0.0.1:5555")?;
    /// subscriber.disconnect("tcp://127.0.0.1:5555")?;
    /// let error = subscriber.disconnect("tcp://127.0.0.1:5555").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnknownEndpoint);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The socket is [not connected](crate::ErrorKind::UnknownEndpoint) to it.
    pub fn disconnect(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.disconnect(&endpoint.endpoint_text())
    }

    /// The endpoint bound or connected last.
    ///
    /// ```
    /// # let pull = zefiro::Pull::new();
    /// assert_eq!(pull.last_endpoint(), None);
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(pull.last_endpoint(), Some(endpoint.to_string()));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn last_endpoint(&self) -> Option<String> {
        self.core.lock().last_endpoint.as_ref().map(|endpoint| endpoint.to_string())
    }

    /// The socket's type.
    ///
    /// ```
    /// assert_eq!(zefiro::Push::new().socket_type(), zefiro::SocketType::Push);
    /// ```
    pub fn socket_type(&self) -> SocketType {
        self.core.socket_type
    }

    /// A copy of the socket's options.
    ///
    /// ```
    /// assert_eq!(zefiro::Push::new().options().send_high_water_mark, 1000);
    /// ```
    pub fn options(&self) -> Options {
        Options::clone(&self.core.lock().options)
    }

    /// Changes options. Each says in its documentation what a change concerns.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{ErrorKind, Pull};
    /// # let pull = Pull::new();
    /// pull.set_options(|options| options.recv_timeout = Some(Duration::from_millis(5)))?;
    /// assert_eq!(pull.recv().unwrap_err().kind(), ErrorKind::TimedOut);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// A value is [out of its range](crate::ErrorKind::InvalidOption), or the option for other types of sockets; then nothing
    /// is changed.
    pub fn set_options(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        let _changing = self.core.changing_options.lock();
        let mut options = self.options();
        change(&mut options);
        options.validate()?;
        options.check_type(self.core.socket_type)?;
        options.check_security(self.core.socket_type, self.core.authenticator.is_some())?;
        let mut state = self.core.lock();
        state.check_open("set option")?;
        state.adopt_options(options);
        Ok(())
    }

    /// The socket's connection events from now on.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// let mut monitor = pull.monitor();
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// assert!(monitor.any(|event| event.kind == EventKind::HandshakeSucceeded));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn monitor(&self) -> Monitor {
        let (monitor, queue) = Monitor::new();
        let mut state = self.core.lock();
        if state.check_open("monitor").is_err() {
            // Nobody waits for it yet.
            queue.stop(&mut Wakes::new());
        } else {
            state.monitors.push(Arc::downgrade(&queue));
        }
        monitor
    }

    /// Has the socket's connection events from now on delivered to a function, in order, by the threads that cause
    /// them, or by one of those that is just delivering others; it should not block, as such a thread may have other
    /// sockets to look after. Nobody else hears of it if it panics. The events end when the handle is dropped or the
    /// socket is closed, with [`Stopped`](crate::EventKind::Stopped).
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull};
    /// # let pull = Pull::new();
    /// let (sender, events) = std::sync::mpsc::channel();
    /// let _handle = pull.monitor_with(move |event| _ = sender.send(event.kind));
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(events.recv(), Ok(EventKind::Listening));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn monitor_with(&self, sink: impl FnMut(Event) + Send + 'static) -> MonitorHandle {
        let handle = MonitorHandle::new(&self.core, Box::new(sink));
        let mut state = self.core.lock();
        state.monitors.push(Arc::downgrade(handle.queue()));
        if state.check_open("monitor").is_err() {
            state.stop_monitor(handle.queue());
        }
        drop(state);
        handle
    }

    /// What the socket has done so far.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://counters")?)?;
    /// push.send("hello")?;
    /// assert_eq!((push.counters().sent, push.counters().sent_bytes), (1, 5));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn counters(&self) -> Counters {
        self.core.counters()
    }

    /// Waits until at least `peers` peers are connected, their handshakes done.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.wait_connected(1, Duration::from_secs(10))?;
    /// assert_eq!(push.peers().len(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut), or the socket was closed, or its context shut down.
    pub fn wait_connected(&self, peers: usize, timeout: Duration) -> Result<()> {
        self.core.wait_until("wait for peers", timeout, |state| state.connected >= peers)
    }

    /// Whether a message could be received now.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://is-readable")?)?;
    /// assert!(!pull.is_readable());
    /// push.send("hello")?;
    /// assert!(pull.is_readable());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn is_readable(&self) -> bool {
        self.core.readiness().0
    }

    /// Whether a message could be sent now.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// assert!(!push.is_writable());
    /// push.connect(pull.bind("inproc://is-writable")?)?;
    /// assert!(push.is_writable());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn is_writable(&self) -> bool {
        self.core.readiness().1
    }

    /// Closes the socket, all its handles: whoever waits in a call gets [`Closed`](crate::ErrorKind::Closed). Never blocks;
    /// what is queued goes out for as long as the option [`linger`](Options::linger) says.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Pull};
    /// let pull = Pull::new();
    /// let other_handle = pull.clone();
    /// pull.close();
    /// assert_eq!(other_handle.recv().unwrap_err().kind(), ErrorKind::Closed);
    /// ```
    pub fn close(&self) {
        let linger = self.core.lock().options.linger;
        self.core.close(linger);
    }

    /// Closes the socket and waits until everything is sent, or the time is over; always returns by then. A time beyond
    /// all bounds, such as [`Duration::MAX`], is no limit. The option [`linger`](Options::linger) does not count.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("the last words")?;
    /// push.close_within(Duration::from_secs(30))?;
    /// assert_eq!(pull.recv()?, "the last words");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// What was not sent, for each peer; it is dropped.
    pub fn close_within(&self, time: Duration) -> Result<(), NotSent> {
        let deadline = Instant::now().checked_add(time);
        // The deadline is kept here, so that what is not sent by then can be named before it is dropped.
        self.core.close(None);
        match self.core.context.wait_for_socket(self.core.id, deadline) {
            true => Ok(()),
            false => Err(NotSent::new(self.core.give_up())),
        }
    }

    /// The same socket, its type forgotten.
    ///
    /// ```
    /// # use zefiro::{AnySocket, Pull, Push};
    /// let sockets: Vec<AnySocket> = vec![Push::new().into_any(), Pull::new().into_any()];
    /// assert_eq!(sockets[1].socket_type(), zefiro::SocketType::Pull);
    /// ```
    pub fn into_any(self) -> Socket<kind::Any> {
        self.core.handles.fetch_add(1, Ordering::Relaxed);
        Socket { core: self.core.clone(), kind: PhantomData }
    }

    pub(crate) fn core(&self) -> &Arc<SocketCore> {
        &self.core
    }
}

impl<K> Clone for Socket<K> {
    fn clone(&self) -> Socket<K> {
        self.core.handles.fetch_add(1, Ordering::Relaxed);
        Socket { core: self.core.clone(), kind: PhantomData }
    }
}

impl<K> Drop for Socket<K> {
    fn drop(&mut self) {
        // AcqRel: what other handles did happens before the close.
        if self.core.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let linger = self.core.lock().options.linger;
            self.core.close(linger);
        }
    }
}

impl<K> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("type", &self.core.socket_type).field("id", &self.core.id).finish()
    }
}
