//! Socket: what a program holds, typed by its pattern.

pub(crate) mod attach;
mod builder;
pub(crate) mod core;
mod draft;
pub(crate) mod endpoints;
mod future;
pub mod kind;
pub(crate) mod locked;
mod notify;
mod ops;
pub(crate) mod parts;
mod raw;
pub(crate) mod salute;
mod writer;

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use zmtp::{Frame, SocketType};

pub use self::builder::Builder;
use self::core::SocketCore;
pub use self::future::{RecvFuture, SendFuture};
#[cfg(feature = "stream")]
pub use self::future::{RecvStream, SendSink};
use self::kind::{Kind, Publishes, Receives, Sends, Subscribes, Typed};
pub use self::ops::Wait;
use crate::counters::Counters;
use crate::endpoint::{Endpoint, ToEndpoint};
use crate::error::{Error, ErrorKind, Result, SendError};
use crate::io::{Command, Which};
use crate::message::Message;
use crate::metadata::Metadata;
use crate::monitor::{Event, Monitor, MonitorHandle};
use crate::options::Options;
use crate::pipe::PipeId;
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

/// Names a peer of a socket for as long as it is connected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(PipeId);

/// A peer, as [`Socket::peers`] finds it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Names it to [`Socket::disconnect_peer`].
    pub id: PeerId,
    /// The endpoint it was connected by, or accepted on.
    pub endpoint: String,
    /// Its address, where the transport has one: an IP address, or user, group and process of an ipc peer.
    pub address: Option<String>,
    /// Its socket type, if it told.
    pub socket_type: Option<SocketType>,
    /// The routing id it announced; empty if none.
    pub routing_id: Frame,
    /// The security mechanism of the connection: `NULL`, `PLAIN`, `CURVE` or `GSSAPI`. Over inproc, and with plain TCP, there is
    /// none, which is `NULL` too.
    pub mechanism: &'static str,
    /// Who it is, as an authenticator said; `None` if none was asked.
    pub user_id: Option<String>,
    /// What went to and came from it.
    pub counters: Counters,
}

impl<K: Typed> Socket<K> {
    /// A socket of the [global](crate::Context::global) context with the default options.
    pub fn new() -> Socket<K> {
        match Socket::<K>::builder().build() {
            Ok(socket) => socket,
            Err(error) => unreachable!("the global context has no limit and no end: {error}"),
        }
    }

    /// Sets up a socket.
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
    pub fn open(socket_type: SocketType) -> Socket<kind::Any> {
        match Socket::builder_of(socket_type).build() {
            Ok(socket) => socket,
            Err(error) => unreachable!("the global context has no limit and no end: {error}"),
        }
    }

    /// Sets up a socket of a type known at run time.
    pub fn builder_of(socket_type: SocketType) -> Builder<kind::Any> {
        Builder::of(socket_type)
    }
}

impl<K: Kind> Socket<K> {
    /// Takes an address for peers to connect to, and answers it as it really is: with the port the system chose for
    /// `tcp://127.0.0.1:*`. A name is looked up in this call, which may block.
    ///
    /// # Errors
    /// The endpoint is [not valid](ErrorKind::InvalidEndpoint), [in use](ErrorKind::AddressInUse), or the system
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
    /// The endpoint is [not valid](ErrorKind::InvalidEndpoint) or of a transport without descriptors, or the descriptor
    /// does not listen.
    pub fn bind_fd(&self, endpoint: impl ToEndpoint, descriptor: impl Into<OwnedFd>) -> Result<Endpoint> {
        self.core.bind_fd(&endpoint.endpoint_text(), descriptor.into())
    }

    /// Connects to an address, now or as soon as somebody is there; again whenever the connection is lost. Returns at
    /// once: messages may be sent, and wait for the peer.
    ///
    /// # Errors
    /// The endpoint is [not valid](ErrorKind::InvalidEndpoint).
    pub fn connect(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.connect(&endpoint.endpoint_text())
    }

