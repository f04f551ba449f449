//! Options: one table, from which the fields, the builder's methods, the names on the command line, the C API's numbers
//! and the documentation are made.
//!
//! Values act as the ZeroMQ manual says (`zmq_setsockopt(3)`); where the types differ from C they say more: a time without
//! end is `None`, not -1.
//!
//! - `define`: what is made from a table; `value`: values as text; `given`: what the builder takes for them; `raw` and
//!   `codec`: options by number, values as C's bytes; `filter`: address ranges; `mode`: permissions of a file; `context`: the
//!   context's table; `recommended`: what sockets begin with in Rust; `security`: the mechanism they ask for.

mod codec;
mod context;
mod define;
mod filter;
mod given;
mod mode;
mod raw;
mod recommended;
mod security;
mod value;

use std::time::Duration;

use zmtp::{CurveKey, CurveSecret, Frame, Password, SocketType};

use self::codec::*;
pub use self::context::ContextOptions;
pub use self::define::OptionInfo;
use self::define::{define_builder_methods, define_options};
pub use self::filter::AddressFilter;
pub use self::given::OptionValue;
pub use self::mode::FileMode;
#[doc(hidden)]
pub use self::raw::RawError;
pub(crate) use self::security::Security;
use self::security::{Chosen, Key, NameType};
use crate::error::{Error, ErrorKind, Result};
use crate::gssapi::GssapiName;
use crate::shared_key::SharedKey;
use crate::socket::Builder;

macro_rules! option_table {
    ($($rows:tt)*) => {
        define_options! {
            /// The options of a socket, a field each.
            ///
            /// Given to a socket by its [builder](crate::Builder), read by [`Socket::options`](crate::Socket::options)
            /// and changed later by [`Socket::set_options`](crate::Socket::set_options). *Later* means that a change
            /// concerns binds and connects that come after it; *at once*, existing connections too; *never so far*,
            /// that the engine does not know the option yet, and only keeps it.
            Options { chosen: Option<Chosen> };
            $($rows)*
        }

        define_builder_methods! { $($rows)* }
    };
}

