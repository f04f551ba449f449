//! Where a socket binds and connects, with which options and which key.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use zefiro::{AnySocket, Context, ErrorKind, NotSent, OptionInfo, Options, SharedKey, SocketType, option_table};

use crate::args::Misuse;

/// Where to bind and connect, and with which options.
#[derive(Args)]
pub struct Ends {
    /// Endpoint to bind (repeatable)
    #[arg(short, long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub bind: Vec<String>,
    /// Endpoint to connect to (repeatable)
    #[arg(short, long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub connect: Vec<String>,
    /// Socket option, as sndhwm=10, linger=2s or ipv6, with the names of zmq_setsockopt(3) (repeatable)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = SocketOption::parse)]
    pub option: Vec<SocketOption>,
    /// Encrypt, with the key that both ends have in a file: `zefiro keygen --shared`. Without this, the key in
    /// ZEFIRO_SHARED_KEY or in the file that ZEFIRO_KEY_FILE names is taken, if one of them is set
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Ends {
    /// A socket with the options, neither bound nor connected yet.
    pub fn build(&self, verb: &str, socket_type: SocketType, timeout: Option<Duration>) -> anyhow::Result<AnySocket> {
        if self.bind.is_empty() && self.connect.is_empty() {
            return Err(Misuse(format!("{verb} needs --bind ENDPOINT or --connect ENDPOINT")).into());
        }
        build(socket_type, &self.option, self.key_file.as_deref(), timeout)
    }

    /// Binds and connects. What was bound is printed, as the system made it, when it was not fully given. Answers all
    /// endpoints.
    pub fn attach(&self, socket: &AnySocket) -> anyhow::Result<Vec<String>> {
        let mut endpoints = Vec::new();
        for endpoint in &self.bind {
            let bound = bind(socket, endpoint)?;
            if is_news(&bound, endpoint) {
                say!("bound to {bound}");
            }
            endpoints.push(bound);
        }
        for endpoint in &self.connect {
            socket.connect(endpoint)?;
            endpoints.push(endpoint.clone());
        }
        Ok(endpoints)
    }
}

/// Whether what was bound says more than what was given: that `*` is 0.0.0.0 is known.
pub fn is_news(bound: &str, given: &str) -> bool {
    given != bound && ["0.0.0.0", "[::]"].iter().all(|any| given.replacen("//*:", &format!("//{any}:"), 1) != bound)
}

/// Binds, and answers the endpoint as the system made it.
pub fn bind(socket: &AnySocket, endpoint: &str) -> zefiro::Result<String> {
    // A signal may come at any time: it waits until the file is known.
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = socket.bind(endpoint)?.to_string();
    if let Some(path) = bound.strip_prefix("ipc://")
        && let Ok(metadata) = std::fs::metadata(path)
    {
        files.push((path.into(), metadata.ino()));
    }
    Ok(bound)
}

/// Closes all sockets, and removes the files of bound endpoints, as long as they are still ours: a socket leaves them
/// behind, as libzmq's do, and whoever binds there next replaces them. No bind comes in between. Fails with what was not sent.
pub fn close_all(linger: Duration) -> Result<(), NotSent> {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let closed = Context::global().close_within(linger);
    for (path, inode) in files.drain(..) {
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == inode) {
            let _ = std::fs::remove_file(path);
        }
    }
    closed
}

/// The files of bound endpoints, and which they were.
static FILES: Mutex<Vec<(PathBuf, u64)>> = Mutex::new(Vec::new());

/// A socket with options, and with the key in a file or the environment.
pub fn build(
    socket_type: SocketType,
    options: &[SocketOption],
    key_file: Option<&Path>,
    timeout: Option<Duration>,
) -> anyhow::Result<AnySocket> {
    let mut builder = AnySocket::builder_of(socket_type);
    for SocketOption { name, value } in options {
        builder.options_mut().set_text(name, value).map_err(|error| Misuse(error.to_string()))?;
    }
    let options = builder.options_mut();
    options.shared_key = key(socket_type, key_file)?;
    options.recv_timeout = options.recv_timeout.or(timeout);
    options.send_timeout = options.send_timeout.or(timeout);
    builder.build().map_err(|error| match error.kind() {
        // Each is right for itself, but not all of them together, or for this type.
        ErrorKind::InvalidOption => Misuse(error.to_string()).into(),
        _ => error.into(),
    })
}

/// The key that was given, or the environment's: who has set one there never talks without.
fn key(socket_type: SocketType, key_file: Option<&Path>) -> anyhow::Result<Option<SharedKey>> {
    let in_environment = KEY_VARIABLES.iter().any(|variable| std::env::var_os(variable).is_some());
    match key_file {
        _ if socket_type == SocketType::Stream && (key_file.is_some() || in_environment) => {
            Err(Misuse("stream is plain TCP, which cannot be encrypted, and there is a key".into()).into())
        }
        Some(path) => Ok(Some(SharedKey::from_file(path)?)),
        None => Ok(in_environment.then(SharedKey::from_env).transpose()?),
    }
}

