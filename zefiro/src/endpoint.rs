//! Endpoint: reads and prints `tcp://`, `ipc://`, `inproc://` and `udp://` addresses, and resolves the names in them.

mod bytes;
mod host_port;
mod tcp;
mod udp;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

pub use self::tcp::TcpEndpoint;
pub use self::udp::UdpEndpoint;
pub(crate) use self::udp::{UdpInterface, UdpPlace};
use crate::error::{Error, ErrorKind, Result};

/// Where to bind or connect: a transport and an address.
///
/// Printed as text it can be given to another socket's connect. Bytes of an ipc path that are not UTF-8 are printed, and
/// read, as characters from U+10FF80 to U+10FFFF, whose last byte they are.
///
/// ```
/// # use zefiro::{Endpoint, Pull};
/// let endpoint = Pull::new().bind("tcp://127.0.0.1:*")?;
/// assert!(matches!(&endpoint, Endpoint::Tcp(address) if address.port() != 0));
/// assert_eq!(endpoint.to_string().parse::<Endpoint>()?, endpoint);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// `tcp://host:port`. The host is a name, an IP address, an interface, or, to bind, `*`: all addresses of IPv4, and with
    /// the option [`ipv6`](crate::Options::ipv6) those of IPv6, too. `[::]` is always both, whatever the system's default.
    /// To connect from an address of one's own: `tcp://source:port;host:port`.
    Tcp(TcpEndpoint),
    /// `ipc://path`, or `ipc://@name` in Linux's abstract name space. Who may connect to a path is for its permissions to
    /// say, which come from the process' umask, and for its directory's. To give it others, or another owner, bind a
    /// `UnixListener`, change its file, and hand it to [`Socket::bind_fd`](crate::Socket::bind_fd).
    Ipc(IpcEndpoint),
    /// `inproc://name`.
    Inproc(String),
    /// `udp://host:port`.
    Udp(UdpEndpoint),
}

/// A Unix socket's address.
///
/// ```
/// # use zefiro::{Endpoint, IpcEndpoint};
/// assert_eq!("ipc:///run/tasks".parse::<Endpoint>()?, Endpoint::Ipc(IpcEndpoint::Path("/run/tasks".into())));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IpcEndpoint {
    /// A path in the file system.
    Path(PathBuf),
    /// A name of Linux's abstract name space: `ipc://@name`.
    Abstract(Vec<u8>),
    /// A new path of the system's choosing: `ipc://*`, for binding.
    Wildcard,
}

impl Endpoint {
    /// Reads an endpoint to bind, as a socket with the option
    /// [`strict_endpoints`](crate::Options::strict_endpoints) does: `*` stands for any host, port or path. What is to be
    /// connected is read by [`parse_connect`](Endpoint::parse_connect), or `parse`.
    ///
    /// ```
    /// # use zefiro::Endpoint;
    /// assert_eq!(Endpoint::parse_bind("tcp://*:*")?.to_string(), "tcp://*:0");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidEndpoint`](ErrorKind::InvalidEndpoint) or
    /// [`UnsupportedTransport`](ErrorKind::UnsupportedTransport).
    pub fn parse_bind(text: &str) -> Result<Endpoint> {
        Endpoint::parse("bind", text, true)
    }

    /// Reads an endpoint to connect to; names in it are resolved later.
    ///
    /// ```
    /// # use zefiro::{Endpoint, ErrorKind};
    /// assert!(Endpoint::parse_connect("tcp://localhost:5555").is_ok());
    /// let error = Endpoint::parse_connect("tcp://*:5555").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
    /// ```
    ///
    /// # Errors
    /// As [`parse_bind`](Endpoint::parse_bind).
    pub fn parse_connect(text: &str) -> Result<Endpoint> {
        Endpoint::parse("connect", text, true)
    }

