//! Files as Unix has them: who owns them and may use them, and paths to sockets of any length.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use socket2::{SockAddr, Socket};

/// A new file with this mode from the start; one that is there is left alone.
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// A new directory only this user can enter.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

pub(crate) fn mode(file: &Metadata) -> u32 {
    file.permissions().mode() & 0o7777
}

/// Sets the mode of the file itself, not of what it may be a link to, lest somebody puts a link in its place.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    itself(path, |file| std::fs::set_permissions(file, Permissions::from_mode(mode)))
}

/// Gives the file itself, not what it may be a link to, to a user and a group.
pub(crate) fn set_owner(path: &Path, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    std::os::unix::fs::lchown(path, user, group)
}

/// Gives a directory back to this process's user, where the process may do that.
pub(crate) fn take_back(directory: &Path) -> io::Result<()> {
    set_owner(directory, Some(rustix::process::geteuid().as_raw()), None)
}

pub(crate) fn is_socket(file: &Metadata) -> bool {
    file.file_type().is_socket()
}

/// The address of an abstract name, which is no file.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

/// Binds to a path that no file has. Where it is too long for an address, the socket is made under a short name in the same
/// directory, which is reached through a descriptor, and then given its long one.
pub(crate) fn bind(socket: &Socket, path: &Path) -> io::Result<()> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return socket.bind(&SockAddr::unix(path)?);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = format!(".zefiro-{}", unique_name());
    by_descriptor(parent, |directory| {
        let made = directory.join(&name);
        socket.bind(&SockAddr::unix(&made)?)?;
        // As a second name, which takes no other's place; the first one goes.
        let linked = std::fs::hard_link(&made, path);
        let removed = std::fs::remove_file(&made);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(rustix::io::Errno::ADDRINUSE.into()),
            linked => linked.and(removed),
        }
    })
}

/// Calls `act` with the address of the socket at a path. One too long for an address is reached through a descriptor.
pub(crate) fn with_address<T>(path: &Path, act: impl FnOnce(&SockAddr) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return act(&SockAddr::unix(path)?);
    }
    by_descriptor(path, |short| act(&SockAddr::unix(short)?))
}

/// Calls `act` with a short path to a file, which leads through the file system of this process's descriptors.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn by_descriptor<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    through_descriptor(path, rustix::fs::OFlags::empty(), act)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn itself<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    through_descriptor(path, rustix::fs::OFlags::NOFOLLOW, act)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn through_descriptor<T>(
    path: &Path,
    flags: rustix::fs::OFlags,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    use std::os::fd::AsRawFd;
    let flags = flags | rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    act(&Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()))
}

/// Without such a file system it is only looked whether it is a link.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn itself<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    match std::fs::symlink_metadata(path)?.file_type().is_symlink() {
        true => Err(io::ErrorKind::InvalidInput.into()),
        false => act(path),
    }
}

/// There is no such file system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn by_descriptor<T>(_path: &Path, _act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket address"))
}

/// Six letters unlikely to be taken.
pub(crate) fn unique_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    let mut random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let mut name = String::new();
    for _ in 0..6 {
        name.push(char::from(b'a' + (random % 26) as u8));
        random /= 26;
    }
    name
}

/// Longest path that fits a socket address, with its terminating zero.
const PATH_BYTES_MAX: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };
