//! Options: one table, from which the fields, the builder's methods, the names on the command line and the
//! documentation are made.
//!
//! Values act as `spec/socket-options.csv` of the ZeroMQ manual says (`zmq_setsockopt(3)`); where the types differ from
//! C they say more: a time without end is `None`, not -1.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use zmtp::{Frame, SocketType};

use crate::error::{Error, ErrorKind, Result};

/// A row of the option table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionInfo {
    /// The name in the C API.
    pub c_name: &'static str,
    /// The number in the C API; 0 for Zefiro's own.
    pub number: i32,
    /// The field of [`Options`] and the method of [`Configure`].
    pub field: &'static str,
    /// The unit of the value.
    pub unit: &'static str,
    /// The values allowed.
    pub range: &'static str,
    /// When a change takes effect.
    pub effect: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

macro_rules! option_table {
    ($($doc:literal $c_name:literal $number:literal $field:ident: $type:ty = $default:expr;
       $unit:literal, $range:literal, $effect:literal $(, check $check:expr)?;)*) => {
        /// The options of a socket, a field each.
        ///
        /// Given to a socket by its [builder](crate::Builder), read by [`Socket::options`](crate::Socket::options) and
        /// changed later by [`Socket::set_options`](crate::Socket::set_options). *Later* means that a change concerns
        /// binds and connects that come after it; *at once*, existing connections too.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Options {
            $(
                #[doc = $doc]
                #[doc = concat!("\n\n`", $c_name, "` · unit: ", $unit, " · default: `", stringify!($default),
                    "` · allowed: ", $range, " · takes effect: ", $effect, ".")]
                pub $field: $type,
            )*
        }

        impl Default for Options {
            fn default() -> Options {
                Options { $($field: $default,)* }
            }
        }

        impl Options {
            /// Checks every value's range.
            ///
            /// # Errors
            /// [`InvalidOption`](ErrorKind::InvalidOption), naming the option and what it allows.
            pub fn validate(&self) -> Result<()> {
                $($(
                    let check: fn(&$type) -> bool = $check;
                    if !check(&self.$field) {
                        return Err(invalid(stringify!($field), $range));
                    }
                )?)*
                Ok(())
            }

            /// Sets an option by its field's name or its C name, in any case and with or without `ZMQ_`, from text.
            /// Times are given as `250ms`, `2s`, `1m` or `never`; flags as `1`, `0`, `true`, `false`, `on`, `off`.
            ///
            /// # Errors
            /// [`InvalidOption`](ErrorKind::InvalidOption): there is no such option, or the text is no value for it.
            pub fn set_text(&mut self, name: &str, text: &str) -> Result<()> {
                let wanted = plain(name);
                $(
                    if wanted == plain(stringify!($field)) || wanted == plain($c_name) {
                        self.$field = <$type as TextValue>::parse(text).ok_or_else(|| invalid(name, $range))?;
                        return self.validate();
                    }
                )*
                Err(Error::with_text(ErrorKind::InvalidOption, "set option", name, "there is no such option"))
            }
        }

        /// Sets options in a row; every [builder](crate::Builder) can.
        pub trait Configure: Sized {
            /// The options being set.
            fn options_mut(&mut self) -> &mut Options;

            $(
                #[doc = $doc]
                #[doc = concat!("\n\nSee [`Options::", stringify!($field), "`].")]
                fn $field(mut self, value: impl Into<$type>) -> Self {
                    self.options_mut().$field = value.into();
                    self
                }
            )*
        }

        /// The table of all socket options.
        pub fn option_table() -> &'static [OptionInfo] {
            &[$(OptionInfo {
                c_name: $c_name,
                number: $number,
                field: stringify!($field),
                unit: $unit,
                range: $range,
                effect: $effect,
                doc: $doc,
            },)*]
        }
    };
}

