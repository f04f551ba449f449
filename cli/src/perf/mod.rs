//! `zefiro perf`: throughput, latency, fan-out, fan-in and the rest, beside libzmq and bare sockets in the same run.
//!
//! Rounds alternate (A B A B …), the sides of tcp and ipc are processes of their own, and what counts is the median of
//! the rounds' ratios: a lone figure means nothing on a shared machine.

mod asynchronous;
mod drive;
mod engine;
mod libzmq;
mod plot;
mod raw;
mod report;
mod tasks;
mod work;

use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use self::engine::{Engine, Zefiro};
use self::libzmq::Libzmq;
use self::report::{Report, Row};
use self::tasks::tasks_of;
pub use self::work::Plan;
use self::work::{Measured, Work};
use crate::args::Misuse;

/// Measure, beside libzmq and bare sockets
#[derive(clap::Args, Debug)]
#[command(after_help = crate::args::examples!(
    "zefiro perf thr --sizes 64,1024 --vs libzmq",
    "zefiro perf fan --parts 2 --vs libzmq",
    "zefiro perf lat --transport tcp,ipc --vs libzmq,raw",
    "zefiro perf all --vs libzmq,raw --plot comparison.svg",
))]
pub struct Args {
    /// What to run; `all` is the whole table
    #[arg(value_enum)]
    what: What,
    /// Transports
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tcp")]
    transport: Vec<Transport>,
    /// Payload sizes in bytes, 8 and up: messages are numbered, to be checked
    #[arg(long, value_delimiter = ',', default_value = "64", value_parser = size)]
    sizes: Vec<usize>,
    /// Parts of each message of `thr`, `fan` and `in`: before the payload go others of a few bytes each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    parts: u8,
    /// What to compare with, in the same run
    #[arg(long, value_enum, value_delimiter = ',')]
    vs: Vec<Rival>,
    /// The programming interface of Zefiro to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "blocking")]
    api: Vec<Api>,
    /// Alternating rounds
    #[arg(long, default_value = "5", value_parser = positive)]
    rounds: usize,
    /// Milliseconds a round runs
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(1..))]
    millis: u64,
    /// Peers: subscribers (100), senders (16), dealers (100), idle connections (2,000), subscriptions (1,000,000)
    #[arg(long, value_parser = positive)]
    peers: Option<usize>,
    /// Milliseconds of rest before each round trip of `lat`
    #[arg(long, default_value = "0", value_parser = pause)]
    idle: f64,
    /// Round trips of `lat` begun per second, late ones counted from when they were due (open loop); 0: one after the other
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000), conflicts_with = "idle")]
    rate: u64,
    /// Pauses between messages for `gap`, in microseconds
    #[arg(long, value_delimiter = ',', default_value = "0,0.2,0.5,1,2,5,10,20,50,100", value_parser = pause)]
    gaps: Vec<f64>,
    /// Print JSON lines: the machine, then every round
    #[arg(long)]
    json: bool,
    /// Encrypt with CURVE, over tcp and ipc; not with bare sockets, nor the asynchronous interface
    #[arg(long, conflicts_with = "api")]
    curve: bool,
    /// Draw the comparison, as bars
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Two short rounds, to see that everything works
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// PUSH→PULL throughput
    Thr,
    /// REQ/REP latency
    Lat,
    /// PUB to many SUB
    Fan,
    /// Many PUSH to one PULL
    In,
    /// ROUTER that echoes to many DEALERs
    Rtr,
    /// A sender that pauses between messages
    Gap,
    /// Connections per second, and memory of idle ones
    Conn,
    /// Memory and matching of many subscriptions
    Subs,
    /// All of it
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Transport {
    Tcp,
    Ipc,
    Inproc,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Rival {
    Libzmq,
    Raw,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Api {
    Blocking,
    Tokio,
    TokioMt,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Ipc => "ipc",
            Transport::Inproc => "inproc",
        }
    }
}

/// Who does the work of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    Zefiro,
    Tokio,
    TokioMt,
    Libzmq,
    Raw,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Contender::Zefiro => "zefiro",
            Contender::Tokio => "tokio",
            Contender::TokioMt => "tokio-mt",
            Contender::Libzmq => "libzmq",
            Contender::Raw => "raw",
        }
    }
}

