//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand};
use zefiro::SocketType;

use crate::transfer::Talk;

/// What a verb's help ends with.
macro_rules! examples {
    ($($example:literal),+ $(,)?) => {
        concat!("Examples:\n", $("  ", $example, "\n",)+ "\n", crate::args::exit_codes!())
    };
}

macro_rules! exit_codes {
    () => {
        "Exit codes:\n  0  all went well\n  1  something failed\n  2  the command line is wrong\n  3  the time was over first\n  130, 143  ended by Ctrl-C or a signal (128 and its number)"
    };
}

pub(crate) use {examples, exit_codes};

/// The command line is wrong, in a way that its parser does not see.
#[derive(Debug)]
pub struct Misuse(pub String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; see --help", self.0)
    }
}

impl std::error::Error for Misuse {}

/// What an endpoint is, for who has written something else.
pub const ENDPOINTS: &str = "endpoints look like tcp://127.0.0.1:5555, tcp://*:5555 or ipc:///tmp/socket";

/// Something failed.
pub const EXIT_FAILURE: u8 = 1;
/// See [`Misuse`]; clap's own.
pub const EXIT_MISUSE: u8 = 2;
/// The time was over, or nothing came.
pub const EXIT_TIMEOUT: u8 = 3;

/// Talk, proxy, watch and measure ZeroMQ sockets
#[derive(Parser)]
#[command(name = "zefiro", version, max_term_width = 100, after_help = exit_codes!())]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Demo(crate::demo::Args),
    #[command(flatten)]
    Talk(Box<Talk>),
    Proxy(crate::proxy::Args),
    Monitor(crate::monitor::Args),
    Keygen(crate::keygen::Args),
    Perf(crate::perf::Args),
    #[command(hide = true)]
    DemoPeer(crate::demo::peer::Args),
    #[command(hide = true)]
    PerfChild(crate::perf::ChildArgs),
}

/// A number of messages: not none.
pub fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number from 1 is wanted".to_string())
}

/// The name of a socket type, in either case.
pub fn socket_type(text: &str) -> Result<SocketType, String> {
    text.parse().map_err(|_| {
        let names = SocketType::ALL.map(|socket_type| socket_type.name().to_lowercase());
        format!("there is no such socket type; these are: {}", names.join(", "))
    })
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
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time; use ms, s, m or h")),
    };
    let time = Duration::try_from_secs_f64(number * scale).ok().filter(|time| *time <= TIME_MAX);
    time.ok_or_else(|| "a time is 24 days at most".to_string())
}

/// Sockets count their time limits in 31 bits of milliseconds.
const TIME_MAX: Duration = Duration::from_secs(24 * 24 * 60 * 60);
