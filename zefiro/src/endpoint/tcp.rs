//! `tcp://[source;]host:port`: where to listen, or what to connect to.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use super::host_port::{HostPort, check_characters, no_address, numeric, of_family, unknown};
use crate::error::Result;

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

impl TcpEndpoint {
    pub(super) fn parse(address: &str, binding: bool, strict: bool) -> std::result::Result<TcpEndpoint, &'static str> {
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

    /// One that libzmq takes, and that no attempt to connect can make anything of.
    pub(super) fn unreadable(address: &str) -> TcpEndpoint {
        let address = HostPort { host: address.to_string(), port: 0 };
        let unusable = Some("the source address, or the one behind it, cannot be read");
        TcpEndpoint { source: None, address, unusable }
    }

    /// One by number.
    pub(super) fn at(address: SocketAddr) -> TcpEndpoint {
        TcpEndpoint { source: None, address: HostPort::at(address), unusable: None }
    }

    pub(super) fn passes_libzmq(address: &str) -> bool {
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
    /// [`UnknownHost`](crate::ErrorKind::UnknownHost).
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
    /// [`UnknownHost`](crate::ErrorKind::UnknownHost).
    pub fn resolve_connect(&self, ipv6: bool) -> Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.numeric_connect(ipv6) {
            return Ok(addresses);
        }
        let found = (self.address.host.as_str(), self.address.port)
            .to_socket_addrs()
            .map_err(|error| unknown("connect", self, error.to_string()))?;
        let addresses: Vec<SocketAddr> = found.filter_map(|address| of_family(address, ipv6)).collect();
        if addresses.is_empty() {
            return Err(unknown("connect", self, no_address(ipv6)));
        }
        Ok(addresses)
    }

    /// The address, if it is given by number: then there is nothing to look up. Of the wrong family, it is nothing.
    pub(crate) fn numeric_connect(&self, ipv6: bool) -> Option<Vec<SocketAddr>> {
        let address = numeric(&self.address.host, self.address.port)?;
        Some(of_family(address, ipv6).into_iter().collect())
    }

    /// The address to connect from, if one is given.
    pub(crate) fn resolve_source(&self, ipv6: bool) -> Result<Option<SocketAddr>> {
        self.source.as_ref().map(|source| source.resolve_local("connect", ipv6, false)).transpose()
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
