//! Reading and writing streams and datagrams: never a signal, never blocking, interrupted calls tried again.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::faults::{Call, count_read, fail, shorten};
use super::kernel::step;

/// Appends what the stream has to `buffer`, as far as its spare capacity goes. `Ok(0)` is the end. A buffer without room is
/// one there was no memory for.
pub(crate) fn read(stream: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.len() == buffer.capacity() {
        return Err(Errno::NOMEM.into());
    }
    loop {
        #[cfg(zefiro_faults)]
        if let Some(result) = read_faultily(stream.as_fd(), buffer) {
            return result;
        }
        match step(|| recv(stream.as_fd(), spare_capacity(buffer), RecvFlags::DONTWAIT)) {
            Err(Errno::INTR) => {}
            Ok((count, _)) => {
                count_read();
                return Ok(count);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes as much of `bytes` as the kernel takes.
pub(crate) fn write(stream: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    write_with(stream, bytes, SendFlags::empty())
}

/// As [`write`]; more follows at once, and may go out together with it.
pub(crate) fn write_with_more(stream: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = SendFlags::MORE;
    #[cfg(not(target_os = "linux"))]
    let flags = SendFlags::empty();
    write_with(stream, bytes, flags)
}

fn write_with(stream: impl AsFd, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    loop {
        let part = bytes.get(..shorten(bytes.len())).unwrap_or(bytes);
        let sent = fail(Call::Write)
            .and_then(|()| step(|| send(stream.as_fd(), part, flags | SendFlags::NOSIGNAL | SendFlags::DONTWAIT)));
        match sent {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Writes as much of several slices as the kernel takes.
pub(crate) fn write_vectored(stream: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        let mut control = SendAncillaryBuffer::default();
        let part = slices.get(..shorten(slices.len())).unwrap_or(slices);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match fail(Call::Write).and_then(|()| step(|| sendmsg(stream.as_fd(), part, &mut control, flags))) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// A read that fails, or that takes less than there is.
#[cfg(zefiro_faults)]
fn read_faultily(stream: std::os::fd::BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
    match fail(Call::Read) {
        Err(Errno::INTR) | Ok(()) => {}
        Err(error) => return Some(Err(error.into())),
    }
    let room = buffer.capacity() - buffer.len();
    let len = shorten(room);
    if len == room {
        return None;
    }
    let mut part = vec![0; len];
    Some(match recv(stream, &mut part[..], RecvFlags::DONTWAIT) {
        Ok((count, _)) => {
            count_read();
            buffer.extend_from_slice(part.get(..count).unwrap_or_default());
            Ok(count)
        }
        Err(error) => Err(error.into()),
    })
}

/// Sends a datagram, whole, if the kernel takes it at once.
pub(crate) fn send_to(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
    again_if_interrupted(|| {
        fail(Call::Write)?;
        socket.send_to(datagram, to)
    })
}

/// Takes a datagram that has come, and who sent it.
pub(crate) fn recv_from(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    again_if_interrupted(|| {
        fail(Call::Read)?;
        socket.recv_from(buffer)
    })
}

fn again_if_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Takes a peer that wants to connect: a stream that never blocks, and the peer's address if it is one of a network.
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    fail(Call::Accept)?;
    accept_quietly(listener)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn accept_quietly(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
    let (stream, address) = rustix::net::acceptfrom_with(listener, flags)?;
    Ok((Socket::from(stream), address.and_then(|address| SocketAddr::try_from(address).ok())))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn accept_quietly(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address.as_socket()))
}

/// A new socket, which never blocks.
pub(crate) fn open(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    fail(Call::Open)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Socket::new(domain, kind.nonblocking(), protocol);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let socket = Socket::new(domain, kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Whether what is set of a listener holds for the streams it accepts.
pub(crate) const ACCEPTED_INHERIT: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Begins to connect.
pub(crate) fn connect(stream: &Socket, address: &SockAddr) -> io::Result<()> {
    fail(Call::Connect)?;
    stream.connect(address)
}

/// Ends both directions at once, so that the peer learns of it whoever else still holds the descriptor.
pub(crate) fn shutdown(stream: impl AsFd) {
    let _ = step(|| rustix::net::shutdown(stream, rustix::net::Shutdown::Both));
}

/// Ends what this side says: the peer reads the end after what was written, and may go on talking.
pub(crate) fn end_output(stream: impl AsFd) {
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
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

/// Whether [`host_lives`] knows.
pub(crate) const KNOWS_HOSTS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Whether the system at the other end of a tcp connection has acknowledged something within `silence`, or all that it
/// could be sent: then it is there, whatever its program does. Of other streams, whose end is always told, it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn host_lives(stream: impl AsFd, silence: std::time::Duration) -> bool {
    tcp_info(stream).is_none_or(|info| {
        let heard = std::time::Duration::from_millis(info.tcpi_last_ack_recv.into());
        // Probes go out while the peer has no room, and again and again when nobody answers.
        heard < silence || (info.tcpi_unacked == 0 && info.tcpi_probes < 2)
    })
}

/// Nobody knows here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn host_lives(_stream: impl AsFd, _silence: std::time::Duration) -> bool {
    false
}

/// What the kernel knows of a tcp connection; `None`: it is none.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no crate in use wraps this call")]
fn tcp_info(stream: impl AsFd) -> Option<libc::tcp_info> {
    // SAFETY: of plain numbers, zeros are as good as any.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    // SAFETY: it is made of plain numbers.
    unsafe { option(stream, libc::IPPROTO_TCP, libc::TCP_INFO, std::slice::from_mut(&mut info)) }.ok()?;
    Some(info)
}

/// The process at the other end of a Unix socket, as the kernel vouches for it: user, group, process; the last is 0 of
/// one that this process cannot see. (rustix holds that there is none such.)
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no crate in use wraps this call soundly")]
pub(crate) fn peer_credentials(stream: impl AsFd) -> Option<(u32, u32, u32)> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    // SAFETY: it is made of plain numbers.
    unsafe { option(stream, libc::SOL_SOCKET, libc::SO_PEERCRED, std::slice::from_mut(&mut credentials)) }.ok()?;
    Some((credentials.uid, credentials.gid, credentials.pid as u32))
}

/// The process: not known on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer_credentials(_stream: impl AsFd) -> Option<(u32, u32, u32)> {
    None
}

/// The groups beside its first that this process had when it connected; none where the system, as Linux before 4.13, does
/// not tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no crate in use wraps this call")]
pub(crate) fn peer_groups(stream: impl AsFd) -> Vec<u32> {
    let mut groups = vec![0u32; 64];
    loop {
        // SAFETY: these are plain numbers.
        match unsafe { option(&stream, libc::SOL_SOCKET, libc::SO_PEERGROUPS, &mut groups) } {
            Ok(bytes) => {
                groups.truncate(bytes / size_of::<u32>());
                return groups;
            }
            // There are more.
            Err(bytes) if bytes > size_of_val(&groups[..]) => groups.resize(bytes / size_of::<u32>(), 0),
            Err(_) => return Vec::new(),
        }
    }
}

/// No groups are known on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer_groups(_stream: impl AsFd) -> Vec<u32> {
    Vec::new()
}

/// Reads an option of a stream. Answers how many bytes it has; as an error how many it would have, or no more than there is
/// room for.
///
/// # Safety
/// Any bytes at all must be a `T`.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no crate in use wraps this call for all options")]
unsafe fn option<T>(stream: impl AsFd, level: i32, name: i32, value: &mut [T]) -> Result<usize, usize> {
    use std::os::fd::AsRawFd;
    let mut len = size_of_val(value) as libc::socklen_t;
    let descriptor = stream.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open while it is borrowed, and the kernel writes at most `len` bytes.
    let result = unsafe { libc::getsockopt(descriptor, level, name, value.as_mut_ptr().cast(), &mut len) };
    if result == 0 { Ok(len as usize) } else { Err(len as usize) }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_system_that_acknowledges_lives_whether_its_program_reads_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _unread = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while write(&stream, &[0; 65536]).is_ok() {}
        assert!(host_lives(&stream, Duration::ZERO) || host_lives(&stream, Duration::from_secs(5)));
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(host_lives(&one, Duration::ZERO));
    }
}