option_table! {
    "I/O threads that new connections may use: bit 0 is the first, no bit means any. The least loaded is taken."
        "ZMQ_AFFINITY" 4 affinity: u64 = 0; "bit mask", "any", "later";
        rw Wide;
    "The name under which a ROUTER peer addresses this socket; empty for none."
        "ZMQ_ROUTING_ID" 5 routing_id: Frame = Frame::new(); "bytes", "0 to 255 bytes", "later";
        rw Id, check |id| id.len() <= 255;
    "Messages queued for sending to each peer before sending blocks or drops, beside what is just being written: one \
        message, or up to 128 KiB; 0 for no limit."
        "ZMQ_SNDHWM" 23 send_high_water_mark: usize = 1000; "messages", "0 and up", "at once";
        rw Natural;
    "Messages queued for receiving from each peer before reading stops, beside one that a poll found, and what the last read brought with it, of up to 64 KiB; 0 for no limit."
        "ZMQ_RCVHWM" 24 recv_high_water_mark: usize = 1000; "messages", "0 and up", "at once";
        rw Natural;
    "Bytes queued for sending to each peer before sending blocks or drops, beside the limit of messages; 0 for none."
        "ZEFIRO_SND_HIGH_WATER_BYTES" 0 send_high_water_bytes: usize = 0; "bytes", "0 and up", "at once";
        none Own;
    "How long unsent messages survive disconnect and close; `None`: until they are sent."
        "ZMQ_LINGER" 17 linger: Option<Duration> = None; "time", "0 and up, or never", "at once";
        rw Wait;
    "The wait before an attempt to connect again, and up to as much again by chance; `None` or zero: no further attempt."
        "ZMQ_RECONNECT_IVL" 18 reconnect_interval: Option<Duration> = Some(Duration::from_millis(100));
        "time", "0 and up, or never", "later";
        rw Wait;
    "If set, the wait doubles with each failed attempt up to this, and is not random."
        "ZMQ_RECONNECT_IVL_MAX" 21 reconnect_interval_max: Option<Duration> = None; "time", "0 and up, or never", "later";
        rw Limit;
    "Connections the system holds for a listener that has not accepted them yet; by default as many as it allows."
        "ZMQ_BACKLOG" 19 backlog: u32 = crate::transport::BACKLOG_DEFAULT; "connections", "0 and up", "later";
        rw Natural;
    "The largest frame to accept; a peer that sends a larger one is disconnected. `None`: no limit."
        "ZMQ_MAXMSGSIZE" 22 max_frame_size: Option<u64> = None; "bytes", "0 and up, or never", "later";
        rw WideLimit;
    "The largest message to accept, all frames together; a peer that sends a larger one is disconnected."
        "ZEFIRO_MESSAGE_BYTES_MAX" 0 message_bytes_max: Option<u64> = None;
        "bytes", "0 and up, or never", "later";
        none Own;
    "The most frames of one message to accept; a peer that sends more is disconnected."
        "ZEFIRO_MESSAGE_FRAMES_MAX" 0 message_frames_max: Option<usize> = None; "frames", "1 and up, or never", "later";
        none Own, check |frames| *frames != Some(0);
    "The largest command of a handshake to accept; a peer that sends a larger one is disconnected."
        "ZEFIRO_HANDSHAKE_BYTES_MAX" 0 handshake_bytes_max: Option<usize> = None;
        "bytes", "512 and up, or never", "later";
        none Own, check |bytes| bytes.is_none_or(|bytes| bytes >= 512);
    "The most handshakes going on at once on one bound address; one more ends the oldest from the address (of IPv6: the /64 network) that has most."
        "ZEFIRO_HANDSHAKES_MAX" 0 handshakes_max: Option<usize> = None; "handshakes", "1 and up, or never", "later";
        none Own, check |number| *number != Some(0);
    "The most connections from one IP address (of IPv6: one /64 network) to one bound address; more are closed at once. One that has ended counts until its messages are read."
        "ZEFIRO_ADDRESS_CONNECTIONS_MAX" 0 address_connections_max: Option<usize> = None;
        "connections", "1 and up, or never", "later; tcp";
        none Own, check |number| *number != Some(0);
    "PUB, XPUB, RADIO: the most topics or groups one peer may subscribe to; one that wants more is disconnected."
        "ZEFIRO_PEER_SUBSCRIPTIONS_MAX" 0 peer_subscriptions_max: Option<usize> = None;
        "subscriptions", "1 and up, or never", "at once";
        none Own, for DISTRIBUTORS, check |number| *number != Some(0);
    "PUB, XPUB, RADIO: the most bytes of a peer's topics or groups, and of its unread requests; one beyond is disconnected."
        "ZEFIRO_PEER_SUBSCRIPTION_BYTES_MAX" 0 peer_subscription_bytes_max: Option<usize> = None;
        "bytes", "1 and up, or never", "at once";
        none Own, for DISTRIBUTORS, check |number| *number != Some(0);
    "Whether endpoints mean what they say: a port must be 1 to 65535, or what stands for any, an IPv6 address given by number is one whatever `ipv6` says, and an ipc path is bound only if no other file is there and nobody listens. Else as libzmq does: `12x` is 12, 65537 is 1, `[::1]` needs `ipv6`, what is at the path is replaced, and a path of more than 107 bytes is refused."
        "ZEFIRO_STRICT_ENDPOINTS" 0 strict_endpoints: bool = false; "flag", "0, 1", "later bind/connect";
        none Own;
    "How long a blocking receive waits; `None`: for ever."
        "ZMQ_RCVTIMEO" 27 recv_timeout: Option<Duration> = None; "time", "0 and up, or never", "at once";
        rw Wait;
    "How long a blocking send waits; `None`: for ever."
        "ZMQ_SNDTIMEO" 28 send_timeout: Option<Duration> = None; "time", "0 and up, or never", "at once";
        rw Wait;
    "The kernel's send buffer; `None`: the system's default."
        "ZMQ_SNDBUF" 11 send_buffer: Option<usize> = None; "bytes", "0 and up, or never", "later";
        rw NaturalOrNone;
    "The kernel's receive buffer; `None`: the system's default."
        "ZMQ_RCVBUF" 12 recv_buffer: Option<usize> = None; "bytes", "0 and up, or never", "later";
        rw NaturalOrNone;
    "Look names up to, and bind `*` and interfaces to, IPv6 addresses; what is bound to `*` or `[::]` takes IPv4 peers, too. Off, `*` is IPv4 alone."
        "ZMQ_IPV6" 42 ipv6: bool = false; "flag", "0, 1", "later";
        rw Flag;
    "Queue messages only for peers that are connected, not for those still being connected to."
        "ZMQ_IMMEDIATE" 39 immediate: bool = false; "flag", "0, 1", "later";
        rw Flag;
    "The longest a handshake may take; `None` or zero: as long as it likes."
        "ZMQ_HANDSHAKE_IVL" 66 handshake_interval: Option<Duration> = Some(Duration::from_secs(30));
        "time", "0 and up, or never", "later";
        rw Limit;
    "The longest an attempt to connect may take; `None` or zero: as the system sees fit."
        "ZMQ_CONNECT_TIMEOUT" 79 connect_timeout: Option<Duration> = None; "time", "0 and up, or never", "later";
        rw Limit;
    "Ping each peer this often; `None`: do not. Peers' pings are answered all the same."
        "ZMQ_HEARTBEAT_IVL" 75 heartbeat_interval: Option<Duration> = None; "time", "0 and up, or never", "later";
        rw Limit;
    "Give a peer up this long after a ping without a sign of life; `None`: as long as the interval; zero: never."
        "ZMQ_HEARTBEAT_TIMEOUT" 77 heartbeat_timeout: Option<Duration> = None; "time", "0 and up, or never", "later";
        rw Silence;
    "Notice within about so long that a peer's system is gone or cannot be reached; one that is only slow to read is kept. Where `heartbeat_interval` is set, that counts instead."
        "ZEFIRO_LIVENESS" 0 liveness: Option<Duration> = None; "time", "1 s and up, or never", "later; on Linux";
        none Own, check |time| time.is_none_or(|time| time >= Duration::from_secs(1));
    "Ask peers to give this side up after so long a silence; zero: do not ask."
        "ZMQ_HEARTBEAT_TTL" 76 heartbeat_ttl: Duration = Duration::ZERO; "time, in steps of 100 ms", "0 to 6553.5 s", "later";
        rw Ttl, check |ttl| *ttl <= Duration::from_millis(6_553_599);
    "The system's TCP keep-alive: on, off, or `None` for its default. The three below need it set."
        "ZMQ_TCP_KEEPALIVE" 34 tcp_keepalive: Option<bool> = None; "flag", "0, 1, or never", "later";
        rw FlagOrNone;
    "Keep-alive probes before a connection is given up."
        "ZMQ_TCP_KEEPALIVE_CNT" 35 tcp_keepalive_count: Option<u32> = None; "probes", "1 and up, or never", "later";
        rw NaturalOrNone, check |number| *number != Some(0);
    "Silence before the first keep-alive probe."
        "ZMQ_TCP_KEEPALIVE_IDLE" 36 tcp_keepalive_idle: Option<u32> = None; "seconds", "1 and up, or never", "later";
        rw NaturalOrNone, check |number| *number != Some(0);
    "Time between keep-alive probes."
        "ZMQ_TCP_KEEPALIVE_INTVL" 37 tcp_keepalive_interval: Option<u32> = None; "seconds", "1 and up, or never", "later";
        rw NaturalOrNone, check |number| *number != Some(0);
    "How long sent data may stay unacknowledged before the system gives the connection up."
        "ZMQ_TCP_MAXRT" 80 tcp_max_retransmit: Option<Duration> = None; "time", "0 and up, or never", "later";
        rw Limit;
    "Addresses allowed to connect over tcp; empty: all."
        "ZMQ_TCP_ACCEPT_FILTER" 38 tcp_accept_filters: Vec<AddressFilter> = Vec::new(); "address/bits", "a list", "later";
        w Filters;
    "Users whose processes may connect over ipc; all filters empty: everybody."
        "ZMQ_IPC_FILTER_UID" 59 ipc_filter_uids: Vec<u32> = Vec::new(); "user ids", "a list", "later";
        w Ids;
    "Groups whose processes, by their first group or another, may connect over ipc."
        "ZMQ_IPC_FILTER_GID" 60 ipc_filter_gids: Vec<u32> = Vec::new(); "group ids", "a list", "later";
        w Ids;
    "Processes that may connect over ipc."
        "ZMQ_IPC_FILTER_PID" 58 ipc_filter_pids: Vec<u32> = Vec::new(); "process ids", "a list", "later";
        w Ids;
    "The permissions of the file that a bind makes at an ipc path, who may connect: those who may write to it. `None`: as the process's umask says. Set before anybody can connect."
        "ZEFIRO_IPC_MODE" 0 ipc_mode: Option<FileMode> = None; "permissions, octal", "0 to 777, or never", "later bind";
        none Own, check |mode| mode.is_none_or(FileMode::is_permissions);
    "The user to whom the file at an ipc path is given; it takes a privilege. `None`: who binds."
        "ZEFIRO_IPC_OWNER" 0 ipc_owner: Option<u32> = None; "user id", "any, or never", "later bind";
        none Own;
    "The group to which the file at an ipc path is given: one of the process's, or it takes a privilege. It may connect if the mode lets it. `None`: the system's choice."
        "ZEFIRO_IPC_GROUP" 0 ipc_group: Option<u32> = None; "group id", "any, or never", "later bind";
        none Own;
    "The IP type of service of tcp connections; 0: the system's default."
        "ZMQ_TOS" 57 type_of_service: u32 = 0; "octet", "0 to 255", "later";
        rw Natural, check |tos| *tos <= 255;
    "The network device tcp connections are tied to; empty: none."
        "ZMQ_BINDTODEVICE" 92 bind_to_device: Frame = Frame::new(); "name", "up to 16 bytes", "later";
        rw Device, check |name| name.len() <= 16;
    "The SOCKS5 proxy through which to connect over tcp; it looks names up. A source address may precede it, as `source;`. Empty: none."
        "ZMQ_SOCKS_PROXY" 68 socks_proxy: Frame = Frame::new(); "host:port", "host:port, or empty", "later";
        rw Proxy, check |proxy| proxy.is_empty() || proxy.as_str().is_ok_and(is_host_and_port);
    "The user for the SOCKS5 proxy; empty: none is shown."
        "ZMQ_SOCKS_USERNAME" 99 socks_username: Frame = Frame::new(); "text", "up to 255 bytes", "later";
        rw Credential, check |name| name.len() <= 255;
    "The password for the SOCKS5 proxy."
        "ZMQ_SOCKS_PASSWORD" 100 socks_password: Password = Password::new(); "text", "up to 255 bytes", "later";
        rw SecretCredential, check |password| password.len() <= 255;
    "The kernel's priority of packets of tcp connections; 0: the system's default. Above 6 it takes a privilege."
        "ZMQ_PRIORITY" 112 priority: u32 = 0; "priority", "0 and up", "later";
        rw Natural;
    "How long the kernel polls the device of a tcp connection that is read, if it allows it; 0: not at all."
        "ZMQ_BUSY_POLL" 113 busy_poll: u32 = 0; "microseconds", "0 and up", "later";
        w Loose;
    "When not to connect again: 1 refused (tcp), 2 handshake failed, 4 refused after a disconnect (ipc), added up."
        "ZMQ_RECONNECT_STOP" 109 reconnect_stop: u32 = 0; "flags", "any", "later";
        rw Bits;
    "Keep only the newest message in each queue; for single-part messages on PUSH, PULL, PUB, SUB and DEALER."
        "ZMQ_CONFLATE" 54 conflate: bool = false; "flag", "0, 1", "later";
        rw Flag, for SINGLES;
    "Send an empty message on every new connection, so that a ROUTER peer knows of it."
        "ZMQ_PROBE_ROUTER" 51 probe_router: bool = false; "flag", "0, 1", "at once";
        w Truth, on ASKERS;
    "ROUTER: refuse messages for unknown or full peers instead of dropping them."
        "ZMQ_ROUTER_MANDATORY" 33 router_mandatory: bool = false; "flag", "0, 1", "at once";
        w Truth, on ROUTERS;
    "ROUTER: a new peer takes over a routing id in use, instead of being ignored."
        "ZMQ_ROUTER_HANDOVER" 56 router_handover: bool = false; "flag", "0, 1", "at once";
        w Truth, on ROUTERS;
    "ROUTER: hang up on a new peer whose routing id is in use, so that both ends know, and it may come again; else its connection stays and is ignored, as in libzmq. Not with `router_handover`."
        "ZEFIRO_ROUTER_REFUSE_DUPLICATES" 0 router_refuse_duplicates: bool = false; "flag", "0, 1", "at once";
        none Own, for NAMERS;
    "ROUTER: talk plain bytes as STREAM does, and tell as STREAM does that a peer came or went."
        "ZMQ_ROUTER_RAW" 41 router_raw: bool = false; "flag", "0, 1", "later";
        w Truth, on ROUTERS;
    "ROUTER: an empty message tells that a peer came (1), went (2), or both (3); over tcp and ipc."
        "ZMQ_ROUTER_NOTIFY" 97 router_notify: u32 = 0; "flags", "0 to 3", "at once";
        rw TwoBits, on ROUTERS, check |flags| *flags <= 3;
    "ROUTER, STREAM: the routing id of the peer of the next connect, usable at once; then cleared. One that a peer has fails the connect."
        "ZMQ_CONNECT_ROUTING_ID" 61 connect_routing_id: Option<Frame> = None; "bytes", "1 to 255 bytes", "the next connect";
        w NextId, on ADDRESSERS, check |id| id.as_ref().is_none_or(|id| (1..=255).contains(&id.len()));
    "REQ: number requests, and take only the reply with the same number."
        "ZMQ_REQ_CORRELATE" 52 req_correlate: bool = false; "flag", "0, 1", "at once";
        w Truth, on REQUESTERS;
    "REQ: a new request may be sent before the reply to the last one has come."
        "ZMQ_REQ_RELAXED" 53 req_relaxed: bool = false; "flag", "0, 1", "at once";
        w Truth, on REQUESTERS;
    "XPUB: pass every subscription to the program, repeated ones too, but only the last end of one. An XSUB counts what it is told: a program that passes all of it on to one, as libzmq's proxy does, leaves topics upstream that nobody wants any more. `zefiro::proxy` passes on the end after which nobody does."
        "ZMQ_XPUB_VERBOSE" 40 xpub_verbose: bool = false; "flag", "0, 1", "at once";
        w Truth, on PUBLISHERS;
    "XPUB: pass every subscription and every end of one to the program. An XSUB passes on each subscription and only the last end: above two or more levels of these libzmq's proxies leave topics upstream, too, as with `xpub_verbose`; `zefiro::proxy` does not."
        "ZMQ_XPUB_VERBOSER" 78 xpub_verboser: bool = false; "flag", "0, 1", "at once";
        w Truth, on PUBLISHERS;
    "XPUB: the program itself says which subscriptions requests lead to."
        "ZMQ_XPUB_MANUAL" 71 xpub_manual: bool = false; "flag", "0, 1", "at once";
        w Truth, on PUBLISHERS;
    "XPUB: beside `xpub_manual`: the next message after a request was read goes to the subscriber that made it alone."
        "ZMQ_XPUB_MANUAL_LAST_VALUE" 98 xpub_manual_last_value: bool = false; "flag", "0, 1", "at once";
        w Truth, on PUBLISHERS;
    "XPUB, PUB, RADIO: sending waits for full peers that want the message, instead of leaving them out."
        "ZMQ_XPUB_NODROP" 69 xpub_no_drop: bool = false; "flag", "0, 1", "at once";
        w Truth, on DISTRIBUTORS;
    "XPUB, PUB: a message every new subscriber is sent first; empty: none."
        "ZMQ_XPUB_WELCOME_MSG" 72 xpub_welcome_message: Frame = Frame::new(); "bytes", "any", "at once";
        w Blob, on PUBLISHERS;
    "PUB, XPUB: send to those who did not subscribe; SUB: receive what was not subscribed to."
        "ZMQ_INVERT_MATCHING" 74 invert_matching: bool = false; "flag", "0, 1", "at once";
        rw AnyTruth, for MATCHERS;
    "XPUB, XSUB: in a multipart message only the first part can be a subscription."
        "ZMQ_ONLY_FIRST_SUBSCRIBE" 108 only_first_subscribe: bool = false; "flag", "0, 1", "at once";
        w Truth, on FORWARDERS;
    "XSUB: pass on every end of a subscription, not only the last one's."
        "ZMQ_XSUB_VERBOSE_UNSUBSCRIBE" 115 xsub_verbose_unsubscribe: bool = false; "flag", "0, 1", "at once";
        w LooseTruth, on SUBSCRIBERS;
    "STREAM: an empty message tells that a peer came or went."
        "ZMQ_STREAM_NOTIFY" 73 stream_notify: bool = true; "flag", "0, 1", "later";
        w Flag, on STREAMS;
    "STREAM: the most bytes of one received piece."
        "ZMQ_IN_BATCH_SIZE" 101 in_batch_size: usize = 8192; "bytes", "1 and up", "later";
        rw Positive, check |bytes| *bytes > 0;
    "DEALER, ROUTER, REP, CLIENT, SERVER, PEER: a message every new peer is sent first, again after each reconnect."
        "ZMQ_HELLO_MSG" 110 hello_message: Option<Frame> = None; "bytes", "any, or never", "later";
        w BlobOrNone, for GREETERS;
    "ROUTER, REP, SERVER, PEER: a message the socket itself receives, as if from the peer, when one that came goes."
        "ZMQ_DISCONNECT_MSG" 111 disconnect_message: Option<Frame> = None; "bytes", "any, or never", "later";
        w BlobOrNone, for HOSTS;
    "DEALER, REQ, CLIENT, PEER: a message the socket itself receives, as if from the peer, when a connection it made is lost."
        "ZMQ_HICCUP_MSG" 114 hiccup_message: Option<Frame> = None; "bytes", "any, or never", "later";
        w BlobOrNone, for GUESTS;
    "Properties of the application to tell every peer; names start with `X-`."
        "ZMQ_METADATA" 95 metadata: Vec<(String, Vec<u8>)> = Vec::new(); "X-name:value", "a list", "later";
        w Property, check |list| list.iter().all(|(name, value)| is_property(name, value));

    "The user a PLAIN client shows; setting it makes the socket one."
        "ZMQ_PLAIN_USERNAME" 45 plain_username: Frame = Frame::new(); "text", "up to 255 bytes", "later bind/connect";
        rw Name, check |name| name.len() <= 255;
    "The password a PLAIN client shows."
        "ZMQ_PLAIN_PASSWORD" 46 plain_password: Password = Password::new(); "text", "up to 255 bytes", "later bind/connect";
        rw SecretName, check |password| password.len() <= 255;
    "Whether the socket asks its peers for a PLAIN user and password, and an authenticator (RFC 27) whether they are right."
        "ZMQ_PLAIN_SERVER" 44 plain_server: bool = false; "flag", "0, 1", "later bind/connect";
        rw Flag;
    "Whether the socket is a CURVE server: its peers must know its public key, and everything is encrypted."
        "ZMQ_CURVE_SERVER" 47 curve_server: bool = false; "flag", "0, 1", "later bind/connect";
        rw Flag;
    "The public key a CURVE client shows; by default that of its secret key."
        "ZMQ_CURVE_PUBLICKEY" 48 curve_public_key: Option<CurveKey> = None; "key", "Z85 text of 40 characters", "later bind/connect";
        rw Key;
    "The socket's own secret key, of a CURVE client or server; never printed."
        "ZMQ_CURVE_SECRETKEY" 49 curve_secret_key: Option<CurveSecret> = None; "key", "Z85 text of 40 characters", "later bind/connect";
        rw Key;
    "The public key of the CURVE server to connect to; setting it makes the socket a CURVE client."
        "ZMQ_CURVE_SERVERKEY" 50 curve_server_key: Option<CurveKey> = None; "key", "Z85 text of 40 characters", "later bind/connect";
        rw Key;
    "Whether the socket is a GSSAPI server, which asks its peers for a Kerberos ticket, or, `false`, a client, which shows one; `None`: neither, unless a principal is set."
        "ZMQ_GSSAPI_SERVER" 62 gssapi_server: Option<bool> = None; "flag", "0, 1, or never", "later bind/connect";
        rw OptionalFlag;
    "Whose GSSAPI credentials to use: of a server its own service, of a client itself; empty: any there are."
        "ZMQ_GSSAPI_PRINCIPAL" 63 gssapi_principal: Frame = Frame::new(); "text", "up to 255 bytes", "later bind/connect";
        rw Domain, check |name| name.len() <= 255;
    "The GSSAPI server to connect to; setting it makes the socket a GSSAPI client."
        "ZMQ_GSSAPI_SERVICE_PRINCIPAL" 64 gssapi_service_principal: Frame = Frame::new();
        "text", "up to 255 bytes", "later bind/connect";
        rw Domain, check |name| name.len() <= 255;
    "Whether GSSAPI leaves what follows the handshake in the clear; both sides have to say the same."
        "ZMQ_GSSAPI_PLAINTEXT" 65 gssapi_plaintext: bool = false; "flag", "0, 1", "later bind/connect";
        rw Flag;
    "What kind of name `gssapi_principal` is."
        "ZMQ_GSSAPI_PRINCIPAL_NAMETYPE" 90 gssapi_principal_nametype: GssapiName = GssapiName::HostBased;
        "kind", "0 host-based, 1 user, 2 Kerberos principal", "later bind/connect";
        rw NameType;
    "What kind of name `gssapi_service_principal` is."
        "ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE" 91 gssapi_service_principal_nametype: GssapiName = GssapiName::HostBased;
        "kind", "0 host-based, 1 user, 2 Kerberos principal", "later bind/connect";
        rw NameType;
    "The secret that all parties share: everything is encrypted, and nobody else gets in. It goes before all other security."
        "ZEFIRO_SHARED_KEY" 0 shared_key: Option<SharedKey> = None; "key", "Z85 text of 40 characters, or never", "later bind/connect";
        none Own;
    "The domain for which peers are authenticated (RFC 27). Not empty, it makes even NULL ask."
        "ZMQ_ZAP_DOMAIN" 55 zap_domain: Frame = Frame::new(); "text", "up to 255 bytes", "later bind/connect";
        rw Domain, check |domain| domain.len() <= 255;
    "Fail handshakes for which there is no authenticator or no domain."
        "ZMQ_ZAP_ENFORCE_DOMAIN" 93 zap_enforce_domain: bool = false; "flag", "0, 1", "later bind/connect";
        rw AnyTruth;
    "A descriptor that listens already, for a C program's next bind. In Rust: [`Socket::bind_fd`](crate::Socket::bind_fd)."
        "ZMQ_USE_FD" 89 use_fd: Option<i32> = None; "descriptor", "never", "the next bind";
        rw NaturalOrNone, check |fd| fd.is_none();
    "The send buffer of a connection in libzmq; Zefiro gathers what is queued."
        "ZMQ_OUT_BATCH_SIZE" 102 out_batch_size: usize = 8192; "bytes", "1 and up", "never so far";
        rw Positive, check |bytes| *bytes > 0;
    "The data rate of multicast."
        "ZMQ_RATE" 8 multicast_rate: u32 = 100; "kilobits per second", "1 and up", "never so far";
        rw Positive, check |rate| *rate > 0;
    "How far back lost multicast data can be recovered."
        "ZMQ_RECOVERY_IVL" 9 multicast_recovery_interval: Duration = Duration::from_secs(10);
        "time", "0 and up", "never so far";
        rw Span;
    "How many routers multicast data may pass."
        "ZMQ_MULTICAST_HOPS" 25 multicast_hops: u32 = 1; "hops", "1 and up", "later; udp";
        rw Positive, check |hops| *hops > 0;
    "The largest packet of multicast."
        "ZMQ_MULTICAST_MAXTPDU" 84 multicast_packet_bytes: u32 = 1500; "bytes", "1 and up", "never so far";
        rw Positive, check |bytes| *bytes > 0;
    "Whether this host receives its own multicast data."
        "ZMQ_MULTICAST_LOOP" 96 multicast_loop: bool = true; "flag", "0, 1", "later; udp";
        rw AnyTruth;
    "A short cut for tcp within one host; for Windows."
        "ZMQ_LOOPBACK_FASTPATH" 94 loopback_fastpath: bool = false; "flag", "0, 1", "never so far";
        rw AnyTruth;
}

