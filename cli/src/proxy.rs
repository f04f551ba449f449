//! `zefiro proxy`: carries messages between two sockets.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use zefiro::{AnySocket, Proxy, ProxyStatistics, SocketType};

use crate::args::{Misuse, pause, socket_type};
use crate::ends::{SocketOption, bind, build, endpoint, is_news};

/// Carry messages between two sockets, with live counters on a terminal
///
/// Sockets are given as TYPE:ENDPOINT to bind, or TYPE>ENDPOINT to connect. The pairs that make sense: router and dealer,
/// xsub and xpub, pair and pair, in either order; pull and push, sub and pub, the receiving one as the frontend.
#[derive(clap::Args)]
#[command(after_help = crate::args::examples!(
    "zefiro proxy 'xsub:tcp://*:5559' 'xpub:tcp://*:5560'",
    "zefiro proxy 'router:tcp://*:5555' 'dealer>tcp://worker:5556' --capture 'pub:tcp://*:5570'",
    "zefiro proxy 'pull:tcp://*:5555' 'push>ipc:///tmp/inside' --frontend-key-file outside.key",
))]
pub struct Args {
    /// The side clients use
    #[arg(value_parser = Side::parse)]
    frontend: Side,
    /// The side services use
    #[arg(value_parser = Side::parse)]
    backend: Side,
    /// A socket that gets a copy of every message; those of type push, dealer and pair hold the messages up while nobody
    /// takes the copies
    #[arg(long, value_name = "SOCKET", value_parser = Side::parse)]
    capture: Option<Side>,
    /// A socket that obeys PAUSE, RESUME, TERMINATE and STATISTICS
    #[arg(long, value_name = "SOCKET", value_parser = Side::parse)]
    control: Option<Side>,
    /// Print a line of counters this often instead of updating one: 10s
    #[arg(long, value_parser = pause)]
    every: Option<Duration>,
    /// Socket option of both sides, as sndhwm=10 or linger=2s, or of the one that it is for, as xpub_verbose=1 (repeatable)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = SocketOption::parse)]
    option: Vec<SocketOption>,
    /// Socket option of the clients' side (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = SocketOption::parse)]
    frontend_option: Vec<SocketOption>,
    /// Socket option of the services' side (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = SocketOption::parse)]
    backend_option: Vec<SocketOption>,
    /// Encrypt on all sockets, with a key that all ends have in a file: `zefiro keygen --shared`. Without this, the key in
    /// ZEFIRO_SHARED_KEY or in the file that ZEFIRO_KEY_FILE names is taken, if one of them is set
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Encrypt on the clients' side, with this key
    #[arg(long, value_name = "FILE")]
    frontend_key_file: Option<PathBuf>,
    /// Encrypt on the services' side, with this key
    #[arg(long, value_name = "FILE")]
    backend_key_file: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.check()?;
    let open_side = |side: &Side, options: &[SocketOption], key_file: &Option<PathBuf>| {
        let types = [args.frontend.socket_type, args.backend.socket_type];
        // What is for neither is refused by both.
        let own = args
            .option
            .iter()
            .filter(|option| option.is_for(side.socket_type) || !types.iter().any(|of| option.is_for(*of)));
        let options: Vec<SocketOption> = own.chain(options).cloned().collect();
        side.open(&options, key_file.as_deref().or(args.key_file.as_deref()))
    };
    let frontend = open_side(&args.frontend, &args.frontend_option, &args.frontend_key_file)?;
    let backend = open_side(&args.backend, &args.backend_option, &args.backend_key_file)?;
    let mut proxy = Proxy::new(&frontend, &backend);
    if let Some(side) = &args.capture {
        let capture = side.open(&[], args.key_file.as_deref())?;
        proxy = proxy.capture(&capture);
        let what = format!("--capture {}", side.socket_type.name().to_lowercase());
        thread::spawn(move || tell_of_waits(&capture, &what));
    }
    if let Some(control) = &args.control {
        proxy = proxy.control(&control.open(&[], args.key_file.as_deref())?);
    }
    if io::stderr().is_terminal() || args.every.is_some() {
        let (statistics, every) = (proxy.statistics(), args.every);
        thread::spawn(move || show_counters(&statistics, every));
    }
    proxy.run()?;
    Ok(ExitCode::SUCCESS)
}