option_table! {
    "I/O threads that new connections may use: bit 0 is the first, no bit means any. The least loaded is taken."
        "ZMQ_AFFINITY" 4 affinity: u64 = 0; "bit mask", "any", "later";
    "The name under which a ROUTER peer addresses this socket; empty for none."
        "ZMQ_ROUTING_ID" 5 routing_id: Frame = Frame::new(); "bytes", "0 to 255 bytes", "later",
        check |id| id.len() <= 255;
    "Messages queued for sending to each peer before sending blocks or drops; 0 for no limit."
        "ZMQ_SNDHWM" 23 send_high_water_mark: usize = 1000; "messages", "0 and up", "at once";
    "Messages queued for receiving from each peer before reading from it stops; 0 for no limit."
        "ZMQ_RCVHWM" 24 recv_high_water_mark: usize = 1000; "messages", "0 and up", "at once";
    "Bytes queued for sending to each peer before sending blocks or drops, beside the limit of messages; 0 for none."
        "ZEFIRO_SND_HIGH_WATER_BYTES" 0 send_high_water_bytes: usize = 0; "bytes", "0 and up", "at once";
    "How long unsent messages survive disconnect and close; `None`: until they are sent."
        "ZMQ_LINGER" 17 linger: Option<Duration> = None; "time", "0 and up, or never", "at once";
    "The wait before an attempt to connect again, and up to as much again by chance; `None`: no further attempt."
        "ZMQ_RECONNECT_IVL" 18 reconnect_interval: Option<Duration> = Some(Duration::from_millis(100));
        "time", "0 and up, or never", "later";
    "If set, the wait doubles with each failed attempt up to this, and is not random."
        "ZMQ_RECONNECT_IVL_MAX" 21 reconnect_interval_max: Option<Duration> = None; "time", "0 and up, or never", "later";
    "Connections the system holds for a listener that has not accepted them yet."
        "ZMQ_BACKLOG" 19 backlog: u32 = 100; "connections", "0 and up", "later";
    "The largest frame to accept; a peer that sends a larger one is disconnected. `None`: no limit."
        "ZMQ_MAXMSGSIZE" 22 max_frame_size: Option<u64> = None; "bytes", "0 and up, or never", "later";
    "The largest message to accept, all frames together; a peer that sends a larger one is disconnected."
        "ZEFIRO_MESSAGE_BYTES_MAX" 0 message_bytes_max: Option<u64> = Some(1 << 30);
        "bytes", "0 and up, or never", "later";
    "The most frames of one message to accept; a peer that sends more is disconnected."
        "ZEFIRO_MESSAGE_FRAMES_MAX" 0 message_frames_max: usize = 65_536; "frames", "1 and up", "later",
        check |frames| *frames > 0;
    "How long a blocking receive waits; `None`: for ever."
        "ZMQ_RCVTIMEO" 27 recv_timeout: Option<Duration> = None; "time", "0 and up, or never", "at once";
    "How long a blocking send waits; `None`: for ever."
        "ZMQ_SNDTIMEO" 28 send_timeout: Option<Duration> = None; "time", "0 and up, or never", "at once";
    "The kernel's send buffer; `None`: the system's default."
        "ZMQ_SNDBUF" 11 send_buffer: Option<usize> = None; "bytes", "0 and up, or never", "later";
    "The kernel's receive buffer; `None`: the system's default."
        "ZMQ_RCVBUF" 12 recv_buffer: Option<usize> = None; "bytes", "0 and up, or never", "later";
    "Resolve names to, and listen on, IPv6 addresses, with IPv4 mapped into them."
        "ZMQ_IPV6" 42 ipv6: bool = false; "flag", "0, 1", "later";
    "Queue messages only for peers that are connected, not for those still being connected to."
        "ZMQ_IMMEDIATE" 39 immediate: bool = false; "flag", "0, 1", "later";
    "The longest a handshake may take; `None` or zero: as long as it likes."
        "ZMQ_HANDSHAKE_IVL" 66 handshake_interval: Option<Duration> = Some(Duration::from_secs(30));
        "time", "0 and up, or never", "later";
    "The longest an attempt to connect may take; `None` or zero: as the system sees fit."
        "ZMQ_CONNECT_TIMEOUT" 79 connect_timeout: Option<Duration> = None; "time", "0 and up, or never", "later";
    "Ping each peer this often; `None`: do not. Peers' pings are answered all the same."
        "ZMQ_HEARTBEAT_IVL" 75 heartbeat_interval: Option<Duration> = None; "time", "0 and up, or never", "later";
    "Give a peer up this long after a ping without a sign of life; `None`: as long as the interval."
        "ZMQ_HEARTBEAT_TIMEOUT" 77 heartbeat_timeout: Option<Duration> = None; "time", "0 and up, or never", "later";
    "Ask peers to give this side up after so long a silence; zero: do not ask."
        "ZMQ_HEARTBEAT_TTL" 76 heartbeat_ttl: Duration = Duration::ZERO; "time, in steps of 100 ms", "0 to 6553.5 s", "later",
        check |ttl| *ttl <= Duration::from_millis(6_553_599);
    "The system's TCP keep-alive: on, off, or `None` for its default. The three below need it set."
        "ZMQ_TCP_KEEPALIVE" 34 tcp_keepalive: Option<bool> = None; "flag", "0, 1, or never", "later";
    "Keep-alive probes before a connection is given up."
        "ZMQ_TCP_KEEPALIVE_CNT" 35 tcp_keepalive_count: Option<u32> = None; "probes", "1 and up, or never", "later";
    "Silence before the first keep-alive probe."
        "ZMQ_TCP_KEEPALIVE_IDLE" 36 tcp_keepalive_idle: Option<u32> = None; "seconds", "1 and up, or never", "later";
    "Time between keep-alive probes."
        "ZMQ_TCP_KEEPALIVE_INTVL" 37 tcp_keepalive_interval: Option<u32> = None; "seconds", "1 and up, or never", "later";
    "How long sent data may stay unacknowledged before the system gives the connection up."
        "ZMQ_TCP_MAXRT" 80 tcp_max_retransmit: Option<Duration> = None; "time", "0 and up, or never", "later";
    "Addresses allowed to connect over tcp; empty: all."
        "ZMQ_TCP_ACCEPT_FILTER" 38 tcp_accept_filters: Vec<AddressFilter> = Vec::new(); "address/bits", "a list", "later";
    "Users whose processes may connect over ipc; all filters empty: everybody."
        "ZMQ_IPC_FILTER_UID" 59 ipc_filter_uids: Vec<u32> = Vec::new(); "user ids", "a list", "later";
    "Groups whose processes may connect over ipc."
        "ZMQ_IPC_FILTER_GID" 60 ipc_filter_gids: Vec<u32> = Vec::new(); "group ids", "a list", "later";
    "Processes that may connect over ipc."
        "ZMQ_IPC_FILTER_PID" 58 ipc_filter_pids: Vec<u32> = Vec::new(); "process ids", "a list", "later";
    "The IP type of service of tcp connections; 0: the system's default."
        "ZMQ_TOS" 57 type_of_service: u32 = 0; "octet", "0 to 255", "later", check |tos| *tos <= 255;
    "The network device tcp connections are tied to."
        "ZMQ_BINDTODEVICE" 92 bind_to_device: Option<String> = None; "name", "1 to 16 bytes, or never", "later",
        check |name| name.as_ref().is_none_or(|name| (1..=16).contains(&name.len()));
    "Keep only the newest message in each queue; for single-part messages on PUSH, PULL, PUB, SUB and DEALER."
        "ZMQ_CONFLATE" 54 conflate: bool = false; "flag", "0, 1", "later";
    "Send an empty message on every new connection, so that a ROUTER peer knows of it."
        "ZMQ_PROBE_ROUTER" 51 probe_router: bool = false; "flag", "0, 1", "at once";
    "ROUTER: refuse messages for unknown or full peers instead of dropping them."
        "ZMQ_ROUTER_MANDATORY" 33 router_mandatory: bool = false; "flag", "0, 1", "at once";
    "ROUTER: a new peer takes over a routing id in use, instead of being ignored."
        "ZMQ_ROUTER_HANDOVER" 56 router_handover: bool = false; "flag", "0, 1", "at once";
    "ROUTER: talk plain bytes as STREAM does."
        "ZMQ_ROUTER_RAW" 41 router_raw: bool = false; "flag", "0, 1", "later";
    "ROUTER, STREAM: the routing id of the peer of the next connect, usable at once; then cleared."
        "ZMQ_CONNECT_ROUTING_ID" 61 connect_routing_id: Option<Frame> = None; "bytes", "1 to 255 bytes", "the next connect",
        check |id| id.as_ref().is_none_or(|id| (1..=255).contains(&id.len()));
    "REQ: number requests, and take only the reply with the same number."
        "ZMQ_REQ_CORRELATE" 52 req_correlate: bool = false; "flag", "0, 1", "at once";
    "REQ: a new request may be sent before the reply to the last one has come."
        "ZMQ_REQ_RELAXED" 53 req_relaxed: bool = false; "flag", "0, 1", "at once";
    "XPUB: pass every subscription to the program, repeated ones too."
        "ZMQ_XPUB_VERBOSE" 40 xpub_verbose: bool = false; "flag", "0, 1", "at once";
    "XPUB: pass every subscription and every end of one to the program."
        "ZMQ_XPUB_VERBOSER" 78 xpub_verboser: bool = false; "flag", "0, 1", "at once";
    "XPUB: the program itself says which subscriptions requests lead to."
        "ZMQ_XPUB_MANUAL" 71 xpub_manual: bool = false; "flag", "0, 1", "at once";
    "XPUB, PUB: sending waits for full peers that want the message, instead of leaving them out."
        "ZMQ_XPUB_NODROP" 69 xpub_no_drop: bool = false; "flag", "0, 1", "at once";
    "XPUB, PUB: a message every new subscriber is sent first; empty: none."
        "ZMQ_XPUB_WELCOME_MSG" 72 xpub_welcome_message: Frame = Frame::new(); "bytes", "any", "at once";
    "PUB, XPUB: send to those who did not subscribe; SUB: receive what was not subscribed to."
        "ZMQ_INVERT_MATCHING" 74 invert_matching: bool = false; "flag", "0, 1", "at once";
    "XPUB, XSUB: in a multipart message only the first part can be a subscription."
        "ZMQ_ONLY_FIRST_SUBSCRIBE" 108 only_first_subscribe: bool = false; "flag", "0, 1", "at once";
    "XSUB: pass on every end of a subscription, not only the last one's."
        "ZMQ_XSUB_VERBOSE_UNSUBSCRIBE" 115 xsub_verbose_unsubscribe: bool = false; "flag", "0, 1", "at once";
    "STREAM: an empty message tells that a peer came or went."
        "ZMQ_STREAM_NOTIFY" 73 stream_notify: bool = true; "flag", "0, 1", "later";
    "STREAM: the most bytes of one received piece."
        "ZMQ_IN_BATCH_SIZE" 101 in_batch_size: usize = 8192; "bytes", "1 and up", "later", check |bytes| *bytes > 0;
    "Properties of the application to tell every peer; names start with `X-`."
        "ZMQ_METADATA" 95 metadata: Vec<(String, Vec<u8>)> = Vec::new(); "X-name:value", "a list", "later",
        check |list| list.iter().all(|(name, value)| name.starts_with("X-") && name.len() <= 255 && !value.is_empty());
}

