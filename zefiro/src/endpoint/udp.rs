//! `udp://[interface;]host:port`: a place to receive datagrams at, or to send them to; a group of such if the host is a
//! multicast address.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::host_port::{HostPort, numeric, of_family, unknown};
use crate::error::{Error, ErrorKind, Result};

/// A UDP address, perhaps with the interface by which its multicast group is reached.
///
/// ```
/// # use zefiro::Endpoint;
/// let group: Endpoint = "udp://239.0.0.1:5555".parse()?;
/// assert!(matches!(&group, Endpoint::Udp(_)));
/// assert_eq!(group.to_string(), "udp://239.0.0.1:5555");
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UdpEndpoint {
    interface: Option<String>,
    address: HostPort,
}

/// A UDP address by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UdpPlace {
    pub(crate) address: SocketAddr,
    /// The interface for a multicast group, by its address (IPv4) or its number (IPv6).
    pub(crate) interface: UdpInterface,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UdpInterface {
    Default,
    Address(std::net::Ipv4Addr),
    Index(u32),
}

impl UdpEndpoint {
    pub(super) fn parse(address: &str, binding: bool, strict: bool) -> std::result::Result<UdpEndpoint, &'static str> {
        let (interface, address) = match address.rsplit_once(';') {
            Some(("", _)) if strict => return Err("the interface before the semicolon is missing"),
            Some((interface, address)) => (Some(interface.to_string()), address),
            None => (None, address),
        };
        let address = HostPort::parse(address, binding, strict)?;
        if !binding && ((strict && address.port == 0) || address.host == "*") {
            return Err("a connect needs a host and a port");
        }
        Ok(UdpEndpoint { interface, address })
    }

    /// The same with the port the system chose.
    pub(crate) fn with_port(&self, port: u16) -> UdpEndpoint {
        UdpEndpoint { address: HostPort { port, ..self.address.clone() }, ..self.clone() }
    }

    /// Where to receive; may look up an interface or a name, and block for it.
    pub(crate) fn resolve_bind(&self, ipv6: bool) -> Result<UdpPlace> {
        self.check_interface("bind", ipv6)?;
        let address = self.address.resolve_local("bind", ipv6, true)?;
        self.place("bind", address, ipv6)
    }

    /// Where to send to; may look up a name, and block for it.
    pub(crate) fn resolve_connect(&self, ipv6: bool) -> Result<UdpPlace> {
        self.check_interface("connect", ipv6)?;
        let invalid = |why: String| Error::with_text(ErrorKind::InvalidEndpoint, "connect", self.text(), why);
        let address = match numeric(&self.address.host, self.address.port) {
            Some(address) => of_family(address, ipv6)
                .ok_or_else(|| invalid("the address is IPv6, and the option ipv6 is off".into()))?,
            None => {
                let found = (self.address.host.as_str(), self.address.port).to_socket_addrs();
                let mut found = found.map_err(|error| invalid(error.to_string()))?;
                found
                    .find_map(|address| of_family(address, ipv6))
                    .ok_or_else(|| invalid("the name has no address of the right family".into()))?
            }
        };
        self.place("connect", address, ipv6)
    }

    /// An interface that there is not comes before whatever else is wrong.
    fn check_interface(&self, operation: &'static str, ipv6: bool) -> Result<()> {
        let Some(name) = self.interface.as_deref().filter(|name| *name != "*") else { return Ok(()) };
        let known = match numeric(name, 0) {
            Some(address) => of_family(address, ipv6).is_some(),
            None => {
                crate::sys::net::interface_address(name, ipv6).is_some()
                    || (ipv6 && crate::sys::net::interface_index(name).is_some())
            }
        };
        if known { Ok(()) } else { Err(unknown(operation, self, "no interface has this name or address".into())) }
    }

    fn place(&self, operation: &'static str, address: SocketAddr, ipv6: bool) -> Result<UdpPlace> {
        let invalid = |why: &str| Error::with_text(ErrorKind::InvalidEndpoint, operation, self.text(), why);
        // A socket of the very family: there are no mapped groups.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let interface = match self.interface.as_deref() {
            None => UdpInterface::Default,
            Some(_) if !address.ip().is_multicast() => {
                return Err(invalid("an interface goes with a multicast group alone"));
            }
            Some("*") => UdpInterface::Default,
            Some(name) => {
                let by_number = numeric(name, 0).map(|address| address.ip());
                let found = by_number.or_else(|| crate::sys::net::interface_address(name, ipv6 && address.is_ipv6()));
                match (address.ip(), found) {
                    (_, Some(interface)) if interface.is_multicast() => {
                        return Err(invalid("the interface is a multicast group"));
                    }
                    (IpAddr::V4(_), Some(IpAddr::V4(interface))) => UdpInterface::Address(interface),
                    (IpAddr::V6(_), None | Some(IpAddr::V6(_))) => {
                        let index = crate::sys::net::interface_index(name);
                        UdpInterface::Index(
                            index.ok_or_else(|| unknown(operation, self, "no interface has this name".into()))?,
                        )
                    }
                    (_, Some(_)) => return Err(invalid("the interface and the group are of different families")),
                    (_, None) => return Err(unknown(operation, self, "no interface has this name".into())),
                }
            }
        };
        Ok(UdpPlace { address, interface })
    }

    fn text(&self) -> String {
        format!("udp://{self}")
    }
}

impl fmt::Display for UdpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            write!(f, "{interface};")?;
        }
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str) -> std::result::Result<UdpPlace, ErrorKind> {
        let endpoint = UdpEndpoint::parse(text, true, true).map_err(|_| ErrorKind::InvalidEndpoint)?;
        endpoint.resolve_bind(false).map_err(|error| error.kind())
    }

    fn connect(text: &str) -> std::result::Result<UdpPlace, ErrorKind> {
        let endpoint = UdpEndpoint::parse(text, false, true).map_err(|_| ErrorKind::InvalidEndpoint)?;
        endpoint.resolve_connect(false).map_err(|error| error.kind())
    }

    #[test]
    fn places_are_read_as_libzmq_reads_them() {
        let place = bind("*:5555").unwrap();
        assert_eq!((place.address.to_string().as_str(), place.interface), ("0.0.0.0:5555", UdpInterface::Default));
        let place = bind("127.0.0.1;239.0.0.1:5555").unwrap();
        assert_eq!(place.interface, UdpInterface::Address([127, 0, 0, 1].into()));
        assert_eq!(bind("lo;239.0.0.1:5555"), Ok(place));
        assert_eq!(bind("*;239.0.0.1:5555").unwrap().interface, UdpInterface::Default);
        assert_eq!(connect("239.0.0.1:5555").unwrap().address.port(), 5555);
        for text in ["127.0.0.1", "127.0.0.1:abc", "127.0.0.1;127.0.0.1:1", "239.0.0.2;239.0.0.1:1"] {
            assert_eq!(bind(text), Err(ErrorKind::InvalidEndpoint), "{text}");
        }
        for text in ["no-such-interface;239.0.0.1:1", "::1;239.0.0.1:1", "no-such-interface;:1", "no such host:1"] {
            assert_eq!(bind(text), Err(ErrorKind::UnknownHost), "{text}");
        }
        for text in ["127.0.0.1:*", "127.0.0.1:0", "*:1", "no such host:1", "::1:1"] {
            assert_eq!(connect(text), Err(ErrorKind::InvalidEndpoint), "{text}");
        }
    }
}