/// The table of all socket options, for tools that list or explain them.
///
/// ```
/// for option in zefiro::option_table() {
///     println!("{}: {} ({}; {})", option.field, option.doc, option.range, (option.default)());
/// }
/// assert!(zefiro::option_table().iter().any(|option| option.field == "linger"));
/// ```
pub fn option_table() -> &'static [OptionInfo] {
    Options::table()
}

impl Options {
    /// The defaults of a socket type in a context, as libzmq has them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Options, SocketType};
    /// let options = Options::new(SocketType::Sub, &Default::default());
    /// assert_eq!(options.linger, Some(Duration::ZERO));
    /// ```
    pub fn new(socket_type: SocketType, context: &ContextOptions) -> Options {
        let mut options = Options { ipv6: context.ipv6, ..Options::default() };
        if matches!(socket_type, SocketType::Sub | SocketType::XSub | SocketType::Dish) || !context.blocky {
            options.linger = Some(Duration::ZERO);
        }
        options
    }
}

/// Whether it is the address of a proxy.
fn is_host_and_port(text: &str) -> bool {
    crate::endpoint::Endpoint::parse("connect", &format!("tcp://{text}"), false).is_ok()
}

/// Whether a property may be announced to peers.
fn is_property(name: &str, value: &[u8]) -> bool {
    name.starts_with("X-") && (3..=255).contains(&name.len()) && !value.is_empty()
}

