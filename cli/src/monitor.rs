//! `zefiro monitor`: an endpoint's connection events as they happen.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zefiro::{Event, EventKind, SocketType};

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
    /// Print JSON lines: the name of the event, its endpoint, both addresses where they are known, the reason of a failure,
    /// and its number: an errno, the status 300, 400 or 500 of an authenticator, or milliseconds before a retry
    #[arg(short, long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let socket = args.ends.build("monitor", args.socket_type, None)?;
    let mut monitor = socket.monitor();
    let endpoints = args.ends.attach(&socket)?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let left = args.timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        let event = match left {
            Some(left) => monitor.recv_timeout(left),
            None => monitor.next(),
        };
        let Some(event) = event else {
            return Ok(match args.timeout {
                // The time is over, and something is missing.
                Some(timeout) if !crate::signals::caught() && (seen == 0 || args.count.is_some()) => {
                    let of = args.count.map(|count| format!(" of {count}")).unwrap_or_default();
                    say!("zefiro: monitor {}: {seen}{of} events came within {timeout:?}", endpoints.join(", "));
                    ExitCode::from(EXIT_TIMEOUT)
                }
                // Or a signal has closed the socket.
                _ => ExitCode::SUCCESS,
            });
        };
        seen += 1;
        let seconds = start.elapsed().as_secs_f64();
        let mut out = std::io::stdout().lock();
        if args.json {
            writeln!(out, "{}", as_json(seconds, &event))?;
        } else {
            writeln!(out, "{seconds:>9.3} s  {event}")?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(seconds: f64, event: &Event) -> Value {
    let (name, reason, number) = match &event.kind {
        EventKind::Listening => ("listening", None, None),
        EventKind::BindFailed(why) => ("bind_failed", Some(why), None),
        EventKind::Accepted => ("accepted", None, None),
        EventKind::AcceptFailed(why) => ("accept_failed", Some(why), None),
        EventKind::Unresolved(why) => ("unresolved", Some(why), None),
        EventKind::ConnectDelayed => ("connect_delayed", None, None),
        EventKind::Connected => ("connected", None, None),
        EventKind::ConnectRetried(_) => ("connect_retried", None, Some("retry_ms")),
        EventKind::HandshakeSucceeded => ("handshake_succeeded", None, None),
        EventKind::HandshakeFailed(why) => ("handshake_failed", Some(why), Some("errno")),
        EventKind::ProtocolFailed(why) => ("protocol_failed", Some(why), Some("protocol_error")),
        EventKind::AuthenticationFailed(why) => ("authentication_failed", Some(why), Some("status")),
        EventKind::Disconnected(why) => ("disconnected", Some(why), None),
        EventKind::Closed(why) => ("closed", Some(why), None),
        EventKind::DuplicateRoutingId => ("duplicate_routing_id", None, None),
        EventKind::Stopped => ("stopped", None, None),
        _ => ("unknown", None, None),
    };
    let mut line = json!({
        "seconds": seconds, "event": name, "endpoint": event.endpoint, "peer": event.peer, "local": event.local,
        "reason": reason,
    });
    if let Some(number) = number {
        line[number] = event.value.into();
    }
    line
}