impl Options {
    /// The defaults of a socket type in a context.
    pub fn new(socket_type: SocketType, context: &ContextOptions) -> Options {
        let mut options = Options { ipv6: context.ipv6, ..Options::default() };
        if matches!(socket_type, SocketType::Sub | SocketType::XSub) || !context.blocky {
            options.linger = Some(Duration::ZERO);
        }
        options
    }
}

/// The options of a context.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContextOptions {
    /// I/O threads. `ZMQ_IO_THREADS` · default: 1 · read when the first is needed; 0 is enough for inproc.
    pub io_threads: usize,
    /// Most sockets at a time. `ZMQ_MAX_SOCKETS` · default: 1,023.
    pub max_sockets: usize,
    /// The default of [`Options::ipv6`]. `ZMQ_IPV6` · default: false.
    pub ipv6: bool,
    /// Whether sockets linger for ever by default (`true`) or not at all. `ZMQ_BLOCKY` · default: true.
    pub blocky: bool,
}

impl Default for ContextOptions {
    fn default() -> ContextOptions {
        ContextOptions { io_threads: 1, max_sockets: 1023, ipv6: false, blocky: true }
    }
}

/// A range of addresses: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressFilter {
    address: IpAddr,
    bits: u8,
}

impl AddressFilter {
    /// Whether `address` is in the range; IPv4 addresses mapped into IPv6 count as what they are.
    pub fn accepts(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(own).checked_shr(shift).unwrap_or(0) == u32::from(other).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(own).checked_shr(shift).unwrap_or(0) == u128::from(other).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }
}

