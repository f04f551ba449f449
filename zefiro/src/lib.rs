//! ZeroMQ sockets in Rust: blocking and async on one engine, without C.
//!
//! A [`Socket`] carries whole [`Message`]s to and from any number of peers, over TCP, Unix sockets or within the
//! process, in a pattern. Peers come and go, bind and connect in any order; queues absorb and bound the floods; a
//! message arrives whole or not at all. Peers may be any program that speaks ZMTP: libzmq and its bindings, down to
//! ZMTP 1.0.
//!
//! ```
//! use zefiro::{Rep, Req};
//!
//! let rep = Rep::new();
//! let endpoint = rep.bind("tcp://127.0.0.1:*")?;
//! let server = std::thread::spawn(move || {
//!     let request = rep.recv()?;
//!     rep.send(format!("{} World", request.as_str().unwrap_or("?")))?;
//!     Ok::<(), zefiro::Error>(())
//! });
//!
//! let req = Req::new();
//! req.connect(endpoint)?;
//! req.send("Hello")?;
//! assert_eq!(req.recv()?, "Hello World");
//! # server.join().unwrap()?;
//! # Ok::<(), zefiro::Error>(())
//! ```
//!
//! The same call waits, tries, waits for a time, or is a future, on the same socket:
//!
//! ```
//! # async fn example(pull: zefiro::Pull) -> zefiro::Result<()> {
//! use std::time::Duration;
//!
//! let message = pull.recv()?; // waits
//! let message = pull.try_recv()?; // ErrorKind::WouldBlock if there is none
//! let message = pull.recv_timeout(Duration::from_secs(1))?; // ErrorKind::TimedOut
//! let message = pull.recv_async().await?; // on any runtime; dropped early, it has taken nothing
//! # Ok(())
//! # }
//! ```
//!
//! # Ending a program
//!
//! `send` queues a message and returns; I/O threads carry it. Dropping a socket does not wait for them, and what is
//! queued still goes out. When the process ends, by returning from `main` or by `exit`, it waits for what is queued: as
//! long as the socket's [`linger`](Options::linger) allows, at most 10 seconds for a peer that is connected and a second
//! for one that is not there. To wait longer, or to be told what could not be sent, close:
//!
//! ```
//! # use std::time::Duration;
//! # let pull = zefiro::Pull::new();
//! # let endpoint = pull.bind("tcp://127.0.0.1:*")?;
//! let push = zefiro::Push::new();
//! push.connect(endpoint)?;
//! push.send("the last words")?;
//! push.close_within(Duration::from_secs(30))?; // an error that says how many messages were left, and for whom
//! # Ok::<(), zefiro::Error>(())
//! ```
//!
//! A `close_within` that another thread is in when `main` returns has the same 10 seconds, or one, whatever the linger: join
//! that thread to give it all its time.
//!
//! # Forks
//!
//! A process made by `fork` has its parent's sockets, but none of the threads that serve them. It must leave them alone: any
//! call may wait for ever, and so may dropping the last handle, so end it with `exit`, not by returning, or replace its
//! program. Its end waits for nothing. Sockets of its own need a [`Context`] that it has made itself, and are to be closed
//! with [`close_within`](Socket::close_within).
//!
//! # Features
//!
//! `stream`: a `Stream` of received messages and of a monitor's events, and a `Sink` to send to.
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | choose a pattern | [`Req`]/[`Rep`], [`Pub`]/[`Sub`], [`Push`]/[`Pull`], [`Dealer`]/[`Router`], [`Pair`], [`Stream`] |
//! | send and receive | [`Socket`]: `send`, `recv`, `try_…`, `…_timeout`, `…_async` |
//! | set high-water marks, times, keep-alive … | [`Builder`], [`Options`] |
//! | wait for several sockets | [`Poller`] |
//! | connect two patterns | [`proxy`], [`Proxy`] |
//! | see what is going on | [`Socket::monitor`], [`Socket::peers`], [`Socket::counters`] |
//! | say who may connect, and encrypt | [`SharedKey`], [`auth`], [`certificate`], [`policy`] |
//! | end in good order | [`Socket::close_within`], [`Context::close_within`], [`NotSent`] |
//! | know what went wrong | [`Error`], [`SendError`] |

