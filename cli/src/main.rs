//! `zefiro`: talk, proxy, watch and measure from the shell.

mod perf;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Perf(perf::Args),
    #[command(hide = true)]
    PerfChild(perf::ChildArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Perf(args) => perf::run(args),
        Command::PerfChild(args) => perf::run_child(args),
    }
}
