//! tcp: streams over IPv4 and IPv6, with the options a socket has for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::{Begun, Dial, NotDialled, NotListening, backlog, begin_connect};
use crate::options::Options;
use crate::sys::{extras, net};

/// Listens on `address`. An IPv6 address takes IPv4 peers as well.
pub(crate) fn listen(address: SocketAddr, options: &Options) -> Result<Socket, NotListening> {
    let socket = open(address, options)?;
    match listen_with(&socket, address, options) {
        Ok(()) => Ok(socket),
        Err(error) => Err(NotListening::of(&socket, error)),
    }
}

fn listen_with(socket: &Socket, address: SocketAddr, options: &Options) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&SockAddr::from(address))?;
    leave_unpaced(socket, address.ip());
    socket.listen(backlog(options))
}

/// Begins to connect to `address`, from `source` if one is given.
pub(crate) fn dial(address: SocketAddr, source: Option<SocketAddr>, options: &Options) -> Result<Dial, NotDialled> {
    let socket = open(address, options).map_err(|error| NotDialled { error, begun: Begun::No })?;
    leave_unpaced(&socket, address.ip());
    if let Some(source) = source {
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(source))?;
    }
    begin_connect(socket, &SockAddr::from(address))
}

/// Sets what the options ask for on a new connection.
pub(crate) fn configure(socket: &Socket, options: &Options) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(on) = options.tcp_keepalive {
        let mut keepalive = TcpKeepalive::new();
        if let Some(count) = options.tcp_keepalive_count {
            keepalive = keepalive.with_retries(count);
        }
        if let Some(idle) = options.tcp_keepalive_idle {
            keepalive = keepalive.with_time(Duration::from_secs(idle.into()));
        }
        if let Some(interval) = options.tcp_keepalive_interval {
            keepalive = keepalive.with_interval(Duration::from_secs(interval.into()));
        }
        // This turns it on. With libzmq the details are there even if it is off.
        socket.set_tcp_keepalive(&keepalive)?;
        if !on {
            socket.set_keepalive(false)?;
        }
    }
    if let Some(time) = options.tcp_max_retransmit {
        extras::set_retransmission_limit(socket, time)?;
    }
    Ok(())
}

/// Of a connection, or of a listener at that address: does without pacing if it is one within the host.
///
/// Nothing is congested there. A congestion control that paces what is sent, as BBR does, sets a timer for every few tens of
/// kilobytes all the same, and messages of 1 KiB and more come at half the rate. Where the system's is such a one, CUBIC is
/// asked for; if it refuses, nothing changes.
pub(crate) fn leave_unpaced(socket: &Socket, address: IpAddr) {
    static PACES: OnceLock<bool> = OnceLock::new();
    let paces = || extras::congestion_control(socket).is_ok_and(|name| name.starts_with(b"bbr"));
    if address.to_canonical().is_loopback() && *PACES.get_or_init(paces) {
        let _ = extras::set_congestion_control(socket, b"cubic");
    }
}

/// The address of the other end, once it is connected.
pub(crate) fn peer_address(socket: &Socket) -> Option<SocketAddr> {
    SockRef::from(socket).peer_addr().ok()?.as_socket()
}

/// The address a listener or a connection really has.
pub(crate) fn local_address(socket: &Socket) -> Option<SocketAddr> {
    SockRef::from(socket).local_addr().ok()?.as_socket()
}

fn open(address: SocketAddr, options: &Options) -> io::Result<Socket> {
    let socket = net::open(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.recv_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if options.type_of_service > 0 {
        if address.is_ipv6() {
            // More than a byte is no class to IPv6, and its low byte to IPv4: no reason to have no connection.
            let _ = socket.set_tclass_v6(options.type_of_service);
            // For its IPv4 peers, where the system lets an IPv6 socket have one.
            let _ = socket.set_tos_v4(options.type_of_service);
        } else {
            socket.set_tos_v4(options.type_of_service)?;
        }
    }
    if options.priority > 0 {
        extras::set_priority(&socket, options.priority)?;
    }
    if options.busy_poll > 0 {
        // A hint, for which programs without privileges have no permission.
        let _ = extras::set_busy_poll(&socket, options.busy_poll);
    }
    if !options.bind_to_device.is_empty() {
        extras::bind_device(&socket, &options.bind_to_device)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn ipv4_peers_of_an_ipv6_socket_have_its_type_of_service_too() {
        let options = Options { type_of_service: 0x28, ..Options::default() };
        let listener = listen(SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0)), &options);
        let listener = listener.map_err(|why| why.error).unwrap();
        assert_eq!((listener.tos_v4().unwrap(), listener.tclass_v6().unwrap()), (0x28, 0x28));
    }

    #[test]
    fn a_type_of_service_beyond_a_byte_stands_in_the_way_of_no_listener() {
        for any in [std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::IpAddr::from(std::net::Ipv6Addr::UNSPECIFIED)] {
            let options = Options { type_of_service: 0x128, ..Options::default() };
            listen(SocketAddr::new(any, 0), &options).map_err(|why| why.error).unwrap();
        }
    }
}
