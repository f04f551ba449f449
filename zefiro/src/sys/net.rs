//! Reading and writing streams: never a signal, never blocking, interrupted calls tried again.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

/// Appends what the stream has to `buffer`, as far as its spare capacity goes. `Ok(0)` is the end.
pub(crate) fn read(stream: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match recv(stream.as_fd(), spare_capacity(buffer), RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            Ok((count, _)) => return Ok(count),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes as much of `bytes` as the kernel takes.
pub(crate) fn write(stream: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match send(stream.as_fd(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Writes as much of several slices as the kernel takes.
pub(crate) fn write_vectored(stream: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        let mut control = SendAncillaryBuffer::default();
        match sendmsg(stream.as_fd(), slices, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Ends both directions at once, so that the peer learns of it whoever else still holds the descriptor.
pub(crate) fn shutdown(stream: impl AsFd) {
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}

/// The first address of a network interface, of IPv6 if asked for.
pub(crate) fn interface_address(name: &str, ipv6: bool) -> Option<std::net::IpAddr> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    let found = interfaces.into_iter().find(|interface| interface.name == name && interface.ip().is_ipv6() == ipv6);
    found.map(|interface| interface.ip())
}

/// The number of a network interface.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    interfaces.into_iter().find(|interface| interface.name == name).and_then(|interface| interface.index)
}
