//! Where a socket binds and connects, with which options and which key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zefiro::{AnySocket, Configure as _, SharedKey, SocketType};

use crate::args::Misuse;

/// Where to bind and connect, and with which options.
#[derive(Args)]
pub struct Ends {
    /// Endpoint to bind (repeatable)
    #[arg(short, long, value_name = "ENDPOINT")]
    pub bind: Vec<String>,
    /// Endpoint to connect to (repeatable)
    #[arg(short, long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// Socket option, as sndhwm=10 or linger=2s (repeatable)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
    /// Encrypt, with the key that both ends have in a file: `zefiro keygen --shared`
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Ends {
    /// A socket with the options, neither bound nor connected yet.
    pub fn build(&self, socket_type: SocketType, timeout: Option<Duration>) -> anyhow::Result<AnySocket> {
        if self.bind.is_empty() && self.connect.is_empty() {
            let name = socket_type.name().to_lowercase();
            return Err(Misuse(format!("{name} needs --bind ENDPOINT or --connect ENDPOINT")).into());
        }
        build(socket_type, &self.option, self.key_file.as_deref(), timeout)
    }

    /// Binds and connects. What was bound is printed, as the system made it, when it was not fully given.
    pub fn attach(&self, socket: &AnySocket) -> anyhow::Result<()> {
        for endpoint in &self.bind {
            let bound = socket.bind(endpoint)?.to_string();
            if bound != *endpoint {
                say!("bound to {bound}");
            }
        }
        for endpoint in &self.connect {
            socket.connect(endpoint)?;
        }
        Ok(())
    }
}

/// A socket with options as text, and with the key in a file.
pub fn build(
    socket_type: SocketType,
    options: &[String],
    key_file: Option<&Path>,
    timeout: Option<Duration>,
) -> anyhow::Result<AnySocket> {
    let mut builder = AnySocket::builder_of(socket_type);
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, "1"));
        builder.options_mut().set_text(name, value)?;
    }
    let options = builder.options_mut();
    if let Some(path) = key_file {
        options.shared_key = Some(SharedKey::from_file(path)?);
    }
    options.recv_timeout = options.recv_timeout.or(timeout);
    options.send_timeout = options.send_timeout.or(timeout);
    Ok(builder.build()?)
}