/// An endpoint that others can reach. Whether it is one at all, the socket says.
pub fn endpoint(text: &str) -> Result<String, String> {
    if text.starts_with("inproc:") {
        return Err("inproc is within one process, where nobody else could be; use ipc or tcp".into());
    }
    if !text.contains("://") {
        return Err(crate::args::ENDPOINTS.into());
    }
    if let Some(path) = text.strip_prefix("ipc://").filter(|path| !path.starts_with('@')) {
        // A connecting socket would try for ever. What is too long for a socket's address is not, but for a file.
        let found = std::fs::symlink_metadata(path);
        if found.is_err_and(|error| error.kind() == io::ErrorKind::InvalidFilename) {
            return Err("a path may have 4,095 bytes, and 255 between two slashes".into());
        }
    }
    Ok(text.to_string())
}

/// A socket option as it is given: `sndhwm=10`, or `ipv6` alone for one that is on or off.
#[derive(Clone)]
pub struct SocketOption {
    name: String,
    value: String,
}

impl SocketOption {
    /// Whether it is the one with this field in [`Options`].
    pub fn sets(&self, field: &str) -> bool {
        let mut table = option_table().iter().filter(|info| info.field == field);
        table.any(|info| [plain(info.c_name), plain(info.field)].contains(&plain(&self.name)))
    }

    /// Whether sockets of this type have it.
    pub fn is_for(&self, socket_type: SocketType) -> bool {
        let types = option_table().iter().find(|info| self.sets(info.field)).map_or(&[][..], |info| info.types);
        types.is_empty() || types.contains(&socket_type)
    }

    pub fn parse(text: &str) -> Result<SocketOption, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let Some(info) =
            option_table().iter().find(|info| [plain(info.c_name), plain(info.field)].contains(&plain(name)))
        else {
            return Err(unknown(name));
        };
        let value = match value {
            Some(value) => value,
            None if info.unit == "flag" => "1",
            None => return Err(format!("it needs a value, {name}=VALUE: {} ({})", info.unit, info.range)),
        };
        Options::default().set_text(name, value).map_err(|_| refused(info))?;
        Ok(SocketOption { name: name.to_string(), value: value.to_string() })
    }
}

fn refused(OptionInfo { unit, range, .. }: &OptionInfo) -> String {
    let unit = if *unit == "time" { "250ms, 2s; a bare number is milliseconds, as in C" } else { unit };
    if range.ends_with(unit) { format!("allowed is: {range}") } else { format!("allowed is: {range} ({unit})") }
}

/// There is no option of this name, but perhaps one much like it.
fn unknown(name: &str) -> String {
    let likeness = |option: &&str| strsim::jaro_winkler(&plain(name), &plain(option));
    let names = option_table().iter().flat_map(|info| [info.c_name, info.field]);
    let nearest = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|nearest| likeness(nearest) > LIKENESS_MIN) {
        Some(nearest) => format!("there is no such option; is it {}?", short(nearest)),
        None => "there is no such option; zmq_setsockopt(3) has the names".to_string(),
    }
}

/// A name of an option as one types it.
fn short(name: &str) -> String {
    name.to_lowercase().trim_start_matches("zmq_").trim_start_matches("zefiro_").to_string()
}

/// A name without what does not matter in it.
fn plain(name: &str) -> String {
    short(name).replace(['_', '-'], "")
}

/// Where [`SharedKey::from_env`] looks.
const KEY_VARIABLES: [&str; 2] = ["ZEFIRO_SHARED_KEY", "ZEFIRO_KEY_FILE"];

/// From here on two names may be the same, mistyped.
const LIKENESS_MIN: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_open_is_news() {
        for (bound, given) in [
            ("tcp://0.0.0.0:5555", "tcp://*:5555"),
            ("tcp://[::]:5555", "tcp://*:5555"),
            ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("ipc:///tmp/a", "ipc:///tmp/a"),
        ] {
            assert!(!is_news(bound, given), "{bound}");
        }
        for (bound, given) in [
            ("tcp://0.0.0.0:40123", "tcp://*:*"),
            ("tcp://127.0.0.1:40123", "tcp://127.0.0.1:*"),
            ("tcp://127.0.0.1:5555", "tcp://lo:5555"),
            ("ipc:///tmp/x/socket", "ipc://*"),
        ] {
            assert!(is_news(bound, given), "{bound}");
        }
    }
}
