//! `zefiro monitor`: an endpoint's connection events as they happen.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zefiro::SocketType;

use crate::args::EXIT_TIMEOUT;
use crate::ends::Ends;

/// Print the connection events of a socket as they happen
///
/// The socket is made for it: it shows whether, and how, a peer can be reached, or who comes.
#[derive(clap::Args)]
#[command(after_help = crate::args::examples!(
    "zefiro monitor --connect tcp://localhost:5555 --timeout 5s",
    "zefiro monitor --bind 'tcp://*:5555' --type pull --json",
))]
pub struct Args {
    #[command(flatten)]
    ends: Ends,
    /// The type of the socket; it should suit the peer's
    #[arg(long = "type", value_name = "TYPE", default_value = "dealer", value_parser = crate::args::socket_type)]
    socket_type: SocketType,
    /// End after so many events
    #[arg(short = 'n', long, value_parser = crate::args::at_least_one)]
    count: Option<u64>,
    /// End after so long: 500ms, 5s; a bare number is seconds
    #[arg(short = 'w', long, value_name = "TIME", value_parser = crate::args::duration)]
    timeout: Option<Duration>,
    /// Print JSON lines
    #[arg(short, long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let socket = args.ends.build(args.socket_type, None)?;
    let mut monitor = socket.monitor();
    args.ends.attach(&socket)?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let left = args.timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        let event = match left {
            Some(left) => monitor.recv_timeout(left),
            None => monitor.next(),
        };
        let Some(event) = event else {
            return Ok(if seen > 0 && args.count.is_none() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TIMEOUT) });
        };
        seen += 1;
        let seconds = start.elapsed().as_secs_f64();
        let mut out = std::io::stdout().lock();
        if args.json {
            let line = serde_json::json!({
                "seconds": seconds, "event": event.kind.to_string(), "endpoint": event.endpoint, "peer": event.peer,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{seconds:>9.3} s  {event}")?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}
