//! ipc: streams over Unix sockets, by path or by abstract name.

use std::io;
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::{Dial, NotDialled, NotListening, backlog, begin_connect};
use crate::endpoint::IpcEndpoint;
use crate::options::{FileMode, Options};
use crate::sys::{files, net};

/// A listener's traces in the file system, removed when it closes if they were made for it alone.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// The directory of a wildcard address, with the socket in it.
    directory: Option<PathBuf>,
}

impl Traces {
    /// Removes them. A directory that was given away is taken back where only its owner may remove what is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let removed = std::fs::remove_dir_all(directory);
        match &removed {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && files::take_back(directory).is_ok() => {
                std::fs::remove_dir_all(directory)
            }
            _ => removed,
        }
    }
}

/// Listens at `endpoint`. Answers the endpoint as it really is (a wildcard's path), and what to remove in the end.
///
/// A socket at the path is unlinked first, so that the traces of a killed program are no obstacle. Where endpoints are
/// strict, that is one that nobody listens at; as in libzmq, it is whatever there is.
pub(crate) fn listen(endpoint: &IpcEndpoint, options: &Options) -> Result<(Socket, IpcEndpoint, Traces), NotListening> {
    let socket = open()?;
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
    let bound = bind(&socket, &endpoint, options);
    let guarded = bound.and_then(|()| match (&traces.directory, &endpoint) {
        (Some(directory), IpcEndpoint::Path(path)) => guard_directory(directory, path, options),
        _ => Ok(()),
    });
    if let Err(error) = guarded.and_then(|()| socket.listen(backlog(options))) {
        let _ = traces.remove();
        return Err(NotListening::of(&socket, error));
    }
    Ok((socket, endpoint, traces))
}

fn bind(socket: &Socket, endpoint: &IpcEndpoint, options: &Options) -> io::Result<()> {
    let path = match endpoint {
        IpcEndpoint::Path(path) => path,
        IpcEndpoint::Abstract(name) => {
            if is_guarded(options) {
                let why = "an abstract name has no file, and so no mode and no owner";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            return socket.bind(&files::abstract_address(name)?);
        }
        IpcEndpoint::Wildcard => return Err(io::ErrorKind::InvalidInput.into()),
    };
    if options.strict_endpoints {
        refuse_what_is_in_use(path)?;
    }
    // What cannot be unlinked, say a directory, is in the way of the bind, which says so.
    let _ = std::fs::remove_file(path);
    files::bind(socket, path)?;
    // Nobody can connect yet: that takes somebody who listens.
    let guarded = guard(path, options, options.ipc_mode.map(FileMode::bits));
    guarded.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Gives a file its mode, owner and group, as far as they were chosen; the mode first, while the file is still ours.
fn guard(path: &Path, options: &Options, mode: Option<u32>) -> io::Result<()> {
    if let Some(mode) = mode {
        files::set_mode(path, mode)?;
    }
    if options.ipc_owner.is_some() || options.ipc_group.is_some() {
        files::set_owner(path, options.ipc_owner, options.ipc_group)?;
    }
    Ok(())
}

/// Who may write to the file of a wildcard address may enter its directory, once anything was chosen about that.
fn guard_directory(directory: &Path, path: &Path, options: &Options) -> io::Result<()> {
    if !is_guarded(options) {
        return Ok(());
    }
    let writers = files::mode(&std::fs::symlink_metadata(path)?) & 0o022;
    guard(directory, options, Some(0o700 | writers >> 1))
}

fn is_guarded(options: &Options) -> bool {
    options.ipc_mode.is_some() || options.ipc_owner.is_some() || options.ipc_group.is_some()
}

/// Fails if there is a file at the path that is no socket, or a socket at which somebody listens, or may do so: only who
/// is refused there knows that nobody does.
fn refuse_what_is_in_use(path: &Path) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(file) if !files::is_socket(&file) => in_use("there is a file, which is no socket"),
        Ok(_) => match dial(&IpcEndpoint::Path(path.into())) {
            Err(refused) if refused.error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            _ => in_use("somebody listens there"),
        },
    }
}

/// Begins to connect to `endpoint`.
pub(crate) fn dial(endpoint: &IpcEndpoint) -> Result<Dial, NotDialled> {
    let socket = open()?;
    match endpoint {
        IpcEndpoint::Path(path) => files::with_address(path, |address| Ok(begin_connect(socket, address)))?,
        IpcEndpoint::Abstract(name) => begin_connect(socket, &files::abstract_address(name)?),
        IpcEndpoint::Wildcard => Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
    }
}

fn open() -> io::Result<Socket> {
    net::open(Domain::UNIX, Type::STREAM, None)
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
        let directory = parent.join(format!("tmp{}", files::unique_name()));
        match files::create_private_directory(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| directory),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