    /// Reads an endpoint to connect to as libzmq does: ports leniently, and with a source address, nothing is looked at but
    /// its characters and the last port. What cannot be read then fails at every attempt.
    pub(crate) fn parse_connect_as_libzmq(text: &str) -> Result<Endpoint> {
        let parsed = Endpoint::parse("connect", text, false);
        match text.strip_prefix("tcp://") {
            Some(address) if parsed.is_err() && TcpEndpoint::passes_libzmq(address) => {
                Ok(Endpoint::Tcp(TcpEndpoint::unreadable(address)))
            }
            _ => parsed,
        }
    }

    /// Reads an endpoint; `operation` names the error, and `connect` allows no wildcards. Not `strict`, ports are read as
    /// libzmq reads them.
    pub(crate) fn parse(operation: &'static str, text: &str, strict: bool) -> Result<Endpoint> {
        let invalid = |why: &str| Error::with_text(ErrorKind::InvalidEndpoint, operation, text, why);
        // What is to end may be either: then it is read as what is bound.
        let binding = operation != "connect";
        let (transport, address) = text.split_once("://").ok_or_else(|| {
            invalid("an endpoint looks like tcp://127.0.0.1:5555, ipc:///tmp/socket or inproc://name")
        })?;
        if transport.is_empty() || address.is_empty() {
            return Err(invalid("the transport or the address is missing"));
        }
        match transport {
            "tcp" => TcpEndpoint::parse(address, binding, strict).map(Endpoint::Tcp).map_err(invalid),
            "ipc" => Ok(Endpoint::Ipc(IpcEndpoint::parse(address, binding).map_err(invalid)?)),
            "udp" => UdpEndpoint::parse(address, binding, strict).map(Endpoint::Udp).map_err(invalid),
            "inproc" => Ok(Endpoint::Inproc(address.to_string())),
            _ => Err(Error::with_text(
                ErrorKind::UnsupportedTransport,
                operation,
                text,
                format!("the transport {transport:?} is not one of tcp, ipc, inproc, udp"),
            )),
        }
    }
}

/// For the C library, whose endpoints are bytes.
#[doc(hidden)]
impl Endpoint {
    /// The text for an endpoint of any bytes; itself if it is UTF-8 without the characters that stand for bytes.
    pub fn text_of_bytes(bytes: &[u8]) -> Cow<'_, str> {
        bytes::text_of(bytes)
    }

    /// The bytes that an endpoint's text stands for.
    pub fn bytes_of_text(text: &str) -> Cow<'_, [u8]> {
        bytes::bytes_of(text)
    }
}

/// What names an endpoint in a call: its text, or an [`Endpoint`] as [`Socket::bind`](crate::Socket::bind) answers it.
///
/// ```
/// # use zefiro::{Pull, ToEndpoint};
/// let endpoint = Pull::new().bind("inproc://to-endpoint")?;
/// assert_eq!(endpoint.endpoint_text(), "inproc://to-endpoint".endpoint_text());
/// # Ok::<(), zefiro::Error>(())
/// ```
pub trait ToEndpoint {
    /// The endpoint as text.
    fn endpoint_text(&self) -> Cow<'_, str>;
}

impl ToEndpoint for str {
    fn endpoint_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl ToEndpoint for String {
    fn endpoint_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl ToEndpoint for Endpoint {
    fn endpoint_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

impl<E: ToEndpoint + ?Sized> ToEndpoint for &E {
    fn endpoint_text(&self) -> Cow<'_, str> {
        (**self).endpoint_text()
    }
}

/// As [`parse_connect`](Endpoint::parse_connect): what only a bind allows, such as `tcp://*:*`, is refused. To read an
/// endpoint to bind there is [`parse_bind`](Endpoint::parse_bind).
///
/// ```
/// use zefiro::Endpoint;
///
/// let endpoint: Endpoint = "tcp://localhost:5555".parse()?;
/// assert!("tcp://*:5555".parse::<Endpoint>().is_err());
/// assert!(Endpoint::parse_bind("tcp://*:5555").is_ok());
/// # Ok::<(), zefiro::Error>(())
/// ```
impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint> {
        Endpoint::parse_connect(text)
    }
}

impl IpcEndpoint {
    /// Bytes of the path or the abstract name; a Unix socket's address takes 107. Longer paths work, by a detour where
    /// the system has one; longer abstract names cannot.
    ///
    /// ```
    /// # use zefiro::IpcEndpoint;
    /// assert_eq!(IpcEndpoint::Path("/run/tasks".into()).byte_len(), 10);
    /// ```
    pub fn byte_len(&self) -> usize {
        match self {
            IpcEndpoint::Path(path) => path.as_os_str().len(),
            // With the zero that makes it abstract.
            IpcEndpoint::Abstract(name) => name.len() + 1,
            IpcEndpoint::Wildcard => 0,
        }
    }