    /// Gives an address up: it is free when this returns. Its connections are closed once their queues are sent.
    ///
    /// # Errors
    /// The socket is [not bound](ErrorKind::UnknownEndpoint) to it.
    pub fn unbind(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.end_endpoint("unbind", &endpoint.endpoint_text())
    }

    /// Ends a connection made by [`connect`](Socket::connect), once its queue is sent. Unread messages of it are
    /// dropped.
    ///
    /// # Errors
    /// The socket is [not connected](ErrorKind::UnknownEndpoint) to it.
    pub fn disconnect(&self, endpoint: impl ToEndpoint) -> Result<()> {
        self.core.end_endpoint("disconnect", &endpoint.endpoint_text())
    }

    /// The endpoint bound or connected last.
    pub fn last_endpoint(&self) -> Option<String> {
        self.core.lock().last_endpoint.as_ref().map(|endpoint| endpoint.to_string())
    }

    /// The socket's type.
    pub fn socket_type(&self) -> SocketType {
        self.core.socket_type
    }

    /// A copy of the socket's options.
    pub fn options(&self) -> Options {
        Options::clone(&self.core.lock().options)
    }

    /// Changes options. Each says in its documentation what a change concerns.
    ///
    /// # Errors
    /// A value is [out of its range](ErrorKind::InvalidOption); then nothing is changed.
    pub fn set_options(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        let _changing = self.core.changing_options.lock();
        let mut options = self.options();
        change(&mut options);
        options.validate()?;
        options.check_security(self.core.socket_type, self.core.authenticator.is_some())?;
        let mut state = self.core.lock();
        state.check_open("set option")?;
        state.adopt_options(options);
        Ok(())
    }

    /// The socket's connection events from now on.
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
    /// them; it must not block. The events end when the handle is dropped or the socket is closed, with
    /// [`Stopped`](crate::EventKind::Stopped).
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

    /// The peers connected now.
    pub fn peers(&self) -> Vec<Peer> {
        let state = self.core.lock();
        let found_from = state.pattern.found_from();
        let connected = state.pipes.iter().filter(|(_, pipe)| pipe.is_connected());
        connected
            .map(|(id, pipe)| Peer {
                id: PeerId(id),
                endpoint: pipe.facts.endpoint.to_string(),
                address: pipe.facts.address.clone(),
                socket_type: pipe.facts.socket_type,
                routing_id: pipe.facts.identity.clone(),
                mechanism: if pipe.facts.mechanism.is_empty() { "NULL" } else { pipe.facts.mechanism },
                user_id: pipe.facts.user_id.clone(),
                counters: pipe.counters_now(found_from == Some(id)),
            })
            .collect()
    }

    /// Ends one connection, once its queue is sent. A connecting socket connects anew, unless its reconnect interval says
    /// that it never does.
    ///
    /// # Errors
    /// [`Unroutable`](ErrorKind::Unroutable): it is gone already.
    pub fn disconnect_peer(&self, peer: PeerId) -> Result<()> {
        let mut state = self.core.lock();
        state.check_open("disconnect peer")?;
        let Some(pipe) = state.pipes.get(peer.0) else {
            return Err(Error::new(ErrorKind::Unroutable, "disconnect peer"));
        };
        match pipe.link().cloned() {
            Some(link) => {
                let linger = state.options.linger;
                state.tell_io(
                    link.io.clone(),
                    Command::End(self.core.clone(), Which::Connection(peer.0, link.token), linger),
                );
            }
            None => state.end_duct(peer.0),
        }
        Ok(())
    }

    /// Distinct topics subscribed to: by the socket's peers (PUB, XPUB), or by the socket itself (SUB, XSUB).
    pub fn topic_count(&self) -> usize {
        self.core.lock().pattern.topics()
    }

    /// What the socket has done so far.
    pub fn counters(&self) -> Counters {
        self.core.counters()
    }

    /// Waits until at least `peers` peers are connected, their handshakes done.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut).
    pub fn wait_connected(&self, peers: usize, timeout: Duration) -> Result<()> {
        self.core.wait_until("wait for peers", timeout, |state| state.connected >= peers)
    }

