//! `zefiro`: talk, proxy, watch and measure ZeroMQ sockets from the shell.

/// A line on the standard output; answers whether it could be written.
macro_rules! show {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*)
    }};
}

/// A line on the standard error. If nobody reads that, there is nobody to tell.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod args;
mod demo;
mod ends;
mod keygen;
mod monitor;
mod perf;
mod proxy;
mod signals;
mod transfer;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::args::{Cli, Command};

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(answer) => {
            return match answer.print() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(args::EXIT_FAILURE),
                _ => ExitCode::from(answer.exit_code() as u8),
            };
        }
    };
    let result = run(command);
    let result = result.and_then(|code| Ok(io::stdout().flush().map(|()| code)?));
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say!("zefiro: {error:#}");
            if let Some(hint) = hint(&error) {
                say!("        {hint}");
            }
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // Those have processes and folders to put away; the others may wait for a line of input that never comes.
    let patience = match command {
        Command::Demo(_) | Command::Perf(_) => Duration::from_secs(5),
        _ => Duration::ZERO,
    };
    let watch = signals::Watch::begin(patience)?;
    let result = match command {
        Command::Demo(args) => demo::run(&args),
        Command::DemoPeer(args) => demo::peer::run(&args),
        Command::Proxy(args) => proxy::run(&args),
        Command::Monitor(args) => monitor::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Perf(args) => perf::run(args),
        Command::PerfChild(args) => perf::run_child(args),
        Command::Talk(talk) => transfer::run(*talk),
    };
    watch.end();
    // What was not sent has been told.
    let _ = ends::close_all(Duration::ZERO);
    result
}

fn exit_code(error: &anyhow::Error) -> u8 {
    use zefiro::ErrorKind;
    match error.downcast_ref().map(zefiro::Error::kind) {
        // Verbs that talk say more, as `TimedOut`; a proxy has sides with times of their own.
        Some(ErrorKind::TimedOut | ErrorKind::WouldBlock) => args::EXIT_TIMEOUT,
        // All endpoints are the command line's.
        Some(ErrorKind::InvalidEndpoint | ErrorKind::UnsupportedTransport | ErrorKind::IncompatibleTransport) => {
            args::EXIT_MISUSE
        }
        None if error.is::<args::Misuse>() => args::EXIT_MISUSE,
        _ => args::EXIT_FAILURE,
    }
}

/// Whoever read our output has had enough: no reason to complain.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    use zefiro::ErrorKind;
    match error.downcast_ref::<zefiro::Error>()?.kind() {
        ErrorKind::AddressInUse => Some("choose another address, or tcp://HOST:* for any port that is free"),
        ErrorKind::InvalidEndpoint => Some(args::ENDPOINTS),
        _ => None,
    }
}
