//! Report: medians, ratios and their range, beside the figure to reach.

use std::collections::BTreeMap;

use serde_json::json;

use super::work::{Measured, Work};
use super::{Contender, Task, Transport};

/// What is printed, a row at a time.
pub struct Report {
    json: bool,
    rows: Vec<Row>,
    headed: bool,
}

/// One workload's rounds.
pub struct Row {
    pub label: String,
    work: Work,
    transport: Transport,
    size: usize,
    rounds: BTreeMap<u8, (Contender, Vec<Figures>)>,
}

/// What a round comes to.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Messages per second, or nanoseconds, or bytes: what the workload is about.
    main: f64,
    second: Option<f64>,
    /// CPU seconds per million messages, both sides.
    cpu: Option<f64>,
}

impl Report {
    pub fn new(json: bool) -> Report {
        if json {
            let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let model =
                cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
            let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            let cpus = std::thread::available_parallelism().map_or(0, usize::from);
            show!(
                "{}",
                json!({"cpu": model, "cpus": cpus, "kernel": kernel.trim(), "zefiro": env!("CARGO_PKG_VERSION"),
                    "libzmq": super::libzmq_version()})
            );
        }
        Report { json, rows: Vec::new(), headed: false }
    }

    pub fn round(&self, task: &Task, contender: Contender, round: usize, (served, driven): &(Measured, Measured)) {
        if self.json {
            show!(
                "{}",
                json!({"label": task.label, "contender": contender, "round": round, "bound": served, "connected": driven})
            );
        }
    }

    pub fn row(&mut self, row: Row) {
        if !self.json {
            if !self.headed {
                show!(
                    "{:<30} {:<9} {:>12} {:>10} {:>9}   zefiro ÷ this (range)  to reach",
                    "work",
                    "who",
                    "median",
                    "p99",
                    "CPU s/M"
                );
                self.headed = true;
            }
            row.print();
        }
        self.rows.push(row);
    }

    pub fn finish(&self) {
        if !self.json {
            show!("\nMedians of the rounds; ratios are medians of the rounds' ratios. CPU: both sides together.");
        }
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    pub fn new(task: &Task) -> Row {
        Row {
            label: task.label.clone(),
            work: task.work,
            transport: task.transport,
            size: task.plan.size,
            rounds: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, contender: Contender, (served, driven): (Measured, Measured)) {
        let count = served.count.max(driven.count).max(1) as f64;
        let cpu = Some((served.cpu + driven.cpu) / count * 1e6);
        let figures = match self.work {
            Work::Thr | Work::In | Work::Gap => Figures {
                main: served.count as f64 / served.seconds,
                second: served.latency.map(|latency| latency[0] as f64),
                cpu,
            },
            Work::Lat => Figures {
                main: driven.latency.map_or(f64::NAN, |latency| latency[0] as f64),
                second: driven.latency.map(|latency| latency[1] as f64),
                cpu,
            },
            Work::Fan | Work::Rtr | Work::Conn => {
                let count = if self.work == Work::Conn { served.count } else { driven.count };
                Figures { main: count as f64 / driven.seconds, second: None, cpu }
            }
            Work::Idle => Figures { main: served.extra.unwrap_or(f64::NAN), second: driven.extra, cpu: None },
            Work::Subs => Figures {
                main: served.extra.unwrap_or(f64::NAN),
                second: served.latency.map(|latency| latency[0] as f64),
                cpu: None,
            },
        };
        self.rounds.entry(contender as u8).or_insert_with(|| (contender, Vec::new())).1.push(figures);
    }

    /// Each contender's median.
    pub fn medians(&self) -> Vec<(Contender, f64)> {
        self.rounds
            .values()
            .map(|(contender, rounds)| (*contender, median(rounds.iter().map(|round| round.main))))
            .collect()
    }

    pub fn is_rate(&self) -> bool {
        !matches!(self.work, Work::Lat | Work::Idle | Work::Subs)
    }

    fn print(&self) {
        let ours: Vec<Figures> = self.rounds.values().next().map(|(_, rounds)| rounds.clone()).unwrap_or_default();
        for (index, (contender, rounds)) in self.rounds.values().enumerate() {
            let main = self.text(median(rounds.iter().map(|round| round.main)));
            let seconds: Vec<f64> = rounds.iter().filter_map(|round| round.second).collect();
            let second = if seconds.is_empty() { String::new() } else { self.second_text(median(seconds.into_iter())) };
            let cpus: Vec<f64> = rounds.iter().filter_map(|round| round.cpu).collect();
            let cpu = if cpus.is_empty() { String::new() } else { format!("{:.3}", median(cpus.into_iter())) };
            let ratio = if index == 0 { String::new() } else { self.ratio(*contender, &ours, rounds) };
            let label = if index == 0 { self.label.as_str() } else { "" };
            let who = format!("{contender:?}").to_lowercase();
            show!("{label:<30} {who:<9} {main:>12} {second:>10} {cpu:>9}   {ratio}");
        }
    }

    /// The median of the rounds' ratios, their range, and whether it reaches what was set.
    fn ratio(&self, contender: Contender, ours: &[Figures], theirs: &[Figures]) -> String {
        let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours.main / theirs.main).collect();
        ratios.sort_by(f64::total_cmp);
        let median = median(ratios.iter().copied());
        let range = format!("{:.2}–{:.2}", ratios.first().unwrap_or(&f64::NAN), ratios.last().unwrap_or(&f64::NAN));
        let target = match self.target(contender) {
            Some((wanted, true)) => format!("≥ {wanted} {}", if median >= wanted { "✓" } else { "✗" }),
            Some((wanted, false)) => format!("≤ {wanted} {}", if median <= wanted { "✓" } else { "✗" }),
            None => String::new(),
        };
        format!("{median:>6.2} × ({range})  {target}")
    }

    /// What the ratio is to be, and whether at least or at most.
    fn target(&self, contender: Contender) -> Option<(f64, bool)> {
        match (self.work, self.transport, contender) {
            (Work::Thr, Transport::Inproc, Contender::Libzmq) => Some((4.0, true)),
            (Work::Thr, transport, Contender::Libzmq) => Some((
                match self.size {
                    0..=255 => 5.0,
                    256..=8192 if transport == Transport::Ipc => 4.0,
                    256..=8192 => 3.0,
                    8193..=65536 => 2.5,
                    65537..=262_144 => 1.2,
                    _ => 1.0,
                },
                true,
            )),
            (Work::Lat, Transport::Tcp, Contender::Raw) => Some((1.2, false)),
            (Work::Lat, Transport::Ipc | Transport::Inproc, Contender::Libzmq) => Some((0.4, false)),
            (Work::Fan, _, Contender::Libzmq) => Some((5.0, true)),
            (Work::In | Work::Rtr, _, Contender::Libzmq) => Some((4.0, true)),
            (Work::Gap, _, Contender::Libzmq) => Some((1.0, true)),
            _ => None,
        }
    }

    fn text(&self, value: f64) -> String {
        match self.work {
            Work::Lat => nanos_text(value),
            Work::Idle | Work::Subs => format!("{value:.0} B"),
            _ if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
            _ => format!("{:.1} k/s", value / 1e3),
        }
    }

    fn second_text(&self, value: f64) -> String {
        if self.work == Work::Idle { format!("{value:.0} B") } else { nanos_text(value) }
    }
}

fn nanos_text(nanos: f64) -> String {
    if nanos >= 1e6 { format!("{:.2} ms", nanos / 1e6) } else { format!("{:.2} µs", nanos / 1e3) }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => (values[len / 2 - 1] + values[len / 2]) / 2.0,
    }
}
