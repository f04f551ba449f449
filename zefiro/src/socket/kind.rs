//! Kinds: what a socket type can do, known to the compiler.

use zmtp::SocketType;

/// A kind of socket.
///
/// ```
/// use zefiro::{Pub, Router, Socket, kind::Kind};
///
/// fn describe<K: Kind>(socket: &Socket<K>) -> String {
///     format!("{} with {} peers", socket.socket_type(), socket.peers().len())
/// }
/// assert_eq!(describe(&Pub::new()), "PUB with 0 peers");
/// assert_eq!(describe(&Router::new()), "ROUTER with 0 peers");
/// ```
pub trait Kind: sealed::Sealed + 'static {}

/// A kind whose pattern is known at compile time.
///
/// ```
/// use zefiro::{Result, Socket, SocketType, kind::{self, Typed}};
///
/// fn with_room<K: Typed>() -> Result<Socket<K>> {
///     Socket::<K>::builder().send_high_water_mark(100_000).build()
/// }
/// assert_eq!(with_room::<kind::Push>()?.socket_type(), SocketType::Push);
/// # Ok::<(), zefiro::Error>(())
/// ```
pub trait Typed: Kind {
    /// The pattern.
    const SOCKET_TYPE: SocketType;
}

/// A kind that sends.
///
/// ```
/// use zefiro::{Push, Socket, kind::Sends};
///
/// fn has_room<K: Sends>(socket: &Socket<K>) -> bool {
///     socket.try_send("are you there?").is_ok()
/// }
/// assert!(!has_room(&Push::new()));
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket cannot send", label = "this socket only receives")]
pub trait Sends: Kind {}

/// A kind that receives.
///
/// ```
/// use zefiro::{Pull, Socket, kind::Receives};
///
/// fn drain<K: Receives>(socket: &Socket<K>) -> usize {
///     std::iter::from_fn(|| socket.try_recv().ok()).count()
/// }
/// assert_eq!(drain(&Pull::new()), 0);
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket cannot receive", label = "this socket only sends")]
pub trait Receives: Kind {}

/// A kind with subscriptions of its own.
///
/// ```
/// use zefiro::{Result, Socket, Sub, XSub, kind::Subscribes};
///
/// fn subscribe_to_all<K: Subscribes>(socket: &Socket<K>, topics: &[&str]) -> Result<()> {
///     topics.iter().try_for_each(|topic| socket.subscribe(topic))
/// }
/// subscribe_to_all(&Sub::new(), &["weather.", "sports."])?;
/// subscribe_to_all(&XSub::new(), &["weather."])?;
/// # Ok::<(), zefiro::Error>(())
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket has no subscriptions")]
pub trait Subscribes: Kind {}

/// A kind that knows its peers' subscriptions.
///
/// ```
/// # use std::time::Duration;
/// use zefiro::{Pub, Socket, XPub, kind::Publishes};
///
/// fn has_listeners<K: Publishes>(socket: &Socket<K>) -> bool {
///     socket.wait_subscribed("", 1, Duration::ZERO).is_ok()
/// }
/// assert!(!has_listeners(&Pub::new()) && !has_listeners(&XPub::new()));
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket does not publish")]
pub trait Publishes: Kind {}

/// A kind that joins groups.
///
/// ```
/// use zefiro::{AnySocket, Dish, ErrorKind, SocketType};
///
/// Dish::new().join("news")?;
/// let error = AnySocket::open(SocketType::Sub).join("news").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket has no groups to join")]
pub trait Joins: Kind {}

/// A kind that numbers its peers.
///
/// ```
/// use zefiro::{PeerSocket, Server, Socket, kind::NumbersPeers};
///
/// fn hang_up<K: NumbersPeers>(socket: &Socket<K>, number: u32) -> bool {
///     socket.disconnect_number(number).is_ok()
/// }
/// assert!(!hang_up(&Server::new(), 1) && !hang_up(&PeerSocket::new(), 1));
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket does not number its peers")]
pub trait NumbersPeers: Kind {}

/// A kind that connects to peers it has a number for.
///
/// ```
/// use zefiro::{AnySocket, ErrorKind, SocketType};
///
/// let error = AnySocket::open(SocketType::Server).connect_peer("inproc://connects-peers").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// ```
#[diagnostic::on_unimplemented(message = "a `{Self}` socket has no numbers for those it connects to")]
pub trait ConnectsPeers: Kind {}

/// A socket of a type known only at run time; what it cannot do fails with
/// [`Unsupported`](crate::ErrorKind::Unsupported).
///
/// ```
/// use zefiro::{Push, Socket, kind::Any};
///
/// let socket: Socket<Any> = Push::new().into_any();
/// assert_eq!(socket.recv().unwrap_err().kind(), zefiro::ErrorKind::Unsupported);
/// ```
#[derive(Debug)]
pub struct Any(());

impl sealed::Sealed for Any {}
impl Kind for Any {}
impl Sends for Any {}
impl Receives for Any {}
impl Subscribes for Any {}
impl Publishes for Any {}
impl Joins for Any {}
impl NumbersPeers for Any {}
impl ConnectsPeers for Any {}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident: $($ability:ident)*;)*) => {
        $(
            $(#[doc = $doc])*
            ///
            /// ```
            /// # use zefiro::{Socket, SocketType, kind};
            #[doc = concat!("let socket: Socket<kind::", stringify!($kind), "> = Socket::new();")]
            #[doc = concat!("assert_eq!(socket.socket_type(), SocketType::", stringify!($kind), ");")]
            /// ```
            #[derive(Debug)]
            pub struct $kind(());

            impl sealed::Sealed for $kind {}
            impl Kind for $kind {}
            impl Typed for $kind {
                const SOCKET_TYPE: SocketType = SocketType::$kind;
            }
            $(impl $ability for $kind {})*
        )*
    };
}

kinds! {
    /// One peer, both ways.
    Pair: Sends Receives;
    /// Each message to all who subscribed.
    Pub: Sends Publishes;
    /// Messages of the topics subscribed to.
    Sub: Receives Subscribes;
    /// A request, then its reply.
    Req: Sends Receives;
    /// A request, then its reply, from the other side.
    Rep: Sends Receives;
    /// To the peers in turn, from the peers in turn.
    Dealer: Sends Receives;
    /// To the peer named by the first frame, from all with their name in front.
    Router: Sends Receives;
    /// Messages from the peers in turn.
    Pull: Receives;
    /// Messages to the peers in turn.
    Push: Sends;
    /// PUB that sees the subscriptions.
    XPub: Sends Receives Publishes Subscribes;
    /// SUB that sends its subscriptions as messages.
    XSub: Sends Receives Subscribes;
    /// Plain TCP.
    Stream: Sends Receives;
    /// Single parts, from clients by number and to them.
    Server: Sends Receives NumbersPeers;
    /// Single parts, to servers in turn and from them.
    Client: Sends Receives;
    /// Single parts, to all who joined their group.
    Radio: Sends Publishes;
    /// Single parts of the groups joined.
    Dish: Receives Joins;
    /// Single parts from the peers in turn.
    Gather: Receives;
    /// Single parts to the peers in turn.
    Scatter: Sends;
    /// Datagrams by address.
    Dgram: Sends Receives;
    /// Single parts, from and to equal peers by number.
    Peer: Sends Receives NumbersPeers ConnectsPeers;
    /// One peer, single parts both ways.
    Channel: Sends Receives;
}

mod sealed {
    pub trait Sealed {}
}