const ASKERS: &[SocketType] = &[SocketType::Req, SocketType::Dealer, SocketType::Router, SocketType::Rep];
const ROUTERS: &[SocketType] = &[SocketType::Router, SocketType::Rep];
const ADDRESSERS: &[SocketType] = &[SocketType::Router, SocketType::Rep, SocketType::Stream];
const REQUESTERS: &[SocketType] = &[SocketType::Req];
const PUBLISHERS: &[SocketType] = &[SocketType::XPub, SocketType::Pub];
const DISTRIBUTORS: &[SocketType] = &[SocketType::XPub, SocketType::Pub, SocketType::Radio];
const SUBSCRIBERS: &[SocketType] = &[SocketType::XSub];
const FORWARDERS: &[SocketType] = &[SocketType::XPub, SocketType::Pub, SocketType::XSub];
pub(crate) const SINGLES: &[SocketType] =
    &[SocketType::Push, SocketType::Pull, SocketType::Pub, SocketType::Sub, SocketType::Dealer];
const STREAMS: &[SocketType] = &[SocketType::Stream];
const NAMERS: &[SocketType] = &[SocketType::Router];
const MATCHERS: &[SocketType] = &[SocketType::XPub, SocketType::Pub, SocketType::Sub];
pub(crate) const GREETERS: &[SocketType] = &[
    SocketType::Req,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Rep,
    SocketType::Client,
    SocketType::Server,
    SocketType::Peer,
];
pub(crate) const HOSTS: &[SocketType] = &[SocketType::Router, SocketType::Rep, SocketType::Server, SocketType::Peer];
pub(crate) const GUESTS: &[SocketType] = &[SocketType::Dealer, SocketType::Req, SocketType::Client, SocketType::Peer];

