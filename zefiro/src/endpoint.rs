//! Endpoint: reads and prints `tcp://`, `ipc://`, `inproc://` and `udp://` addresses, and resolves the names in them.

mod udp;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

pub use self::udp::UdpEndpoint;
pub(crate) use self::udp::{UdpInterface, UdpPlace};
use crate::error::{Error, ErrorKind, Result};

/// Where to bind or connect: a transport and an address.
///
/// Printed as text it can be given to another socket's connect.
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

/// A TCP address, by number or by name, perhaps with the address to connect from.
///
/// ```
/// # use zefiro::Endpoint;
/// let Endpoint::Tcp(address) = Endpoint::parse_connect("tcp://[::1]:5555")? else { unreachable!() };
/// assert_eq!((address.host(), address.port()), ("::1", 5555));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TcpEndpoint {
    source: Option<HostPort>,
    address: HostPort,
    /// Why no attempt to connect can succeed, where only libzmq's program may not be told at once.
    unusable: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct HostPort {
    host: String,
    port: u16,
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
                let address = HostPort { host: address.to_string(), port: 0 };
                let unusable = Some("the source address, or the one behind it, cannot be read");
                Ok(Endpoint::Tcp(TcpEndpoint { source: None, address, unusable }))
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

impl TcpEndpoint {
    fn parse(address: &str, binding: bool, strict: bool) -> std::result::Result<TcpEndpoint, &'static str> {
        if !binding {
            check_characters(address)?;
        }
        let (source, address) = match address.rsplit_once(';') {
            Some((source, address)) => (Some(source), address),
            None => (None, address),
        };
        let source = match source {
            Some(source) => Some(HostPort::parse(source, true, strict)?),
            None => None,
        };
        let address = HostPort::parse(address, binding, strict)?;
        if !binding && address.host == "*" {
            return Err("a connect needs a host, not *");
        }
        Ok(TcpEndpoint { source, address, unusable: None })
    }

    fn passes_libzmq(address: &str) -> bool {
        let port = address.rsplit_once(':').map_or("", |(_, port)| port);
        address.contains(';') && check_characters(address).is_ok() && port.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether it is an IPv6 address given by number.
    pub(crate) fn is_ipv6(&self) -> bool {
        numeric(&self.address.host, self.address.port).is_some_and(|address| address.is_ipv6())
    }

    /// Why connecting to it can never succeed.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        self.unusable
    }

    /// The host as it was given, without brackets: a name, a number, an interface, or `*`.
    ///
    /// ```
    /// # use zefiro::Endpoint;
    /// let Endpoint::Tcp(address) = Endpoint::parse_connect("tcp://localhost:5555")? else { unreachable!() };
    /// assert_eq!(address.host(), "localhost");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn host(&self) -> &str {
        &self.address.host
    }

    /// The port; 0 for one the system chooses.
    ///
    /// ```
    /// # use zefiro::Endpoint;
    /// let Endpoint::Tcp(address) = Endpoint::parse_connect("tcp://localhost:5555")? else { unreachable!() };
    /// assert_eq!(address.port(), 5555);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The address to bind; may look up an interface or a name, and block for it. A source address means nothing here,
    /// but has to be one.
    ///
    /// ```
    /// # use zefiro::Endpoint;
    /// let Endpoint::Tcp(address) = Endpoint::parse_bind("tcp://*:5555")? else { unreachable!() };
    /// assert_eq!(address.resolve_bind(false)?.to_string(), "0.0.0.0:5555");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`UnknownHost`](ErrorKind::UnknownHost).
    pub fn resolve_bind(&self, ipv6: bool) -> Result<SocketAddr> {
        if let Some(source) = &self.source {
            source.resolve_local("bind", ipv6, false)?;
        }
        self.address.resolve_local("bind", ipv6, true)
    }

    /// The addresses to connect to; blocks while a name is looked up.
    ///
    /// ```
    /// # use zefiro::Endpoint;
    /// let Endpoint::Tcp(address) = Endpoint::parse_connect("tcp://127.0.0.1:5555")? else { unreachable!() };
    /// assert_eq!(address.resolve_connect(false)?[0].to_string(), "127.0.0.1:5555");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`UnknownHost`](ErrorKind::UnknownHost).
    pub fn resolve_connect(&self, ipv6: bool) -> Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.numeric_connect(ipv6) {
            return Ok(addresses);
        }
        let found = (self.address.host.as_str(), self.address.port)
            .to_socket_addrs()
            .map_err(|error| unknown("connect", self, error.to_string()))?;
        let addresses: Vec<SocketAddr> =
            found.filter(|address| ipv6 || address.is_ipv4()).map(|address| mapped(address, ipv6)).collect();
        if addresses.is_empty() {
            return Err(unknown("connect", self, no_address(ipv6)));
        }
        Ok(addresses)
    }

    /// The address, if it is given by number: then there is nothing to look up. Of the wrong family, it is nothing.
    pub(crate) fn numeric_connect(&self, ipv6: bool) -> Option<Vec<SocketAddr>> {
        let address = numeric(&self.address.host, self.address.port)?;
        Some(if ipv6 || address.is_ipv4() { vec![mapped(address, ipv6)] } else { Vec::new() })
    }

    /// The address to connect from, if one is given.
    pub(crate) fn resolve_source(&self, ipv6: bool) -> Result<Option<SocketAddr>> {
        self.source.as_ref().map(|source| source.resolve_local("connect", ipv6, false)).transpose()
    }
}