    fn parse(address: &str, binding: bool) -> std::result::Result<IpcEndpoint, &'static str> {
        match address.strip_prefix('@') {
            Some("") => Err("the abstract name is missing"),
            Some(name) => Ok(IpcEndpoint::Abstract(bytes::bytes_of(name).into_owned())),
            None if binding && address.starts_with('*') => Ok(IpcEndpoint::Wildcard),
            None => Ok(IpcEndpoint::Path(PathBuf::from(OsString::from_vec(bytes::bytes_of(address).into_owned())))),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::Tcp(TcpEndpoint::at(address))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(tcp) => write!(f, "tcp://{tcp}"),
            Endpoint::Ipc(IpcEndpoint::Path(path)) => {
                write!(f, "ipc://{}", bytes::text_of(path.as_os_str().as_bytes()))
            }
            Endpoint::Ipc(IpcEndpoint::Abstract(name)) => write!(f, "ipc://@{}", bytes::text_of(name)),
            Endpoint::Ipc(IpcEndpoint::Wildcard) => f.write_str("ipc://*"),
            Endpoint::Udp(udp) => write!(f, "udp://{udp}"),
            Endpoint::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    fn kind_of(result: Result<Endpoint>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_reason() {
        use ErrorKind::{InvalidEndpoint, UnsupportedTransport};
        for text in [
            "",
            "tcp",
            "tcp://",
            "://x",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:",
            "tcp://127.0.0.1:x",
            "tcp://1.2.3.4:65536",
            "tcp://1.2.3.4:99999",
            "tcp://1.2.3.4:12x",
            "tcp://1.2.3.4:-1",
            "tcp://1.2.3.4:+1",
            "tcp://[[::1]]:1",
            "tcp://[127.0.0.1]:1",
            "ipc://@",
        ] {
            assert_eq!(kind_of(Endpoint::parse_bind(text)), Some(InvalidEndpoint), "{text}");
        }
        let connects = [
            "tcp://*:5555",
            "tcp://127.0.0.1:*",
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:99999",
            "tcp://127.0.0.1:99999;127.0.0.1:5555",
            "udp://127.0.0.1:99999",
            "tcp://a b:1",
            "tcp://a/b:1",
            "tcp://_a:1",
            "tcp://a,b:1",
            "tcp://1.2.3.4:0;a b:1",
            "tcp://*:0;1.2.3.4:1",
            "tcp://[fe80::1%no-such-interface]:1",
            "tcp://[fe80::1%0]:1",
            "tcp://[*1%lo]:1",
        ];
        for text in connects {
            assert_eq!(kind_of(Endpoint::parse_connect(text)), Some(InvalidEndpoint), "{text}");
        }
        for text in ["TCP://127.0.0.1:1", "pgm://127.0.0.1:1", "foo://bar"] {
            assert_eq!(kind_of(Endpoint::parse_bind(text)), Some(UnsupportedTransport), "{text}");
        }
        let error = Endpoint::parse_bind("tcp://127.0.0.1").unwrap_err();
        assert_eq!(error.to_string(), "bind tcp://127.0.0.1: the port is missing");
    }

    #[test]
    fn ports_are_read_as_leniently_as_libzmq_does_on_demand() {
        for (text, port) in [("12x", 12), ("65537", 1), ("-1", 65535), (" 7", 7), ("+7", 7), ("*", 0), ("0", 0)] {
            let Ok(Endpoint::Tcp(endpoint)) = Endpoint::parse("bind", &format!("tcp://1.2.3.4:{text}"), false) else {
                panic!("{text}")
            };
            assert_eq!(endpoint.resolve_bind(false).unwrap().port(), port, "{text}");
        }
        for text in ["", " ", "+", "--7", " 0", "x"] {
            let read = Endpoint::parse("bind", &format!("tcp://1.2.3.4:{text}"), false);
            assert_eq!(kind_of(read), Some(ErrorKind::InvalidEndpoint), "{text}");
        }
    }

    #[test]
    fn endpoints_print_as_they_are_read() {
        for text in ["tcp://127.0.0.1:5555", "tcp://[::1]:5555", "ipc:///tmp/x", "ipc://@name", "inproc://a b"] {
            assert_eq!(Endpoint::parse_bind(text).unwrap().to_string(), text);
        }
        let text = "tcp://127.0.0.1:0;127.0.0.1:5555";
        assert_eq!(Endpoint::parse_connect(text).unwrap().to_string(), text);
    }

    #[test]
    fn paths_of_any_bytes_print_as_they_are_read() {
        let paths: [&[u8]; 3] = [b"/tmp/\xff\xfe", "/tmp/é".as_bytes(), b"/tmp/\xc3"];
        for path in paths {
            let path = IpcEndpoint::Path(PathBuf::from(OsString::from_vec(path.to_vec())));
            let name = IpcEndpoint::Abstract(b"\xffname".to_vec());
            for endpoint in [Endpoint::Ipc(path), Endpoint::Ipc(name)] {
                assert_eq!(Endpoint::parse_connect(&endpoint.to_string()).unwrap(), endpoint);
            }
        }
    }

    #[test]
    fn ports_and_zones_survive_printing() {
        let Ok(Endpoint::Tcp(tcp)) = Endpoint::parse_connect("tcp://[fe80::1%lo]:5") else { panic!() };
        assert_eq!((tcp.host(), tcp.port()), ("fe80::1%lo", 5));
        let address = tcp.resolve_connect(true).unwrap()[0];
        assert_eq!(Endpoint::from(address).to_string(), "tcp://[fe80::1%lo]:5");
        let unknown = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5, 0, u32::MAX);
        assert_eq!(Endpoint::from(SocketAddr::from(unknown)).to_string(), "tcp://[::1%4294967295]:5");
        let mapped = "[::ffff:127.0.0.1]:5".parse::<SocketAddr>().unwrap();
        assert_eq!(Endpoint::from(mapped).to_string(), "tcp://[::ffff:127.0.0.1]:5");
    }

    #[test]
    fn long_paths_are_read_and_measured() {
        let text = format!("ipc:///{}", "x".repeat(299));
        let Ok(Endpoint::Ipc(path)) = Endpoint::parse_bind(&text) else { panic!() };
        assert_eq!(path.byte_len(), 300);
        assert_eq!(Endpoint::parse_bind("ipc://*anything").unwrap(), Endpoint::Ipc(IpcEndpoint::Wildcard));
        assert_eq!(Endpoint::parse_connect("ipc://*").unwrap(), Endpoint::Ipc(IpcEndpoint::Path("*".into())));
    }

    #[test]
    fn families_follow_the_option() {
        let Ok(Endpoint::Tcp(any)) = Endpoint::parse_bind("tcp://*:7") else { panic!() };
        assert_eq!(any.resolve_bind(false).unwrap().to_string(), "0.0.0.0:7");
        assert_eq!(any.resolve_bind(true).unwrap().to_string(), "[::]:7");
        let Ok(Endpoint::Tcp(six)) = Endpoint::parse_bind("tcp://[::1]:7") else { panic!() };
        assert_eq!(six.resolve_bind(false).unwrap_err().kind(), ErrorKind::UnknownHost);
        let Ok(Endpoint::Tcp(lo)) = Endpoint::parse_bind("tcp://lo:7") else { panic!() };
        assert_eq!(lo.resolve_bind(false).unwrap().to_string(), "127.0.0.1:7");
    }
}