/// One side of a round, in a process of its own; not for people
#[derive(clap::Args, Debug)]
pub struct ChildArgs {
    #[arg(long, value_enum)]
    contender: Contender,
    #[arg(long, value_enum)]
    work: Work,
    /// Bind here; else connect to `--connect`
    #[arg(long)]
    bind: Option<String>,
    #[arg(long)]
    connect: Option<String>,
    #[command(flatten)]
    plan: Plan,
}

/// One measurement to make.
#[derive(Clone, Debug)]
struct Task {
    work: Work,
    transport: Transport,
    plan: Plan,
    contenders: Vec<Contender>,
    label: String,
}

/// Runs what is asked for and prints the table.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let tasks = tasks_of(&args)?;
    let rounds = if args.quick { 2 } else { args.rounds };
    // What can be known to fail fails before minutes of measuring.
    if args.vs.contains(&Rival::Libzmq) {
        Libzmq::new(None).context("there is no libzmq to compare with (Debian: libzmq5)")?;
    }
    if let Some(path) = &args.plot {
        if tasks.iter().all(|task| task.contenders.len() == 1) {
            return Err(Misuse("--plot draws a comparison: add --vs libzmq or --vs raw".into()).into());
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.with_context(|| format!("writing {}", path.display()))?;
    }
    if cfg!(debug_assertions) {
        say!("zefiro: this is a debug build, and so are its figures; measure with `cargo run --release`");
    }
    let mut report = Report::new(args.json)?;
    if !args.json {
        let rival = args.vs.contains(&Rival::Libzmq).then(libzmq_version).flatten();
        let rival = rival.map(|version| format!(" beside libzmq {version}")).unwrap_or_default();
        show!("Zefiro {}{rival}\n", env!("CARGO_PKG_VERSION"))?;
    }
    let total: usize = tasks.iter().map(|task| task.contenders.len() * rounds).sum();
    let progress = if io::stderr().is_terminal() && !args.json {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
        ProgressBar::new(total as u64).with_style(style)
    } else {
        ProgressBar::hidden()
    };
    let mut failures = 0;
    for task in tasks {
        match measure(&task, rounds, &mut report, &progress) {
            Ok(row) => progress.suspend(|| report.row(row))?,
            // There is nobody left to measure for, or nobody reads it.
            Err(error) if crate::signals::caught() || crate::is_closed_pipe(&error) => return Err(error),
            // The others may do well.
            Err(error) => {
                failures += 1;
                progress.suspend(|| say!("zefiro: {error:#}"));
            }
        }
    }
    progress.finish_and_clear();
    report.finish()?;
    if let Some(path) = &args.plot {
        plot::draw(path, report.rows())?;
    }
    ensure!(failures == 0, "{failures} of the measurements failed");
    Ok(ExitCode::SUCCESS)
}

/// All rounds of a task, every other one in the reverse order.
fn measure(task: &Task, rounds: usize, report: &mut Report, progress: &ProgressBar) -> anyhow::Result<Row> {
    let mut row = Row::new(task);
    for round in 0..rounds {
        let mut order = task.contenders.clone();
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            progress.set_message(format!("{} · {}", task.label, contender.name()));
            let measured = run_round(task, contender)
                .and_then(|measured| is_plausible(task, &measured).map(|()| measured))
                .with_context(|| format!("{} with {}", task.label, contender.name()))?;
            report.round(task, contender, round, &measured)?;
            row.add(contender, measured);
            progress.inc(1);
        }
    }
    Ok(row)
}

/// Both sides must have counted the same; otherwise something was lost, or doubled.
fn is_plausible(task: &Task, (served, driven): &(Measured, Measured)) -> anyhow::Result<()> {
    let expected = match task.work {
        Work::Thr | Work::In | Work::Gap | Work::Rtr | Work::Conn => driven.count,
        Work::Lat if task.transport != Transport::Inproc => driven.count + task.plan.warm_up(),
        Work::Fan => driven.count / task.plan.peers.max(1) as u64,
        Work::Lat | Work::Idle | Work::Subs => served.count,
    };
    ensure!(served.count == expected, "one side counts {} messages, the other {expected}", served.count);
    Ok(())
}

/// Both sides' measurements: the binding one's, the connecting one's.
fn run_round(task: &Task, contender: Contender) -> anyhow::Result<(Measured, Measured)> {
    if task.transport == Transport::Inproc {
        return match contender {
            Contender::Libzmq => work::both::<Libzmq>(task.work, &task.plan),
            _ => work::both::<Zefiro>(task.work, &task.plan),
        };
    }
    let directory = tempfile::tempdir()?;
    let endpoint = match task.transport {
        Transport::Ipc => format!("ipc://{}/perf", directory.path().display()),
        _ => "tcp://127.0.0.1:*".into(),
    };
    let mut server = Side::start(task, contender, "--bind", &endpoint)?;
    let bound: String = serde_json::from_str(&server.line()?)?;
    let mut client = Side::start(task, contender, "--connect", &bound)?;
    let served = serde_json::from_str(&server.line()?)?;
    let driven = serde_json::from_str(&client.line()?)?;
    Ok((served, driven))
}