    /// Whether a message could be received now.
    pub fn is_readable(&self) -> bool {
        self.core.readiness().0
    }

    /// Whether a message could be sent now.
    pub fn is_writable(&self) -> bool {
        self.core.readiness().1
    }

    /// Closes the socket, all its handles: whoever waits in a call gets [`Closed`](ErrorKind::Closed). Never blocks;
    /// what is queued goes out for as long as the option [`linger`](Options::linger) says.
    pub fn close(&self) {
        let linger = self.core.lock().options.linger;
        self.core.close(linger);
    }

    /// Closes the socket and waits until everything is sent, or the time is over; always returns by then. A time beyond
    /// all bounds, such as [`Duration::MAX`], is no limit.
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
    pub fn into_any(self) -> Socket<kind::Any> {
        self.core.handles.fetch_add(1, Ordering::Relaxed);
        Socket { core: self.core.clone(), kind: PhantomData }
    }

    pub(crate) fn core(&self) -> &Arc<SocketCore> {
        &self.core
    }
}

impl<K: Kind> Socket<K> {
    /// Sends a message; waits while there is no peer with room for it.
    ///
    /// # Errors
    /// The socket was closed, its pattern does not allow sending now, or the option `send_timeout` ran out. The
    /// message comes back in the error; no peer has seen any of it.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::AsConfigured)
    }

    /// Sends a message if it can be queued at once.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock), or as [`send`](Socket::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::No)
    }

    /// Sends a message; waits at most so long.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut), or as [`send`](Socket::send).
    pub fn send_timeout(&self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::AtMost(timeout))
    }

    fn send_waiting(&self, message: &mut Message, wait: Wait) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.core.send(message, wait).map_err(|error| SendError::new(error, std::mem::take(message)))
    }

    /// Sends a message, as a future. Dropped before it is done, it has sent nothing;
    /// [`into_message`](SendFuture::into_message) gives the message back.
    #[inline]
    pub fn send_async(&self, message: impl Into<Message>) -> SendFuture<'_>
    where
        K: Sends,
    {
        SendFuture::new(&self.core, message.into())
    }

    /// Sends one part of a message, which goes out whole with its last part (`more` false). Meant for programs that
    /// pass parts through; others send a [`Message`].
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    pub fn send_part(&self, part: impl Into<Frame>, more: bool, wait: Wait) -> Result<(), SendError>
    where
        K: Sends,
    {
        let mut part = part.into();
        self.core.send_part(&mut part, more, wait).map_err(|error| SendError::new(error, Message::from(part)))
    }
}