impl FromStr for AddressFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<AddressFilter> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
            Some(AddressFilter { address, bits })
        });
        parsed.ok_or_else(|| invalid("tcp_accept_filters", "an address, or an address and a number of bits"))
    }
}

/// A value in text, as on a command line.
trait TextValue: Sized {
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! text_value_numbers {
    ($($number:ty),*) => {
        $(impl TextValue for $number {
            fn parse(text: &str) -> Option<$number> {
                text.parse().ok()
            }
        })*
    };
}

text_value_numbers!(u32, u64, usize);

impl TextValue for bool {
    fn parse(text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" => Some(true),
            "0" | "false" | "off" | "no" => Some(false),
            _ => None,
        }
    }
}

impl TextValue for Duration {
    fn parse(text: &str) -> Option<Duration> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let seconds = match unit.trim() {
            "us" | "µs" => 1e-6,
            "" | "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
    }
}

impl TextValue for String {
    fn parse(text: &str) -> Option<String> {
        Some(text.to_string())
    }
}

impl TextValue for Frame {
    fn parse(text: &str) -> Option<Frame> {
        Some(Frame::from(text))
    }
}

impl TextValue for AddressFilter {
    fn parse(text: &str) -> Option<AddressFilter> {
        text.parse().ok()
    }
}