#[cfg(test)]
mod tests {
    use super::value::plain;
    use super::*;

    #[test]
    fn options_are_set_by_either_name() {
        let mut options = Options::default();
        options.set_text("sndhwm", "5").unwrap();
        options.set_text("recv-high-water-mark", "6").unwrap();
        options.set_text("ZMQ_LINGER", "2s").unwrap();
        options.set_text("reconnect_interval", "never").unwrap();
        assert_eq!((options.send_high_water_mark, options.recv_high_water_mark), (5, 6));
        assert_eq!((options.linger, options.reconnect_interval), (Some(Duration::from_secs(2)), None));
    }

    #[test]
    fn times_are_read_as_they_are_printed_to_the_nanosecond() {
        use super::value::TextValue;
        for (text, nanos, printed) in [
            ("99999999.123456789s", 99_999_999_123_456_789, "99999999123456.789us"),
            ("1.5", 1_500_000, "1500us"),
            ("0.0015ms", 1_500, "1.500us"),
            (".5m", 30_000_000_000, "30s"),
            ("7.us", 7_000, "7us"),
            ("0.00099us", 0, "0ms"),
        ] {
            let read = Duration::parse(text).unwrap();
            assert_eq!((read.as_nanos(), read.print().as_str()), (nanos, printed), "{text}");
            assert_eq!(Duration::parse(printed), Some(read));
        }
        assert_eq!(Duration::parse(&Duration::MAX.print()), Some(Duration::MAX));
        for text in ["", ".", "1.2.3", "s", "-1", "1e5", "99999999999999999999s", "1 hour"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_for_other_types_is_refused_by_name() {
        let error = crate::Push::builder().router_mandatory(true).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert!(error.to_string().contains("router_mandatory: it is for ROUTER, REP"), "{error}");
        crate::Push::builder().router_mandatory(false).build().unwrap();
        crate::Router::builder().router_mandatory(true).build().unwrap();
        let push = crate::Push::new();
        push.set_options(|options| options.xpub_verbose = true).unwrap_err();
        assert!(!push.options().xpub_verbose);
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name_and_changes_nothing() {
        let mut options = Options::default();
        let error = options.set_text("tos", "256").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert!(error.to_string().contains("0 to 255"), "{error}");
        assert_eq!(options.type_of_service, 0);
        assert!(options.set_text("no_such_thing", "1").is_err());
        assert!(options.set_text("linger", "soon").is_err());
        options.linger = Some(Duration::MAX);
        assert_eq!(options.validate().unwrap_err().kind(), ErrorKind::InvalidOption);
    }

    #[test]
    fn builders_take_values_and_none_alike() {
        let name = &"me".to_string();
        let builder = crate::Router::builder()
            .linger(Duration::ZERO)
            .send_timeout(None)
            .routing_id("me")
            .backlog(7)
            .send_high_water_mark(10_000)
            .message_frames_max(100)
            .max_frame_size(Some(1 << 20))
            .hello_message(b"welcome")
            .plain_username(name)
            .plain_password(b"secret")
            .ipc_filter_uids([0, 1000])
            .tcp_keepalive(true);
        let built = builder.options;
        assert_eq!((built.linger, built.send_timeout), (Some(Duration::ZERO), None));
        assert_eq!((&*built.routing_id, built.backlog, built.send_high_water_mark), (&b"me"[..], 7, 10_000));
        assert_eq!((built.message_frames_max, built.max_frame_size), (Some(100), Some(1 << 20)));
        assert_eq!((&*built.plain_username, built.plain_password), (&b"me"[..], Password::from("secret")));
        assert_eq!(built.ipc_filter_uids, [0, 1000]);
        assert_eq!((built.hello_message, built.tcp_keepalive), (Some(Frame::from("welcome")), Some(true)));
    }

    #[test]
    fn keys_are_given_as_text_and_secrets_never_shown() {
        let mut options = Options::default();
        options.set_text("curve_server_key", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7").unwrap();
        assert_eq!(options.security(), Security::CurveClient);
        let secret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        options.set_text("curve_secret_key", secret).unwrap();
        assert!(!format!("{options:?}").contains(secret));
        assert!(options.set_text("curve_secret_key", "short").is_err());
        for name in ["plain_password", "socks_password"] {
            options.set_text(name, "hunter2").unwrap();
            assert!(!options.text(name).unwrap().contains("hunter2"));
        }
        assert!(!format!("{options:?}").contains("hunter2"));
        options.set_text("curve_server", "1").unwrap();
        assert_eq!(options.security(), Security::CurveServer);
    }

    #[test]
    fn options_that_c_takes_anywhere_are_for_those_types_alone_that_heed_them() {
        for (name, value, on, off) in [
            ("conflate", "1", SocketType::Pull, SocketType::Pair),
            ("router_refuse_duplicates", "1", SocketType::Router, SocketType::Rep),
            ("invert_matching", "1", SocketType::Sub, SocketType::XSub),
            ("peer_subscriptions_max", "5", SocketType::Radio, SocketType::Sub),
            ("peer_subscription_bytes_max", "5", SocketType::Pub, SocketType::Push),
            ("hello_message", "hello", SocketType::Req, SocketType::Push),
            ("disconnect_message", "gone", SocketType::Rep, SocketType::Dealer),
            ("hiccup_message", "hiccup", SocketType::Dealer, SocketType::Router),
        ] {
            Options::recommended(off, &Default::default()).check_type(off).unwrap();
            let mut options = Options::default();
            options.set_text(name, value).unwrap();
            options.check_type(on).unwrap();
            let error = options.check_type(off).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(off.name()), "{error}");
        }
    }

    #[test]
    fn every_option_has_its_own_name_and_number() {
        let table = option_table();
        for (index, info) in table.iter().enumerate() {
            for other in &table[index + 1..] {
                assert_ne!(plain(info.c_name), plain(other.c_name));
                assert_ne!(plain(info.c_name), plain(other.field));
                assert_ne!(plain(info.field), plain(other.c_name));
                assert!(info.number == 0 || info.number != other.number, "{} and {}", info.c_name, other.c_name);
            }
        }
    }

    #[test]
    fn every_default_is_valid_and_reads_back_as_text() {
        let mut options = Options::default();
        options.validate().unwrap();
        ContextOptions::default().validate().unwrap();
        for info in option_table() {
            let text = (info.default)();
            assert_eq!(options.text(info.c_name).as_deref(), Some(text.as_str()), "{}", info.field);
            options.set_text(info.field, &text).unwrap();
            assert_eq!(options.text(info.field), Some(text));
        }
    }

    #[test]
    fn types_have_their_defaults() {
        let context = ContextOptions::default();
        assert_eq!(Options::new(SocketType::Push, &context).linger, None);
        assert_eq!(Options::new(SocketType::Sub, &context).linger, Some(Duration::ZERO));
        let context = ContextOptions { blocky: false, ipv6: true, ..context };
        let options = Options::new(SocketType::Push, &context);
        assert_eq!((options.linger, options.ipv6), (Some(Duration::ZERO), true));
    }
}
