//! Report: medians, ratios and their range, beside the figure to reach.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;

use self::Limit::{AtLeast, AtMost};
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
    parts: u8,
    curve: bool,
    rounds: BTreeMap<u8, (Contender, Vec<Figures>)>,
}

/// What a round comes to.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Messages per second, or nanoseconds, or bytes: what the workload is about.
    main: f64,
    /// What [`Row::second_name`] says.
    second: Option<f64>,
    /// CPU seconds per million messages, both sides.
    cpu: Option<f64>,
}

impl Figures {
    fn get(&self, column: Column) -> Option<f64> {
        match column {
            Column::Main => Some(self.main),
            Column::Second => self.second,
            Column::Cpu => self.cpu,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Main,
    Second,
    Cpu,
}

/// What a figure is to reach.
struct Target(Column, Limit);

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub fn new(json: bool) -> io::Result<Report> {
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
            )?;
        }
        Ok(Report { json, rows: Vec::new(), headed: false })
    }

    pub fn round(
        &self,
        task: &Task,
        contender: Contender,
        round: usize,
        (served, driven): &(Measured, Measured),
    ) -> io::Result<()> {
        if self.json {
            show!(
                "{}",
                json!({"label": task.label, "contender": contender, "round": round, "bound": served, "connected": driven})
            )?;
        }
        Ok(())
    }

    pub fn row(&mut self, row: Row) -> io::Result<()> {
        if !self.json {
            if !self.headed {
                show!(
                    "{:<27} {:<8} {:>10} {:>15} {:>8}   {:<20} {:>6} {:>6}  to reach",
                    "work",
                    "who",
                    "median",
                    "and",
                    "CPU s/M",
                    "zefiro ÷ this",
                    "÷ and",
                    "÷ CPU",
                )?;
                self.headed = true;
            }
            row.print()?;
        }
        self.rows.push(row);
        Ok(())
    }

    pub fn finish(&self) -> io::Result<()> {
        if self.headed { show!("\n{LEGEND}") } else { Ok(()) }
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
            parts: task.plan.parts,
            curve: task.plan.curve,
            rounds: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, contender: Contender, (served, driven): (Measured, Measured)) {
        let count = served.count.max(driven.count).max(1) as f64;
        let cpu = Some((served.cpu + driven.cpu) / count * 1e6);
        let figures = match self.work {
            Work::Thr | Work::In => Figures { main: served.count as f64 / served.seconds, second: None, cpu },
            // The sender's processor is busy in the pauses, too.
            Work::Gap => Figures {
                main: served.count as f64 / served.seconds,
                second: served.latency.map(|latency| latency[0] as f64),
                cpu: None,
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

    /// Each contender's median of the main figure.
    pub fn medians(&self) -> Vec<(Contender, f64)> {
        self.rounds
            .values()
            .map(|(contender, rounds)| (*contender, median(rounds.iter().map(|round| round.main))))
            .collect()
    }

    pub fn is_rate(&self) -> bool {
        !matches!(self.work, Work::Lat | Work::Idle | Work::Subs)
    }

    fn print(&self) -> io::Result<()> {
        let mut first: Option<(Contender, &[Figures])> = None;
        for (contender, rounds) in self.rounds.values() {
            let of = |column| median_of(rounds.iter().filter_map(|round| round.get(column)));
            let main = of(Column::Main).map_or(String::new(), |value| self.text(value));
            let second = of(Column::Second).map_or(String::new(), |value| self.second_text(value));
            let cpu = of(Column::Cpu).map_or(String::new(), |value| format!("{value:.3}"));
            let (label, compared) = match first {
                None => (self.label.as_str(), format!("{:37}{}", "", verdicts(&self.aims(), of))),
                Some(ours) => ("", self.compared(ours, *contender, rounds)),
            };
            let who = contender.name();
            let line = format!("{label:<27} {who:<8} {main:>10} {second:>15} {cpu:>8}   {compared}");
            show!("{}", line.trim_end())?;
            first.get_or_insert((*contender, rounds));
        }
        Ok(())
    }

    /// The medians of the rounds' ratios, with the range of the first, and whether they reach what was set.
    fn compared(&self, (who, ours): (Contender, &[Figures]), contender: Contender, theirs: &[Figures]) -> String {
        let ratios = |column| {
            let both = ours.iter().zip(theirs);
            both.filter_map(move |(ours, theirs)| Some(ours.get(column)? / theirs.get(column)?))
        };
        let of = |column| median_of(ratios(column));
        let (least, most) = ratios(Column::Main)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), ratio| (least.min(ratio), most.max(ratio)));
        let main = format!("{:.2} × ({least:.2}–{most:.2})", of(Column::Main).unwrap_or(f64::NAN));
        let ratio = |column| of(column).map_or(String::new(), |ratio| format!("{ratio:.2} ×"));
        let targets = self.targets(who, contender);
        format!("{main:<20} {:>6} {:>6}  {}", ratio(Column::Second), ratio(Column::Cpu), verdicts(&targets, of))
    }

    /// What the figures themselves are to be.
    fn aims(&self) -> Vec<Target> {
        use Column::{Main, Second};
        match self.work {
            _ if self.curve => Vec::new(),
            Work::Idle => vec![Target(Main, AtMost(6144.0)), Target(Second, AtMost(6144.0))],
            Work::Subs => vec![Target(Main, AtMost(100.0)), Target(Second, AtMost(1000.0))],
            _ => Vec::new(),
        }
    }

    /// What the ratios to a contender are to be.
    fn targets(&self, ours: Contender, contender: Contender) -> Vec<Target> {
        use Column::{Cpu, Main, Second};
        let asynchronous = |contender| matches!(contender, Contender::Tokio | Contender::TokioMt);
        match (self.work, self.transport, contender) {
            _ if self.parts > 1 => Vec::new(),
            (Work::Thr, _, contender) if asynchronous(contender) => vec![Target(Main, AtMost(1.25))],
            (Work::Lat, Transport::Tcp, Contender::Libzmq) if asynchronous(ours) => vec![Target(Main, AtMost(0.6))],
            (Work::Thr, Transport::Tcp, Contender::Libzmq) if self.curve => {
                let rate = match self.size {
                    0..=255 => 3.5,
                    256..=8192 => 2.0,
                    _ => 1.3,
                };
                vec![Target(Main, AtLeast(rate))]
            }
            _ if self.curve => Vec::new(),
            (Work::Thr, transport, Contender::Libzmq) => {
                let rate = match self.size {
                    _ if transport == Transport::Inproc => 4.0,
                    0..=255 => 5.0,
                    256..=8192 if transport == Transport::Ipc => 4.0,
                    256..=8192 => 3.0,
                    8193..=65536 => 2.5,
                    65537..=262_144 => 1.2,
                    _ => 1.0,
                };
                let mut targets = vec![Target(Main, AtLeast(rate))];
                if self.size <= 255 {
                    targets.push(Target(Cpu, AtMost(0.3)));
                }
                targets
            }
            (Work::Lat, Transport::Tcp, Contender::Raw) => vec![Target(Main, AtMost(1.2)), Target(Second, AtMost(1.2))],
            (Work::Lat, Transport::Ipc | Transport::Inproc, Contender::Libzmq) => vec![Target(Main, AtMost(0.4))],
            (Work::Fan, _, Contender::Libzmq) => vec![Target(Main, AtLeast(5.0))],
            (Work::In | Work::Rtr, _, Contender::Libzmq) => vec![Target(Main, AtLeast(4.0))],
            (Work::Gap, _, Contender::Libzmq) => vec![Target(Main, AtLeast(1.0)), Target(Second, AtMost(1.0))],
            _ => Vec::new(),
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
        match self.work {
            Work::Idle => format!("peer {value:.0} B"),
            Work::Subs => format!("match {value:.0} ns"),
            Work::Gap => format!("p50 {}", nanos_text(value)),
            _ => format!("p99 {}", nanos_text(value)),
        }
    }
}

/// Each target, with whether it is reached.
fn verdicts(targets: &[Target], of: impl Fn(Column) -> Option<f64>) -> String {
    let verdict = |Target(column, limit): &Target| {
        let name = match column {
            Column::Main => "",
            Column::Second => "and ",
            Column::Cpu => "CPU ",
        };
        let value = of(*column).unwrap_or(f64::NAN);
        let (sign, limit, reached) = match limit {
            AtLeast(limit) => ('≥', limit, value >= *limit),
            AtMost(limit) => ('≤', limit, value <= *limit),
        };
        format!("{name}{sign} {limit} {}", if reached { '✓' } else { '✗' })
    };
    targets.iter().map(verdict).collect::<Vec<_>>().join(", ")
}

fn nanos_text(nanos: f64) -> String {
    if nanos >= 1e6 { format!("{:.2} ms", nanos / 1e6) } else { format!("{:.2} µs", nanos / 1e3) }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    median_of(values).unwrap_or(f64::NAN)
}

/// None of nothing.
fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((below + above) / 2.0)
}

/// What the columns are.
const LEGEND: &str = "\
median         of the rounds: messages, or connections, per second; half a round trip; bytes
and            the second figure where the work has one: p99 or p50 of the latency, the peer's bytes, a match's time
CPU s/M        CPU seconds per million messages, both sides together
zefiro ÷ this  the median of the rounds' ratios of zefiro's figure to the line's, with their range
÷ and, ÷ CPU   the same of those columns
to reach       what a ratio, or a figure, is meant to be, and whether it is";