impl HostPort {
    fn parse(text: &str, wildcard: bool, strict: bool) -> std::result::Result<HostPort, &'static str> {
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        // Else what it is printed as would be something else.
        if strict && (host.contains(['[', ']']) || bracketed.is_some_and(|host| !host.contains(':'))) {
            return Err("brackets are for IPv6 addresses");
        }
        if host.contains('%') && scope(host.rsplit_once('%').map_or("", |(_, zone)| zone)).is_none() {
            return Err("the zone is not an interface");
        }
        let port = match port {
            "*" | "0" if wildcard => 0,
            "*" => return Err("the port must be a number"),
            digits if strict => strict_port(digits)?,
            digits => lenient_port(digits, wildcard)?,
        };
        Ok(HostPort { host: host.to_string(), port })
    }

    fn resolve_local(&self, operation: &'static str, ipv6: bool, names: bool) -> Result<SocketAddr> {
        let wrong_family = || unknown(operation, self, "the address is IPv6, and the option ipv6 is off".into());
        if self.host == "*" {
            let any = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
            return Ok(SocketAddr::new(any, self.port));
        }
        if let Some(address) = numeric(&self.host, self.port) {
            return if ipv6 || address.is_ipv4() { Ok(mapped(address, ipv6)) } else { Err(wrong_family()) };
        }
        if let Some(address) = crate::sys::net::interface_address(&self.host, ipv6) {
            return Ok(match address {
                // Every interface has the same link-local network; only the scope tells them apart.
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                    let scope = crate::sys::net::interface_index(&self.host).unwrap_or(0);
                    SocketAddrV6::new(ip, self.port, 0, scope).into()
                }
                _ => SocketAddr::new(address, self.port),
            });
        }
        if !names {
            return Err(unknown(operation, self, "no interface has this name".into()));
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut found = found.map_err(|error| unknown(operation, self, error.to_string()))?;
        found
            .find(|address| ipv6 || address.is_ipv4())
            .map(|address| mapped(address, ipv6))
            .ok_or_else(|| unknown(operation, self, no_address(ipv6)))
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
            Some(name) => Ok(IpcEndpoint::Abstract(name.as_bytes().to_vec())),
            None if binding && address.starts_with('*') => Ok(IpcEndpoint::Wildcard),
            None => Ok(IpcEndpoint::Path(PathBuf::from(address))),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) if address.scope_id() == 0 => address.ip().to_string(),
            SocketAddr::V6(address) => format!("{}%{}", address.ip(), zone(address.scope_id())),
        };
        Endpoint::Tcp(TcpEndpoint { source: None, address: HostPort { host, port: address.port() }, unusable: None })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(tcp) => write!(f, "tcp://{tcp}"),
            Endpoint::Ipc(IpcEndpoint::Path(path)) => write!(f, "ipc://{}", path.display()),
            Endpoint::Ipc(IpcEndpoint::Abstract(name)) => write!(f, "ipc://@{}", String::from_utf8_lossy(name)),
            Endpoint::Ipc(IpcEndpoint::Wildcard) => f.write_str("ipc://*"),
            Endpoint::Udp(udp) => write!(f, "udp://{udp}"),
            Endpoint::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl fmt::Display for TcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source};")?;
        }
        self.address.fmt(f)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a name leads nowhere.