/// A child process that runs one side; killed when dropped.
struct Side {
    child: Child,
    lines: mpsc::Receiver<io::Result<String>>,
}

impl Side {
    fn start(task: &Task, contender: Contender, role: &str, endpoint: &str) -> anyhow::Result<Side> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("perf-child")
            .args(["--contender", contender.name(), "--work", task.work.name()])
            .args([role, endpoint])
            .args(["--size", &task.plan.size.to_string()])
            .args(["--millis", &task.plan.millis.to_string()])
            .args(["--peers", &task.plan.peers.to_string()])
            .args(["--pause-nanos", &task.plan.pause_nanos.to_string()])
            .args(["--rate", &task.plan.rate.to_string()])
            .args(["--parts", &task.plan.parts.to_string()])
            .args(task.plan.curve.then_some("--curve"))
            // Ctrl-C is for the one that ends them all; that it has ended itself, they learn from their input.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the child has no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Side { child, lines })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(LOOKING) {
                Ok(line) => return Ok(line?),
                Err(mpsc::RecvTimeoutError::Disconnected) => bail!("a side failed; see above"),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    ensure!(!crate::signals::caught(), "told to end");
                    ensure!(begun.elapsed() < ROUND_TIME_MAX, "a round did not end in {ROUND_TIME_MAX:?}");
                }
            }
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may be about to end by itself; give it a moment, so that its sockets close in order.
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One side of a round.
pub fn run_child(args: ChildArgs) -> anyhow::Result<ExitCode> {
    thread::spawn(end_with_parent);
    let (work, plan) = (args.work, &args.plan);
    let bound = |endpoint: &str| {
        // Whoever started us reads this, or has ended and will end us.
        let _ = show!("{}", serde_json::Value::from(endpoint));
    };
    let measured = match (&args.bind, &args.connect) {
        (Some(endpoint), _) => match args.contender {
            Contender::Zefiro => work::serve::<Zefiro>(work, plan, endpoint, bound),
            Contender::Libzmq => work::serve::<Libzmq>(work, plan, endpoint, bound),
            Contender::Raw => raw::serve(work, plan, endpoint, bound),
            Contender::Tokio => asynchronous::serve(false, work, endpoint, bound),
            Contender::TokioMt => asynchronous::serve(true, work, endpoint, bound),
        },
        (None, Some(endpoint)) => match args.contender {
            Contender::Zefiro => drive::drive::<Zefiro>(work, plan, endpoint),
            Contender::Libzmq => drive::drive::<Libzmq>(work, plan, endpoint),
            Contender::Raw => raw::drive(work, plan, endpoint),
            Contender::Tokio => asynchronous::drive(false, work, plan, endpoint),
            Contender::TokioMt => asynchronous::drive(true, work, plan, endpoint),
        },
        (None, None) => bail!("a child needs --bind or --connect"),
    }?;
    show!("{}", serde_json::to_string(&measured)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Ends this process with the input, which is held open for as long as there is somebody to measure for.
fn end_with_parent() {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    // Nothing is to be sent first.
    let _ = kill_process(getpid(), Signal::KILL);
}

/// The versions measured, for the record.
fn libzmq_version() -> Option<String> {
    Libzmq::new(None).ok().map(|libzmq| libzmq.version())
}

/// A size of messages that can be numbered.
fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (8..=1 << 30).contains(&size) => Ok(size),
        _ => Err("a payload has 8 bytes to 1 GiB".to_string()),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number from 1 is wanted".to_string())
}

/// A time to rest, none too.
fn pause(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|time| (0.0..1e6).contains(time)).ok_or_else(|| "a time from 0 is wanted".to_string())
}

fn bytes_text(bytes: usize) -> String {
    match bytes {
        1_048_576.. => format!("{} MiB", bytes >> 20),
        1024.. => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// A round that takes longer has hung.
const ROUND_TIME_MAX: Duration = Duration::from_secs(120);

/// How often to look whether a signal has come.
const LOOKING: Duration = Duration::from_millis(100);
