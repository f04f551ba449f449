//! `host:port`: a name, a number or an interface, and a port, as tcp and udp have them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use crate::error::{Error, ErrorKind, Result};

/// The host without brackets, and the port; 0 for any.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

impl HostPort {
    pub(super) fn parse(text: &str, wildcard: bool, strict: bool) -> std::result::Result<HostPort, &'static str> {
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

    /// An address by number.
    pub(super) fn at(address: SocketAddr) -> HostPort {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) if address.scope_id() == 0 => address.ip().to_string(),
            SocketAddr::V6(address) => format!("{}%{}", address.ip(), zone(address.scope_id())),
        };
        HostPort { host, port: address.port() }
    }

    /// The address of this machine that it stands for.
    pub(super) fn resolve_local(&self, operation: &'static str, ipv6: bool, names: bool) -> Result<SocketAddr> {
        let wrong_family = || unknown(operation, self, "the address is IPv6, and the option ipv6 is off".into());
        if self.host == "*" {
            let any = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
            return Ok(SocketAddr::new(any, self.port));
        }
        if let Some(address) = numeric(&self.host, self.port) {
            return of_family(address, ipv6).ok_or_else(wrong_family);
        }
        // An interface has an address of its own, and no use for a zone.
        let name = self.host.rsplit_once('%').map_or(self.host.as_str(), |(name, _)| name);
        if let Some(address) = crate::sys::net::interface_address(name, ipv6) {
            return Ok(match address {
                // Every interface has the same link-local network; only the scope tells them apart.
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                    let scope = crate::sys::net::interface_index(name).unwrap_or(0);
                    SocketAddrV6::new(ip, self.port, 0, scope).into()
                }
                _ => SocketAddr::new(address, self.port),
            });
        }
        if !names {
            return Err(unknown(operation, self, "no interface has this name".into()));
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut found = found.map_err(|error| {
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
            unknown(operation, self, format!("neither an interface nor a host has this name: {why}"))
        })?;
        found.find_map(|address| of_family(address, ipv6)).ok_or_else(|| unknown(operation, self, no_address(ipv6)))
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
pub(super) fn no_address(ipv6: bool) -> String {
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
pub(super) fn check_characters(text: &str) -> std::result::Result<(), &'static str> {
    let first = text.chars().next().unwrap_or(':');
    let fine = |c: char| c.is_ascii_alphanumeric() || ".-:%;[]_*".contains(c);
    if !(first.is_ascii_alphanumeric() || first == '[' || first == ':') || !text.chars().all(fine) {
        return Err("the address has a character that hosts and ports do not have");
    }
    Ok(())
}

pub(super) fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
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

/// The address for a socket of IPv6, which reaches those of IPv4 in their mapped form, or for one of IPv4, which reaches
/// no others: what an IPv6 socket calls its end of IPv4 is still good for it.
pub(super) fn of_family(address: SocketAddr, ipv6: bool) -> Option<SocketAddr> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ipv6 => IpAddr::V6(ip.to_ipv6_mapped()),
        IpAddr::V6(ip) if !ipv6 => IpAddr::V4(ip.to_ipv4_mapped()?),
        _ => return Some(address),
    };
    Some(SocketAddr::new(ip, address.port()))
}

pub(super) fn unknown(operation: &'static str, address: &dyn fmt::Display, why: String) -> Error {
    Error::with_text(ErrorKind::UnknownHost, operation, format!("tcp://{address}"), why)
}
