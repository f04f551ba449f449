//! The table: a line each scenario, the running one updated in place on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::scenario::{Outcome, Scenario};

pub struct Table {
    live: bool,
    begun: Instant,
    shown: Instant,
}

impl Table {
    pub fn new() -> io::Result<Table> {
        show!(
            "{:<20} {:<9} {:<8} {:>10} {:>13} {:>10} {:>10} {:>10}",
            "pattern",
            "transport",
            "peer",
            "messages",
            "rate",
            "volume",
            "p50",
            "p99"
        )?;
        let now = Instant::now();
        Ok(Table { live: std::io::stdout().is_terminal(), begun: now, shown: now })
    }

    pub fn begin(&mut self, scenario: &Scenario) {
        self.begun = Instant::now();
        self.progress(scenario, 0);
    }

    /// At most twenty times a second, and only on a terminal.
    pub fn progress(&mut self, scenario: &Scenario, messages: u64) {
        let now = Instant::now();
        if !self.live || (messages > 0 && now.duration_since(self.shown) < Duration::from_millis(50)) {
            return;
        }
        self.shown = now;
        let rate = messages as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "\r\x1b[2K{} {:>10} {:>11.0}/s  …", head(scenario), messages, rate);
        let _ = out.flush();
    }

    pub fn end(&mut self, scenario: &Scenario, outcome: &Outcome) -> io::Result<()> {
        let latency = |pick: fn(&(Duration, Duration)) -> Duration| {
            outcome
                .latency
                .as_ref()
                .map_or(String::new(), |both| format!("{:.1} µs", pick(both).as_nanos() as f64 / 1e3))
        };
        self.finish(&format!(
            "{} {:>10} {:>11.0}/s {:>7.1} MB {:>10} {:>10}  ✓",
            head(scenario),
            outcome.messages,
            outcome.rate(),
            outcome.bytes as f64 / 1e6,
            latency(|both| both.0),
            latency(|both| both.1),
        ))
    }

    pub fn fail(&mut self, scenario: &Scenario, error: &anyhow::Error) -> io::Result<()> {
        self.finish(&format!("{}  ✗ {error:#}", head(scenario)))
    }

    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.finish(&format!("({text})"))
    }

    fn finish(&mut self, line: &str) -> io::Result<()> {
        let start = if self.live { "\r\x1b[2K" } else { "" };
        show!("{start}{line}")
    }
}

fn head(scenario: &Scenario) -> String {
    format!("{:<20} {:<9} {:<8}", scenario.pattern, scenario.transport, scenario.peers.name())
}