// Peers' bytes come here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![warn(missing_debug_implementations)]

mod arrival;
pub mod auth;
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "nobody but our benchmarks uses it")]
pub mod benching;
mod calling;
pub mod certificate;
mod context;
mod counters;
mod endpoint;
mod error;
mod exit;
mod gssapi;
mod io;
mod lock;
mod message;
mod metadata;
mod monitor;
mod options;
mod part;
mod pattern;
mod pause;
mod pipe;
pub mod policy;
mod poll;
mod prometheus;
mod proxy;
mod routing;
mod shared_key;
mod socket;
mod sys;
#[cfg(zefiro_faults)]
/// System calls that fail at random, in test builds.
pub mod faults {
    pub use crate::sys::faults::{Made, arm, count, disarm, made};
}
mod transport;
mod unsent;
mod wait;
mod zap;

#[doc(hidden)]
pub use arrival::Arrival;
pub use context::{Context, ContextBuilder};
pub use counters::{Counters, Dropped};
pub use endpoint::{Endpoint, IpcEndpoint, TcpEndpoint, ToEndpoint, UdpEndpoint};
pub use error::{Error, ErrorKind, Result, SendError};
pub use gssapi::{GssapiName, gssapi_is_available};
pub use message::{Frames, IntoFrames, Message};
pub use metadata::Metadata;
pub use monitor::{Event, EventKind, Monitor, MonitorHandle};
pub use options::{AddressFilter, ContextOptions, FileMode, OptionInfo, OptionValue, Options, RawError, option_table};
#[doc(hidden)]
pub use part::Part;
pub use poll::{Interest, Poller, Ready};
pub use proxy::{Proxy, ProxyStatistics, proxy};
pub use shared_key::SharedKey;
pub use socket::{Builder, Peer, PeerId, RecvFuture, RecvIntoFuture, SendFuture, Socket, Wait, kind};
#[cfg(feature = "stream")]
pub use socket::{RecvStream, SendSink};
pub use unsent::{NotSent, Unsent};
#[doc(hidden)]
pub use zmtp::giving_back::give_back;
pub use zmtp::{CurveKey, CurveSecret, Frame, Memory, Password, Place, SocketType, UnknownSocketType, z85};