impl<K: Kind> Socket<K> {
    /// Receives a message; waits until there is one.
    ///
    /// # Errors
    /// The socket was closed, its pattern does not allow receiving now, or the option `recv_timeout` ran out.
    pub fn recv(&self) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::AsConfigured)?;
        Ok(message)
    }

    /// Receives a message in place of `message`, whose memory is used again.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv), or [`WouldBlock`](ErrorKind::WouldBlock) and [`TimedOut`](ErrorKind::TimedOut) as
    /// `wait` says.
    pub fn recv_into(&self, message: &mut Message, wait: Wait) -> Result<()>
    where
        K: Receives,
    {
        self.core.recv(message, wait)
    }

    /// Receives a message, and what is known of the peer it came from: its address, and who it is, as an
    /// [authenticator](crate::auth) said. `None` of a peer in this process, of plain TCP, and of ZMTP before 3.0.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_from(&self) -> Result<(Message, Option<Arc<Metadata>>)>
    where
        K: Receives,
    {
        let mut message = Message::new();
        let state = self.core.recv_locked(&mut message, Wait::AsConfigured)?;
        let metadata = state.pipes.last_metadata().cloned();
        drop(state);
        Ok((message, metadata))
    }

    /// Receives a message if one is there.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock), or as [`recv`](Socket::recv).
    pub fn try_recv(&self) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::No)?;
        Ok(message)
    }

    /// Receives a message; waits at most so long.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut), or as [`recv`](Socket::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::AtMost(timeout))?;
        Ok(message)
    }

    /// Receives a message, as a future. Dropped before it is done, it has taken nothing.
    #[inline]
    pub fn recv_async(&self) -> RecvFuture<'_>
    where
        K: Receives,
    {
        RecvFuture::new(&self.core)
    }

    /// The messages as they come, blocking for each as long as it takes, whatever `recv_timeout` says; ends when the
    /// socket is closed or its context shut down. Any other error is an item, and the next item another attempt: a REP
    /// that has not answered, say, is told so each time.
    ///
    /// ```no_run
    /// let rep = zefiro::Rep::new();
    /// rep.bind("tcp://127.0.0.1:5555")?;
    /// for request in rep.incoming() {
    ///     rep.send(request?)?;
    /// }
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn incoming(&self) -> impl Iterator<Item = Result<Message>>
    where
        K: Receives,
    {
        std::iter::from_fn(move || match self.recv_timeout(Duration::MAX) {
            Err(error) if error.is_end() => None,
            result => Some(result),
        })
    }

    /// Receives one part of a message, and says whether more parts of it follow.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_part(&self, wait: Wait) -> Result<(Frame, bool)>
    where
        K: Receives,
    {
        let mut message = Message::new();
        let more = self.core.recv_part(&mut message, None, wait)?;
        Ok((std::mem::take(message.parts_mut().0), more))
    }

    /// The messages as they come, as a stream; ends when the socket is closed.
    #[cfg(feature = "stream")]
    pub fn recv_stream(&self) -> RecvStream
    where
        K: Receives,
    {
        RecvStream::new(self.clone().into_any())
    }
}

#[cfg(feature = "stream")]
impl<K: Kind> Socket<K> {
    /// A sink for messages.
    pub fn send_sink(&self) -> SendSink
    where
        K: Sends,
    {
        SendSink::new(self.clone().into_any())
    }
}

impl<K: Kind> Socket<K> {
    /// Subscribes to messages that begin with `topic`; the empty topic is all. Subscribing twice needs unsubscribing
    /// twice.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) on a type that has no subscriptions.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<()>
    where
        K: Subscribes,
    {
        let mut state = self.core.lock();
        state.check_open("subscribe")?;
        let (pattern, pipes, options) = state.parts();
        pattern
            .subscribe(pipes, options, topic.as_ref())
            .map_err(|refusal| Error::new(ops::kind_of(refusal), "subscribe"))
    }

    /// Ends a subscription; one that is not there is no error.
    ///
    /// # Errors
    /// As [`subscribe`](Socket::subscribe).
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<()>
    where
        K: Subscribes,
    {
        let mut state = self.core.lock();
        state.check_open("unsubscribe")?;
        let (pattern, pipes, options) = state.parts();
        pattern
            .unsubscribe(pipes, options, topic.as_ref())
            .map_err(|refusal| Error::new(ops::kind_of(refusal), "unsubscribe"))
    }
}

impl<K: Kind> Socket<K> {
    /// Waits until at least `peers` subscribers would get a message on `topic`: what is published from then on reaches
    /// them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use zefiro::{Pub, Sub};
    ///
    /// let publisher = Pub::new();
    /// let subscriber = Sub::new();
    /// subscriber.connect(publisher.bind("tcp://127.0.0.1:*")?)?;
    /// subscriber.subscribe("weather")?;
    /// publisher.wait_subscribed("weather.milan", 1, Duration::from_secs(10))?;
    /// publisher.send("weather.milan 21 °C")?;
    /// assert_eq!(subscriber.recv()?, "weather.milan 21 °C");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut).
    pub fn wait_subscribed(&self, topic: impl AsRef<[u8]>, peers: usize, timeout: Duration) -> Result<()>
    where
        K: Publishes,
    {
        self.core
            .wait_until("wait for subscribers", timeout, |state| state.pattern.subscribers(topic.as_ref()) >= peers)
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