impl TextValue for (String, Vec<u8>) {
    fn parse(text: &str) -> Option<(String, Vec<u8>)> {
        let (name, value) = text.split_once(':')?;
        Some((name.to_string(), value.as_bytes().to_vec()))
    }
}

impl<T: TextValue> TextValue for Option<T> {
    fn parse(text: &str) -> Option<Option<T>> {
        match text {
            "" | "-1" | "never" | "none" => Some(None),
            _ => T::parse(text).map(Some),
        }
    }
}

impl<T: TextValue> TextValue for Vec<T> {
    fn parse(text: &str) -> Option<Vec<T>> {
        text.split(',').filter(|item| !item.is_empty()).map(T::parse).collect()
    }
}

fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.trim_start_matches("zmq_").trim_start_matches("zefiro_").replace(['_', '-'], "")
}

fn invalid(name: &str, range: &str) -> Error {
    Error::with_text(ErrorKind::InvalidOption, "set option", name, format!("allowed is: {range}"))
}

#[cfg(test)]
mod tests {
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
    fn what_is_out_of_range_is_refused_by_name() {
        let mut options = Options::default();
        let error = options.set_text("tos", "256").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert!(error.to_string().contains("0 to 255"), "{error}");
        assert!(options.set_text("no_such_thing", "1").is_err());
        assert!(options.set_text("linger", "soon").is_err());
    }

    #[test]
    fn filters_know_who_is_in_their_range() {
        let filter: AddressFilter = "10.1.0.0/16".parse().unwrap();
        assert!(filter.accepts("10.1.200.3".parse().unwrap()) && !filter.accepts("10.2.0.1".parse().unwrap()));
        assert!(filter.accepts("::ffff:10.1.0.1".parse().unwrap()));
        let everybody: AddressFilter = "0.0.0.0/0".parse().unwrap();
        assert!(everybody.accepts("1.2.3.4".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<AddressFilter>().is_err());
    }

    #[test]
    fn every_option_has_its_own_name_and_number() {
        let table = option_table();
        for (index, info) in table.iter().enumerate() {
            for other in &table[index + 1..] {
                assert_ne!(info.c_name, other.c_name);
                assert!(info.number == 0 || info.number != other.number, "{} and {}", info.c_name, other.c_name);
            }
        }
    }
}
