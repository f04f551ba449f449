//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use zefiro::{AnySocket, SharedKey, SocketType};

/// The command line is wrong, in a way that its parser does not see.
#[derive(Debug)]
pub struct Misuse(pub String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; see --help", self.0)
    }
}

impl std::error::Error for Misuse {}

/// Something failed.
pub const EXIT_FAILURE: u8 = 1;
/// See [`Misuse`]; clap's own.
pub const EXIT_MISUSE: u8 = 2;
/// The time was over, or nothing came.
pub const EXIT_TIMEOUT: u8 = 3;

/// Talk, proxy, watch and measure ZeroMQ sockets
///
/// Exit codes: 0 all went well; 1 something failed; 2 the command line is wrong; 3 the time was over first.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Demo(crate::demo::Args),
    #[command(flatten)]
    Talk(Talk),
    Proxy(crate::proxy::Args),
    Monitor(crate::monitor::Args),
    Keygen(crate::keygen::Args),
    Perf(crate::perf::Args),
    #[command(hide = true)]
    DemoPeer(crate::demo::peer::Args),
    #[command(hide = true)]
    PerfChild(crate::perf::ChildArgs),
}

/// The sockets one can talk with.
#[derive(Subcommand)]
pub enum Talk {
    /// Send messages to PULL peers in turn
    Push(TalkArgs),
    /// Receive messages from PUSH peers
    Pull(TalkArgs),
    /// Publish messages to all subscribers
    Pub(TalkArgs),
    /// Receive what publishers send on the topics subscribed to (all by default)
    Sub(TalkArgs),
    /// Send requests, one after the other, and print the replies
    Req(TalkArgs),
    /// Answer requests: --echo, --reply TEXT or --exec COMMAND
    Rep(TalkArgs),
    /// Send to peers in turn and print what comes back
    Dealer(TalkArgs),
    /// Print what comes, with the peer's routing id in front; answer with --echo, --reply or --exec
    Router(TalkArgs),
    /// Talk both ways with one peer
    Pair(TalkArgs),
    /// Publish, and print subscriptions
    Xpub(TalkArgs),
    /// Subscribe, and send anything upstream
    Xsub(TalkArgs),
    /// Talk with plain TCP peers: print what comes, answer with --echo, --reply or --exec
    Stream(TalkArgs),
}

impl Talk {
    pub fn parts(&self) -> (SocketType, &TalkArgs) {
        match self {
            Talk::Push(args) => (SocketType::Push, args),
            Talk::Pull(args) => (SocketType::Pull, args),
            Talk::Pub(args) => (SocketType::Pub, args),
            Talk::Sub(args) => (SocketType::Sub, args),
            Talk::Req(args) => (SocketType::Req, args),
            Talk::Rep(args) => (SocketType::Rep, args),
            Talk::Dealer(args) => (SocketType::Dealer, args),
            Talk::Router(args) => (SocketType::Router, args),
            Talk::Pair(args) => (SocketType::Pair, args),
            Talk::Xpub(args) => (SocketType::XPub, args),
            Talk::Xsub(args) => (SocketType::XSub, args),
            Talk::Stream(args) => (SocketType::Stream, args),
        }
    }
}

/// What to send, how often, and how to print what comes.
#[derive(Args)]
pub struct TalkArgs {
    #[command(flatten)]
    pub ends: Ends,
    /// Messages to send; without any, each line of the input is one
    pub messages: Vec<String>,
    /// Send each line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "messages")]
    pub lines: Option<PathBuf>,
    /// Send a whole file as one message (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "messages")]
    pub file: Vec<PathBuf>,
    /// Topic: what a socket that sends puts in front of each message, as its first part; what sub and xsub subscribe to
    /// (repeatable there)
    #[arg(short, long)]
    pub topic: Vec<String>,
    /// Splits messages into parts, and joins the parts of those that come
    #[arg(short, long, default_value = "|")]
    pub separator: String,
    /// Messages are hexadecimal, both ways
    #[arg(short = 'x', long)]
    pub hex: bool,
    /// Print each message as a JSON array of its parts: strings, or {"hex":"00ff"} where a part is no text
    #[arg(short, long)]
    pub json: bool,
    /// End after so many messages: received, or sent by a socket that only sends; the messages are repeated for it
    #[arg(short = 'n', long)]
    pub count: Option<u64>,
    /// Give up after so long without progress: 500ms, 2s (exit code 3)
    #[arg(short = 'w', long, value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Wait between messages: 100ms, 1s
    #[arg(short, long, value_parser = duration)]
    pub interval: Option<Duration>,
    /// Answer each message with itself (rep, router, stream; so too the two below)
    #[arg(long, conflicts_with_all = ["reply", "exec"])]
    pub echo: bool,
    /// Answer each message with this
    #[arg(long, value_name = "TEXT", conflicts_with = "exec")]
    pub reply: Option<String>,
    /// Answer each message with what this shell command makes of it: it reads the parts, joined by the separator
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Wait for so many peers before sending
    #[arg(long, default_value_t = 1)]
    pub peers: usize,
}

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
        build(socket_type, &self.option, self.key_file.as_ref(), timeout)
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
    key_file: Option<&PathBuf>,
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

/// The name of a socket type, in either case.
pub fn socket_type(text: &str) -> Result<SocketType, String> {
    SocketType::from_name(text.to_uppercase().as_bytes()).ok_or_else(|| "there is no such socket type".to_string())
}

/// A time to rest between two looks: not none.
pub fn pause(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it has to be longer than 0".to_string()),
        pause => Ok(pause),
    }
}

/// `500ms`, `2s`, `1m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| "a time looks like 500ms or 2s".to_string())?;
    let scale = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(format!("{unit:?} is no unit of time; use ms, s or m")),
    };
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}