macro_rules! socket_names {
    ($($(#[doc = $doc:literal])* $name:ident = $kind:ident;)*) => {
        $($(#[doc = $doc])* pub type $name = Socket<kind::$kind>;)*
    };
}

socket_names! {
    /// A socket of any type, decided at run time: for brokers and tools.
    ///
    /// ```
    /// # use zefiro::{AnySocket, SocketType};
    /// let (one, other) = (AnySocket::open(SocketType::Push), AnySocket::open(SocketType::Pull));
    /// one.connect(other.bind("inproc://any")?)?;
    /// one.send("hello")?;
    /// assert_eq!(other.recv()?, "hello");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    AnySocket = Any;
    /// One peer, both ways.
    ///
    /// ```
    /// # use zefiro::{Pair};
    /// let (one, other) = (Pair::new(), Pair::new());
    /// one.connect(other.bind("inproc://pair")?)?;
    /// one.send("ping")?;
    /// assert_eq!(other.recv()?, "ping");
    /// other.send("pong")?;
    /// assert_eq!(one.recv()?, "pong");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Pair = Pair;
    /// Publishes: each message goes to all who subscribed to its beginning; those too slow miss it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pub, Sub};
    /// let (publisher, subscriber) = (Pub::new(), Sub::new());
    /// subscriber.connect(publisher.bind("inproc://pub")?)?;
    /// subscriber.subscribe("weather.")?;
    /// publisher.wait_subscribed("weather.", 1, Duration::from_secs(10))?;
    /// publisher.send("weather.milan 21 °C")?;
    /// assert_eq!(subscriber.recv()?, "weather.milan 21 °C");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Pub = Pub;
    /// Subscribes to what publishers send.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pub, Sub};
    /// # let publisher = Pub::new();
    /// let subscriber = Sub::new();
    /// subscriber.connect(publisher.bind("inproc://sub")?)?;
    /// subscriber.subscribe("")?; // Everything.
    /// # publisher.wait_subscribed("", 1, Duration::from_secs(10))?;
    /// publisher.send("hear, hear")?;
    /// assert_eq!(subscriber.recv()?, "hear, hear");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Sub = Sub;
    /// Sends a request and receives its reply, in turn; several servers take turns.
    ///
    /// ```
    /// # use zefiro::{Rep, Req};
    /// let (one, other) = (Req::new(), Rep::new());
    /// one.connect(other.bind("inproc://req")?)?;
    /// one.send("question")?;
    /// assert_eq!(other.recv()?, "question");
    /// other.send("answer")?;
    /// assert_eq!(one.recv()?, "answer");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Req = Req;
    /// Receives a request and sends its reply, in turn.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Rep};
    /// // A reply needs a request.
    /// assert_eq!(Rep::new().send("answer").unwrap_err().kind(), ErrorKind::State);
    /// ```
    Rep = Rep;
    /// Sends to its peers in turn and receives from all: a REQ without the strict turns.
    ///
    /// ```
    /// # use zefiro::{Dealer, Rep};
    /// let (one, other) = (Dealer::new(), Rep::new());
    /// one.connect(other.bind("inproc://dealer")?)?;
    /// one.send(["", "question"])?; // The empty part that a REQ would have put there.
    /// other.recv()?;
    /// other.send("answer")?;
    /// assert_eq!(one.recv()?, ["", "answer"]);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Dealer = Dealer;
    /// Receives from all peers with their routing id as first frame, and sends to the one named by the first frame.
    ///
    /// ```
    /// # use zefiro::{Req, Router};
    /// let (one, other) = (Req::new(), Router::new());
    /// one.connect(other.bind("inproc://router")?)?;
    /// one.send("question")?;
    /// let mut message = other.recv()?;
    /// let peer = message.pop_front().expect("a routing id comes first");
    /// assert_eq!(message, ["", "question"]);
    /// other.send([peer, "".into(), "answer".into()])?;
    /// assert_eq!(one.recv()?, "answer");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Router = Router;
    /// Receives what PUSH sockets send, from each in turn.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// let (one, other) = (Push::new(), Pull::new());
    /// one.connect(other.bind("inproc://pull")?)?;
    /// one.send("a task")?;
    /// assert_eq!(other.recv()?, "a task");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Pull = Pull;
    /// Sends to its peers in turn: pipelines.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// let (push, workers) = (Push::new(), [Pull::new(), Pull::new()]);
    /// push.connect(workers[0].bind("inproc://push-0")?)?;
    /// push.connect(workers[1].bind("inproc://push-1")?)?;
    /// push.send("a task")?;
    /// push.send("another")?;
    /// assert!(workers.iter().all(|worker| worker.recv().is_ok()));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Push = Push;
    /// A [`Pub`] that receives the subscriptions as messages: for proxies.
    ///
    /// ```
    /// # use zefiro::{Sub, XPub};
    /// let (one, other) = (Sub::new(), XPub::new());
    /// one.connect(other.bind("inproc://xpub")?)?;
    /// one.subscribe("weather.")?;
    /// assert_eq!(other.recv()?, b"\x01weather.");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    XPub = XPub;
    /// A [`Sub`] that sends its subscriptions as messages: for proxies.
    ///
    /// ```
    /// # use zefiro::{XPub, XSub};
    /// let (one, other) = (XSub::new(), XPub::new());
    /// one.connect(other.bind("inproc://xsub")?)?;
    /// one.send(b"\x01weather.")?;
    /// assert_eq!(other.recv()?, b"\x01weather.");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    XSub = XSub;
    /// Plain TCP peers: each message is a routing id and a piece of data.
    ///
    /// ```
    /// # use std::io::Read;
    /// # use zefiro::{Endpoint, Stream};
    /// let stream = Stream::new();
    /// let Endpoint::Tcp(address) = stream.bind("tcp://127.0.0.1:*")? else { unreachable!() };
    /// let mut client = std::net::TcpStream::connect((address.host(), address.port()))?;
    /// let mut greeting = stream.recv()?; // The client is there: its routing id, and no data yet.
    /// let peer = greeting.pop_front().expect("a routing id comes first");
    /// stream.send([peer, "hello".into()])?;
    /// let mut bytes = [0; 5];
    /// client.read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Stream = Stream;
    /// Answers its clients by their [numbers](Message::peer_number); messages have a single part. A young type, which few
    /// other implementations have, as are those below.
    ///
    /// ```
    /// # use zefiro::{Client, Message, Server};
    /// let (client, server) = (Client::new(), Server::new());
    /// client.connect(server.bind("inproc://server")?)?;
    /// client.send("question")?;
    /// let number = server.recv()?.peer_number().expect("a server's message has one");
    /// server.send(Message::for_peer(number, "answer"))?;
    /// assert_eq!(client.recv()?, "answer");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Server = Server;
    /// Talks to servers, in turn; messages have a single part.
    ///
    /// ```
    /// # use zefiro::{Client, ErrorKind};
    /// let error = Client::new().try_send(["two", "parts"]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    /// ```
    Client = Client;
    /// Sends each message to those who joined its [group](Message::for_group), exactly.
    ///
    /// ```
    /// # use zefiro::{Dish, Message, Radio};
    /// let (radio, dish) = (Radio::new(), Dish::new());
    /// dish.join("news")?;
    /// radio.connect(dish.bind("inproc://radio")?)?;
    /// radio.send(Message::for_group("news", "hear, hear"))?;
    /// assert_eq!(dish.recv()?, ["news", "hear, hear"]);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Radio = Radio;
    /// Receives the messages of the groups it joins.
    ///
    /// ```
    /// # use zefiro::{Dish, ErrorKind};
    /// let dish = Dish::new();
    /// dish.join("news")?;
    /// assert_eq!(dish.try_recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Dish = Dish;
    /// A [`Pull`] of single parts, from [`Scatter`].
    ///
    /// ```
    /// # use zefiro::{Gather, Scatter};
    /// let (one, other) = (Scatter::new(), Gather::new());
    /// one.connect(other.bind("inproc://gather")?)?;
    /// one.send("a task")?;
    /// assert_eq!(other.recv()?, "a task");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Gather = Gather;
    /// A [`Push`] of single parts, to [`Gather`].
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Scatter};
    /// let error = Scatter::new().try_send(["two", "parts"]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    /// ```
    Scatter = Scatter;
    /// A [`Server`] and [`Client`] in one: connects to its like and has a number for each.
    ///
    /// ```
    /// # use zefiro::{Message, PeerSocket};
    /// let (one, other) = (PeerSocket::new(), PeerSocket::new());
    /// let number = one.connect_peer(other.bind("inproc://peer-socket")?)?;
    /// one.send(Message::for_peer(number, "hello"))?;
    /// assert_eq!(other.recv()?.last().as_str(), Ok("hello"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    PeerSocket = Peer;
    /// Datagrams over udp: each message is an address, as `127.0.0.1:5555`, and a body.
    ///
    /// ```
    /// # use zefiro::Dgram;
    /// # let (one, other) = (Dgram::new(), Dgram::new());
    /// let address = other.bind("udp://127.0.0.1:*")?.to_string();
    /// one.bind("udp://127.0.0.1:*")?;
    /// one.send([address.trim_start_matches("udp://"), "hello"])?;
    /// assert_eq!(other.recv()?.last().as_str(), Ok("hello"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Dgram = Dgram;
    /// A [`Pair`] of single parts.
    ///
    /// ```
    /// # use zefiro::{Channel};
    /// let (one, other) = (Channel::new(), Channel::new());
    /// one.connect(other.bind("inproc://channel")?)?;
    /// one.send("ping")?;
    /// assert_eq!(other.recv()?, "ping");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    Channel = Channel;
}