fn no_address(ipv6: bool) -> String {
    format!("the name has no address{}", if ipv6 { "" } else { " of IPv4, and the option ipv6 is off" })
}

/// A port is what it says, or an error: what looks like a slip of the pen would reach somebody else's.
fn strict_port(text: &str) -> std::result::Result<u16, &'static str> {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or("the port must be a number from 1 to 65535")
}

/// As libzmq reads ports: C's `atoi` cut to 16 bits, so `12x` is 12 and `65537` is 1. What then is 0 is refused. To connect,
/// a digit must come first; blanks and a sign may when binding.
fn lenient_port(text: &str, wildcard: bool) -> std::result::Result<u16, &'static str> {
    let text = if wildcard { text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']) } else { text };
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').filter(|_| wildcard).unwrap_or(text)),
    };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if digits.is_empty() || (negative && !wildcard) {
        return Err("the port must be a number from 1 to 65535");
    }
    let number =
        digits.bytes().fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    let port = (if negative { -number } else { number }) as u16;
    if port == 0 && wildcard { Err("the port must be a number from 1 to 65535, or *") } else { Ok(port) }
}

/// The characters libzmq accepts when connecting.
fn check_characters(text: &str) -> std::result::Result<(), &'static str> {
    let first = text.chars().next().unwrap_or(':');
    let fine = |c: char| c.is_ascii_alphanumeric() || ".-:%;[]_*".contains(c);
    if !(first.is_ascii_alphanumeric() || first == '[' || first == ':') || !text.chars().all(fine) {
        return Err("the address has a character that hosts and ports do not have");
    }
    Ok(())
}

fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
    if let Some((address, zone)) = host.rsplit_once('%') {
        let scope = scope(zone)?;
        return address.parse::<IpAddr>().ok().map(|ip| match ip {
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
            // It has no zones, and is the same in each.
            IpAddr::V4(_) => SocketAddr::new(ip, port),
        });
    }
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

/// An interface's number, by name or number.
fn scope(zone: &str) -> Option<u32> {
    match zone.parse::<u32>() {
        Ok(number) => Some(number).filter(|number| *number > 0),
        Err(_) => crate::sys::net::interface_index(zone),
    }
}

/// An interface's name, or its number where it has none.
fn zone(scope: u32) -> String {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found = interfaces.into_iter().find(|interface| interface.index == Some(scope));
    found.map_or_else(|| scope.to_string(), |interface| interface.name)
}

/// An IPv6 socket reaches IPv4 addresses in their mapped form.
fn mapped(address: SocketAddr, ipv6: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if ipv6 => SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port()),
        other => other,
    }
}

fn unknown(operation: &'static str, address: &dyn fmt::Display, why: String) -> Error {
    Error::with_text(ErrorKind::UnknownHost, operation, format!("tcp://{address}"), why)
}

#[cfg(test)]
mod tests {
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
