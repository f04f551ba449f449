//! `zefiro demo`: real messages over every pattern and transport, checked.

pub mod peer;
mod python;
mod scenario;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;

use self::scenario::{Outcome, scenarios};
use self::table::Table;
use crate::args::Misuse;

/// Real messages over every pattern and transport, each checked: the main job, in a few seconds
///
/// Processes talk over tcp and ipc, threads over inproc; a libzmq peer joins in where a Python has one. Exit code 1 if
/// anything is not as it should be.
#[derive(clap::Args)]
#[command(after_help = crate::args::examples!(
    "zefiro demo",
    "zefiro demo --only ipc --percent 10",
))]
pub struct Args {
    /// Messages of each scenario, in percent of the usual number; at least ten
    #[arg(long, default_value_t = 100)]
    percent: u32,
    /// Only scenarios whose line contains this: a pattern, a transport, or process, thread or libzmq
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs all scenarios, one after the other, and shows what is going on.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let python = python::find();
    let mut scenarios = scenarios(python.as_deref());
    if let Some(only) = &args.only {
        scenarios.retain(|scenario| scenario.name().to_lowercase().contains(&only.to_lowercase()));
        if scenarios.is_empty() {
            return Err(Misuse(format!("no scenario's line contains {only:?}")).into());
        }
    }
    let mut table = Table::new()?;
    let mut failures = Vec::new();
    let (mut messages, mut bytes, mut ran) = (0, 0, 0);
    for scenario in scenarios {
        let name = scenario.name();
        ensure!(!crate::signals::caught(), "told to end");
        ran += 1;
        table.begin(&scenario);
        match scenario.run(args.percent, &mut |done| table.progress(&scenario, done)) {
            Ok(outcome) => {
                messages += outcome.messages;
                bytes += outcome.bytes;
                table.end(&scenario, &outcome)?;
            }
            Err(error) => {
                table.fail(&scenario, &error)?;
                failures.push(format!("{name}: {error:#}"));
            }
        }
    }
    if python.is_none() {
        table.note("no Python with pyzmq was found, so no libzmq peer took part (Debian: python3-zmq)")?;
    }
    let seconds = start.elapsed().as_secs_f64();
    if failures.is_empty() {
        show!(
            "\n✓ {messages} messages, {:.0} MB, in {seconds:.1} s: each arrived whole, once, and in order.",
            bytes as f64 / 1e6
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    show!("\n✗ {} of {ran} scenarios failed:", failures.len())?;
    for failure in failures {
        show!("  {failure}")?;
    }
    Ok(ExitCode::from(crate::args::EXIT_FAILURE))
}

impl Outcome {
    /// Messages per second.
    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds.max(1e-9)
    }
}
