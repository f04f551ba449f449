//! ipc: streams over Unix sockets, by path or by abstract name.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Dial, NotListening, backlog, begin_connect};
use crate::endpoint::IpcEndpoint;
use crate::options::Options;
use crate::sys::net;

/// A listener's traces in the file system, removed when it closes if they were made for it alone.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// The directory of a wildcard address, with the socket in it.
    directory: Option<PathBuf>,
}

impl Traces {
    /// Removes them.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match &self.directory {
            Some(directory) => std::fs::remove_dir_all(directory),
            None => Ok(()),
        }
    }
}

/// Listens at `endpoint`. Answers the endpoint as it really is (a wildcard's path), and what to remove in the end.
///
/// A socket at the path is unlinked first, so that the traces of a killed program are no obstacle. Where endpoints are
/// strict, that is one that nobody listens at; as in libzmq, it is whatever there is.
pub(crate) fn listen(endpoint: &IpcEndpoint, options: &Options) -> Result<(Socket, IpcEndpoint, Traces), NotListening> {
    let mut traces = Traces::default();
    let endpoint = match endpoint {
        IpcEndpoint::Wildcard => {
            let directory = temporary_directory()?;
            let path = directory.join("socket");
            traces.directory = Some(directory);
            IpcEndpoint::Path(path)
        }
        other => other.clone(),
    };
    let socket = open()?;
    let bound = bind(&socket, &endpoint, options);
    if let Err(error) = bound.and_then(|()| socket.listen(backlog(options))) {
        let _ = traces.remove();
        return Err(NotListening::of(&socket, error));
    }
    Ok((socket, endpoint, traces))
}

fn bind(socket: &Socket, endpoint: &IpcEndpoint, options: &Options) -> io::Result<()> {
    let IpcEndpoint::Path(path) = endpoint else { return socket.bind(&address(endpoint)?) };
    if options.strict_endpoints {
        refuse_what_is_in_use(path)?;
    }
    // What cannot be unlinked, say a directory, is in the way of the bind, which says so.
    let _ = std::fs::remove_file(path);
    with_address(path, |address| socket.bind(address))
}

/// Fails if there is a file at the path that is no socket, or a socket at which somebody listens, or may do so: only who
/// is refused there knows that nobody does.
fn refuse_what_is_in_use(path: &Path) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(file) if !file.file_type().is_socket() => in_use("there is a file, which is no socket"),
        Ok(_) => match dial(&IpcEndpoint::Path(path.into())) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            _ => in_use("somebody listens there"),
        },
    }
}

/// Begins to connect to `endpoint`.
pub(crate) fn dial(endpoint: &IpcEndpoint) -> io::Result<Dial> {
    let socket = open()?;
    match endpoint {
        IpcEndpoint::Path(path) => {
            let mut dial = None;
            with_address(path, |address| {
                dial = Some(begin_connect(socket, address)?);
                Ok(())
            })?;
            dial.ok_or_else(|| io::ErrorKind::InvalidInput.into())
        }
        other => begin_connect(socket, &address(other)?),
    }
}

fn open() -> io::Result<Socket> {
    net::open(Domain::UNIX, Type::STREAM, None)
}

fn address(endpoint: &IpcEndpoint) -> io::Result<SockAddr> {
    match endpoint {
        IpcEndpoint::Path(path) => SockAddr::unix(path),
        IpcEndpoint::Abstract(name) => {
            let mut path = vec![0u8];
            path.extend_from_slice(name);
            SockAddr::unix(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&path))
        }
        IpcEndpoint::Wildcard => SockAddr::unix("*"),
    }
}

/// Calls `act` with the address of `path`. A path too long for a socket address is reached through its directory's
/// descriptor, where the system has a file system of those.
fn with_address(path: &Path, act: impl FnOnce(&SockAddr) -> io::Result<()>) -> io::Result<()> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return act(&SockAddr::unix(path)?);
    }
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket address");
    let name = path.file_name().ok_or_else(too_long)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    if short.as_os_str().len() > PATH_BYTES_MAX {
        return Err(too_long());
    }
    act(&SockAddr::unix(short)?)
}

/// A new directory only this user can enter, where the environment says temporary files go, else here.
fn temporary_directory() -> io::Result<PathBuf> {
    let parent = ["TMPDIR", "TEMPDIR", "TMP"]
        .iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .find(|path| path.is_dir())
        .unwrap_or_default();
    for _ in 0..100 {
        let directory = parent.join(format!("tmp{}", unique_name()));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| directory),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Six letters unlikely to be taken.
fn unique_name() -> String {
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
const PATH_BYTES_MAX: usize = 107;