/// Says that the copies find nobody, each time anew: then the messages themselves wait, too.
fn tell_of_waits(capture: &AnySocket, what: &str) {
    let mut waited = false;
    loop {
        thread::sleep(LOOKING);
        let waits = !capture.is_writable();
        if waits && !waited {
            say!("zefiro: {what} has no peer with room for copies: messages wait until it has");
        }
        waited = waits;
    }
}

/// Shows what was carried: a line each time, or one that is updated.
fn show_counters(statistics: &ProxyStatistics, every: Option<Duration>) {
    let (start, mut before) = (Instant::now(), (0, 0));
    loop {
        let pause = every.unwrap_or(LOOKING);
        thread::sleep(pause);
        let now = (statistics.forward(), statistics.backward());
        let rate = |now: u64, before: u64| (now - before) as f64 / pause.as_secs_f64();
        let line = format!(
            "{:>6.0} s   → {:>12} messages {:>10.0}/s {:>14} B   ← {:>12} messages {:>10.0}/s {:>14} B",
            start.elapsed().as_secs_f64(),
            now.0,
            rate(now.0, before.0),
            statistics.forward_bytes(),
            now.1,
            rate(now.1, before.1),
            statistics.backward_bytes(),
        );
        let end = if every.is_some() { "\n" } else { "\r" };
        let _ = write!(io::stderr(), "{line}{end}");
        before = now;
    }
}

/// How often to look at what is going on.
const LOOKING: Duration = Duration::from_secs(1);

impl Args {
    /// Refuses sockets between which nothing could be carried, or whose replies would find no way back.
    fn check(&self) -> Result<(), Misuse> {
        let pair = (self.frontend.socket_type, self.backend.socket_type);
        if !PAIRS.contains(&pair) {
            let names: Vec<String> =
                PAIRS.iter().map(|(one, other)| format!("{}/{}", name(*one), name(*other))).collect();
            let (one, other) = (name(pair.0), name(pair.1));
            return Err(Misuse(format!("{one} and {other} are no pair for a proxy; these are: {}", names.join(", "))));
        }
        for (side, what, types) in [(&self.capture, "--capture", CAPTURES), (&self.control, "--control", CONTROLS)] {
            if let Some(side) = side.as_ref().filter(|side| !types.contains(&side.socket_type)) {
                let names: Vec<String> = types.iter().map(|one| name(*one)).collect();
                return Err(Misuse(format!(
                    "{} is nothing for {what}; it is {}",
                    name(side.socket_type),
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }
}

fn name(socket_type: SocketType) -> String {
    socket_type.name().to_lowercase()
}

/// The frontends and backends between which a proxy makes sense.
const PAIRS: &[(SocketType, SocketType)] = &[
    (SocketType::Router, SocketType::Dealer),
    (SocketType::Dealer, SocketType::Router),
    (SocketType::XSub, SocketType::XPub),
    (SocketType::XPub, SocketType::XSub),
    (SocketType::Pull, SocketType::Push),
    (SocketType::Sub, SocketType::Pub),
    (SocketType::Pair, SocketType::Pair),
];

/// What can be sent copies without answering, and what can give orders: zmq_proxy_steerable(3).
const CAPTURES: &[SocketType] = &[SocketType::Pub, SocketType::Push, SocketType::Dealer, SocketType::Pair];
const CONTROLS: &[SocketType] = &[SocketType::Rep, SocketType::Pull, SocketType::Sub, SocketType::Pair];

/// A socket as it is given.
#[derive(Clone)]
struct Side {
    socket_type: SocketType,
    connects: bool,
    endpoint: String,
}

impl Side {
    fn parse(text: &str) -> Result<Side, String> {
        let at = text.find([':', '>']).ok_or("a socket is given as type:endpoint (bind) or type>endpoint (connect)")?;
        Ok(Side {
            socket_type: socket_type(&text[..at])?,
            connects: text[at..].starts_with('>'),
            endpoint: endpoint(&text[at + 1..])?,
        })
    }

    fn open(&self, options: &[SocketOption], key_file: Option<&Path>) -> anyhow::Result<AnySocket> {
        let socket = build(self.socket_type, options, key_file, None)?;
        if self.connects {
            socket.connect(&self.endpoint)?;
        } else {
            let bound = bind(&socket, &self.endpoint)?;
            if is_news(&bound, &self.endpoint) {
                say!("{} bound to {bound}", self.socket_type.name().to_lowercase());
            }
        }
        if self.socket_type == SocketType::Sub {
            socket.subscribe("")?;
        }
        Ok(socket)
    }
}
