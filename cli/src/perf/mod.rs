//! `zefiro perf`: throughput, latency, fan-out, fan-in and the rest, beside libzmq and bare sockets in the same run.
//!
//! Rounds alternate (A B A B …), the sides of tcp and ipc are processes of their own, and what counts is the median of
//! the rounds' ratios: a lone figure means nothing on a shared machine.

mod asynchronous;
mod engine;
mod libzmq;
mod plot;
mod raw;
mod report;
mod work;

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use self::engine::{Engine, Zefiro};
use self::libzmq::Libzmq;
use self::report::{Report, Row};
pub use self::work::Plan;
use self::work::{Measured, Work};

/// Measure, beside libzmq and bare sockets
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to run; `all` is the whole table
    #[arg(value_enum)]
    what: What,
    /// Transports
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tcp")]
    transport: Vec<Transport>,
    /// Payload sizes in bytes
    #[arg(long, value_delimiter = ',', default_value = "64")]
    sizes: Vec<usize>,
    /// What to compare with, in the same run
    #[arg(long, value_enum, value_delimiter = ',')]
    vs: Vec<Rival>,
    /// The programming interface of Zefiro to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "blocking")]
    api: Vec<Api>,
    /// Alternating rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds a round runs
    #[arg(long, default_value_t = 700)]
    millis: u64,
    /// Peers: subscribers (100), senders (16), dealers (100), idle connections (2,000), subscriptions (1,000,000)
    #[arg(long)]
    peers: Option<usize>,
    /// Milliseconds of rest before each round trip
    #[arg(long, default_value_t = 0.0)]
    idle: f64,
    /// Round trips begun per second (open loop)
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Pauses between messages for `gap`, in microseconds
    #[arg(long, value_delimiter = ',', default_value = "0.2,0.5,1,2,5,10,20,50,100")]
    gaps: Vec<f64>,
    /// Print JSON lines: the machine, then every round
    #[arg(long)]
    json: bool,
    /// Encrypt with CURVE, over tcp and ipc; not with bare sockets, nor the asynchronous interface
    #[arg(long, conflicts_with = "api")]
    curve: bool,
    /// Draw the comparison
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
    let tasks = tasks_of(&args);
    let rounds = if args.quick { 2 } else { args.rounds.max(1) };
    let mut report = Report::new(args.json);
    let total: usize = tasks.iter().map(|task| task.contenders.len() * rounds).sum();
    let progress = if std::io::stderr().is_terminal() && !args.json {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
        ProgressBar::new(total as u64).with_style(style)
    } else {
        ProgressBar::hidden()
    };
    for task in tasks {
        let mut row = Row::new(&task);
        for round in 0..rounds {
            let mut order = task.contenders.clone();
            if round % 2 == 1 {
                order.reverse();
            }
            for contender in order {
                progress.set_message(format!("{} · {contender:?}", task.label));
                let measured =
                    run_round(&task, contender).with_context(|| format!("{} with {contender:?}", task.label))?;
                report.round(&task, contender, round, &measured);
                row.add(contender, measured);
                progress.inc(1);
            }
        }
        progress.suspend(|| report.row(row));
    }
    progress.finish_and_clear();
    report.finish();
    if let Some(path) = &args.plot {
        plot::draw(path, report.rows())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tasks_of(args: &Args) -> Vec<Task> {
    let millis = if args.quick { 150 } else { args.millis };
    let plan = |size, peers| Plan { size, millis, peers, pause_nanos: 0, rate: args.rate, curve: args.curve };
    let mut tasks = Vec::new();
    let mut add = |work: Work, transport, plan: Plan, label: String| {
        let ours = args.api.iter().map(|api| match api {
            Api::Blocking => Contender::Zefiro,
            Api::Tokio => Contender::Tokio,
            Api::TokioMt => Contender::TokioMt,
        });
        let simple = matches!(work, Work::Thr | Work::Lat) && transport != Transport::Inproc;
        let mut contenders: Vec<Contender> =
            ours.filter(|contender| *contender == Contender::Zefiro || simple).collect();
        if args.vs.contains(&Rival::Libzmq) {
            contenders.push(Contender::Libzmq);
        }
        if args.vs.contains(&Rival::Raw) && simple && !args.curve {
            contenders.push(Contender::Raw);
        }
        let label = if args.curve { format!("{label} CURVE") } else { label };
        tasks.push(Task { work, transport, plan, contenders, label });
    };
    let all = args.what == What::All;
    if all || args.what == What::Thr {
        let mut cases: Vec<(Transport, usize)> =
            args.transport.iter().flat_map(|transport| args.sizes.iter().map(|size| (*transport, *size))).collect();
        if all {
            cases = [64, 1024, 16 << 10, 128 << 10, 1 << 20].map(|size| (Transport::Tcp, size)).to_vec();
            cases.extend([(Transport::Ipc, 64), (Transport::Ipc, 1024), (Transport::Inproc, 64)]);
        }
        for (transport, size) in cases {
            add(Work::Thr, transport, plan(size, 1), format!("thr {transport:?} {}", bytes_text(size)));
        }
    }
    if all || args.what == What::Lat {
        let size = args.sizes.first().copied().unwrap_or(64);
        let mut cases: Vec<(Transport, f64, u64)> =
            args.transport.iter().map(|transport| (*transport, args.idle, args.rate)).collect();
        if all {
            cases = vec![
                (Transport::Tcp, 0.0, 0),
                (Transport::Tcp, 10.0, 0),
                (Transport::Tcp, 0.0, 100),
                (Transport::Tcp, 0.0, 10_000),
                (Transport::Ipc, 0.0, 0),
                (Transport::Inproc, 0.0, 0),
            ];
        }
        for (transport, idle, rate) in cases {
            let mut plan = plan(size, 1);
            (plan.pause_nanos, plan.rate) = ((idle * 1e6) as u64, rate);
            let mut label = format!("lat {transport:?} {}", bytes_text(size));
            if idle > 0.0 {
                label += &format!(" after {idle} ms");
            }
            if rate > 0 {
                label += &format!(" at {rate}/s");
            }
            add(Work::Lat, transport, plan, label);
        }
    }
    for (what, work, peers, name) in
        [(What::Fan, Work::Fan, 100, "fan"), (What::In, Work::In, 16, "in"), (What::Rtr, Work::Rtr, 100, "rtr")]
    {
        if all || args.what == what {
            let peers = args.peers.unwrap_or(peers);
            for transport in args.transport.iter().filter(|transport| **transport != Transport::Inproc) {
                add(work, *transport, plan(64, peers), format!("{name} {transport:?} 64 B × {peers}"));
            }
        }
    }
    if all || args.what == What::Gap {
        for gap in &args.gaps {
            let mut plan = plan(64, 1);
            plan.pause_nanos = (gap * 1e3) as u64;
            add(Work::Gap, Transport::Tcp, plan, format!("gap Tcp 64 B every {gap} µs"));
        }
    }
    if all || args.what == What::Conn {
        add(Work::Conn, Transport::Tcp, plan(64, 1), "conn Tcp".into());
        let peers = args.peers.unwrap_or(if args.quick { 200 } else { 2000 });
        add(Work::Idle, Transport::Tcp, plan(64, peers), format!("idle Tcp × {peers}"));
    }
    if all || args.what == What::Subs {
        let peers = args.peers.unwrap_or(if args.quick { 20_000 } else { 1_000_000 });
        add(Work::Subs, Transport::Tcp, plan(64, peers), format!("subs Tcp × {peers}"));
    }
    tasks
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
    lines: mpsc::Receiver<std::io::Result<String>>,
}

impl Side {
    fn start(task: &Task, contender: Contender, role: &str, endpoint: &str) -> anyhow::Result<Side> {
        let name = |value: clap::builder::PossibleValue| value.get_name().to_string();
        let mut child = Command::new(std::env::current_exe()?)
            .arg("perf-child")
            .args(["--contender", &contender.to_possible_value().map(name).unwrap_or_default()])
            .args(["--work", &task.work.to_possible_value().map(name).unwrap_or_default()])
            .args([role, endpoint])
            .args(["--size", &task.plan.size.to_string()])
            .args(["--millis", &task.plan.millis.to_string()])
            .args(["--peers", &task.plan.peers.to_string()])
            .args(["--pause-nanos", &task.plan.pause_nanos.to_string()])
            .args(["--rate", &task.plan.rate.to_string()])
            .args(task.plan.curve.then_some("--curve"))
            .stdin(Stdio::null())
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
        match self.lines.recv_timeout(ROUND_TIME_MAX) {
            Ok(line) => Ok(line?),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("a round did not end in {ROUND_TIME_MAX:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("a side failed; see above"),
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
    let (work, plan) = (args.work, &args.plan);
    let bound = |endpoint: &str| {
        show!("{}", serde_json::Value::from(endpoint));
        let _ = std::io::stdout().flush();
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
            Contender::Zefiro => work::drive::<Zefiro>(work, plan, endpoint),
            Contender::Libzmq => work::drive::<Libzmq>(work, plan, endpoint),
            Contender::Raw => raw::drive(work, plan, endpoint),
            Contender::Tokio => asynchronous::drive(false, work, plan, endpoint),
            Contender::TokioMt => asynchronous::drive(true, work, plan, endpoint),
        },
        (None, None) => bail!("a child needs --bind or --connect"),
    }?;
    show!("{}", serde_json::to_string(&measured)?);
    Ok(ExitCode::SUCCESS)
}

/// The versions measured, for the record.
fn libzmq_version() -> Option<String> {
    Libzmq::new(None).ok().map(|libzmq| libzmq.version())
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
