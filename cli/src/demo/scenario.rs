//! Scenarios: a pattern, a transport, and who takes part. One side is here, the other where the scenario says.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use zefiro::auth::{Answer, Request};
use zefiro::{AnySocket, Context, SharedKey, SocketType};

use super::peer::{self, Role};
use super::python;

/// One line of the table.
pub struct Scenario {
    pub pattern: &'static str,
    pub transport: &'static str,
    pub peers: Peers,
    role: Role,
    messages: u64,
}

/// Where the other side is.
pub enum Peers {
    Thread,
    Process,
    /// A Python with libzmq.
    Libzmq(PathBuf),
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub messages: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Median and 99th percentile of a round trip's half.
    pub latency: Option<(Duration, Duration)>,
}

/// The patterns with the role of the other side and the number of messages.
const PATTERNS: [(&str, Role, u64); 10] = [
    ("PUSH → PULL", Role::Push, 100_000),
    ("REQ ↔ REP", Role::Rep, 3_000),
    ("REQ ↔ REP, encrypted", Role::SecretRep, 3_000),
    ("PUB → SUB", Role::Pub, 40_000),
    ("XPUB → XSUB", Role::Xpub, 40_000),
    ("SUB ← proxy ← PUB", Role::ProxiedPub, 20_000),
    ("DEALER ↔ ROUTER", Role::Router, 10_000),
    ("ROUTER ↔ DEALER", Role::Dealer, 10_000),
    ("PAIR ↔ PAIR", Role::Pair, 10_000),
    ("STREAM ↔ plain TCP", Role::PlainTcp, 2_000),
];

/// Everything to be run, in order.
pub fn scenarios(python: Option<&Path>) -> Vec<Scenario> {
    let mut all = Vec::new();
    for transport in ["tcp", "ipc", "inproc"] {
        for (pattern, role, messages) in PATTERNS {
            if !role.suits(transport) {
                continue;
            }
            let peers = if transport == "inproc" { Peers::Thread } else { Peers::Process };
            all.push(Scenario { pattern, transport, peers, role, messages });
        }
    }
    if let Some(python) = python {
        for transport in ["tcp", "ipc"] {
            for (pattern, role, messages) in PATTERNS {
                if python::speaks(role) && role.suits(transport) {
                    let peers = Peers::Libzmq(python.to_path_buf());
                    all.push(Scenario { pattern, transport, peers, role, messages: messages / 10 });
                }
            }
        }
    }
    all
}

impl Scenario {
    pub fn name(&self) -> String {
        format!("{} {} {}", self.pattern, self.transport, self.peers.name())
    }

    /// Runs it; `progress` is told from time to time how many messages were checked.
    pub fn run(&self, percent: u32, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Outcome> {
        let count = (self.messages * u64::from(percent) / 100).max(10);
        let directory = tempfile::tempdir()?;
        let context = Context::new();
        let socket = AnySocket::builder_of(self.role.opposite())
            .context(&context)
            .recv_timeout(PATIENCE)
            .send_timeout(PATIENCE)
            .recv_high_water_mark(if self.role.drops() { 0usize } else { 1000 });
        let key = SharedKey::generate()?;
        let socket = match self.role {
            // The key lets the peer in, and says who it is.
            Role::SecretRep => {
                let authenticator = |_: &Request| Answer::allow(USER);
                socket.shared_key(key.clone()).authenticator(authenticator).build()?
            }
            _ => socket.build()?,
        };
        let endpoint = match self.transport {
            "tcp" => "tcp://127.0.0.1:*".to_string(),
            "ipc" => format!("ipc://{}/demo", directory.path().display()),
            _ => "inproc://demo".to_string(),
        };
        let bound = socket.bind(&endpoint)?.to_string();
        let mut other = Other::start(self, &context, &bound, count, &key)?;
        let outcome = match self.role {
            Role::Push => receive(&socket, count, progress),
            Role::Pub | Role::ProxiedPub => {
                socket.subscribe("topic")?;
                receive(&socket, count, progress)
            }
            Role::Xpub => {
                socket.send(b"\x01topic").map_err(zefiro::Error::from)?;
                receive(&socket, count, progress)
            }
            Role::Rep | Role::SecretRep | Role::Router | Role::Pair => ask(&socket, self.role, count, progress),
            Role::Dealer | Role::PlainTcp => answer(&socket, count, progress),
        };
        let outcome = match (outcome, other.end()) {
            (Ok(outcome), Ok(())) => outcome,
            (Err(error), Ok(())) => return Err(error),
            (Ok(_), Err(error)) => return Err(error.context("on the other side")),
            (Err(ours), Err(theirs)) => return Err(ours.context(format!("and on the other side: {theirs:#}"))),
        };
        if socket.socket_type() != SocketType::Req {
            expect_no_more(&socket)?;
        }
        socket.close();
        context.close_within(PATIENCE).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))?;
        Ok(outcome)
    }
}

impl Peers {
    pub fn name(&self) -> &'static str {
        match self {
            Peers::Thread => "thread",
            Peers::Process => "process",
            Peers::Libzmq(_) => "libzmq",
        }
    }
}

/// Receives numbered messages and checks each.
fn receive(socket: &AnySocket, count: u64, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut start = Instant::now();
    for number in 0..count {
        let message = socket.recv().with_context(|| format!("message {number} of {count} did not come"))?;
        if number == 0 {
            start = Instant::now();
        }
        peer::check(&message, number)?;
        outcome.bytes += message.byte_len() as u64;
        if number % 512 == 0 {
            progress(number);
        }
    }
    (outcome.messages, outcome.seconds) = (count, start.elapsed().as_secs_f64());
    Ok(outcome)
}

/// Once the peer has gone, all that it sent is there: nothing more must be.
fn expect_no_more(socket: &AnySocket) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !socket.peers().is_empty() {
        ensure!(Instant::now() < deadline, "the peer has ended, its connection has not");
        thread::sleep(Duration::from_millis(1));
    }
    // A stream tells that its peer has gone.
    while let Ok(extra) = socket.try_recv() {
        ensure!(socket.socket_type() == SocketType::Stream && extra.last().is_empty(), "one too many came: {extra:?}");
    }
    Ok(())
}

/// Sends numbered messages one by one and checks each answer.
fn ask(socket: &AnySocket, role: Role, count: u64, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Outcome> {
    socket.wait_connected(1, PATIENCE)?;
    if role == Role::SecretRep {
        let peers = socket.peers();
        let known = |peer: &zefiro::Peer| peer.mechanism == "CURVE" && peer.user_id.as_deref() == Some(USER);
        ensure!(peers.iter().all(known), "the peer came in unknown or unencrypted: {peers:?}");
    }
    let mut outcome = Outcome::default();
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let start = Instant::now();
    for number in 0..count {
        let mut question = peer::message(number);
        if role == Role::Router {
            question.push_front("");
        }
        let begun = Instant::now();
        socket.send(question).map_err(zefiro::Error::from)?;
        let mut answer = socket.recv().with_context(|| format!("answer {number} of {count} did not come"))?;
        histogram.saturating_record(begun.elapsed().as_nanos() as u64 / 2);
        if role == Role::Router {
            ensure!(answer.pop_front().is_some_and(|delimiter| delimiter.is_empty()), "the delimiter is missing");
        }
        peer::check(&answer, number)?;
        outcome.bytes += 2 * answer.byte_len() as u64;
        if number % 64 == 0 {
            progress(2 * number);
        }
    }
    (outcome.messages, outcome.seconds) = (2 * count, start.elapsed().as_secs_f64());
    let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
    outcome.latency = Some((at(0.5), at(0.99)));
    Ok(outcome)
}

/// Answers what comes with itself, the peer's name in front; the peer checks.
fn answer(socket: &AnySocket, count: u64, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Outcome> {
    let (mut outcome, start) = (Outcome::default(), Instant::now());
    // A plain stream comes in pieces of its own, and ends with an empty one.
    let by_bytes = socket.socket_type() == SocketType::Stream;
    loop {
        let message = socket.recv().context("nothing more came")?;
        let body = message.byte_len() - message.first().len();
        if by_bytes && body == 0 {
            if outcome.bytes > 0 {
                break;
            }
            continue;
        }
        outcome.bytes += 2 * body as u64;
        outcome.messages += 2;
        socket.send(message).map_err(zefiro::Error::from)?;
        if outcome.messages % 512 == 0 {
            progress(outcome.messages);
        }
        if !by_bytes && outcome.messages == 2 * count {
            break;
        }
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// The other side, however it runs.
enum Other {
    Thread(Option<thread::JoinHandle<anyhow::Result<()>>>),
    Child(Child, mpsc::Receiver<String>),
}

impl Other {
    fn start(
        scenario: &Scenario,
        context: &Context,
        endpoint: &str,
        count: u64,
        key: &SharedKey,
    ) -> anyhow::Result<Other> {
        let role = scenario.role;
        let mut command = match &scenario.peers {
            Peers::Thread => {
                let (context, endpoint) = (context.clone(), endpoint.to_string());
                let thread = thread::spawn(move || peer::play(&context, role, &endpoint, count));
                return Ok(Other::Thread(Some(thread)));
            }
            Peers::Process => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["demo-peer", role.name(), endpoint, &count.to_string()]);
                command
            }
            Peers::Libzmq(python) => {
                let mut command = Command::new(python);
                command.args(["-c", python::PROGRAM, role.name(), endpoint, &count.to_string()]);
                command
            }
        };
        if role == Role::SecretRep {
            // Ours derives its side's keys; libzmq is given them.
            let (server, client) = (key.server_secret().public(), key.client_secret());
            command.env("ZEFIRO_SHARED_KEY", key.to_z85()).env("DEMO_SERVER_KEY", server.to_z85());
            command.env("DEMO_PUBLIC_KEY", client.public().to_z85()).env("DEMO_SECRET_KEY", client.to_z85());
        }
        // Ctrl-C is for the one that ends them all.
        command.process_group(0);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let errors = child.stderr.take().context("the child has no error output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Ok(Other::Child(child, lines))
    }

    /// Waits for its end, and answers how it went.
    fn end(&mut self) -> anyhow::Result<()> {
        match self {
            Other::Thread(thread) => match thread.take().map(thread::JoinHandle::join) {
                Some(Ok(result)) => result,
                _ => bail!("the thread panicked"),
            },
            Other::Child(child, lines) => {
                let deadline = Instant::now() + PATIENCE;
                loop {
                    if let Some(status) = child.try_wait()? {
                        let said: Vec<String> = lines.iter().collect();
                        ensure!(status.success(), "it ended with {status}: {}", said.join("; "));
                        return Ok(());
                    }
                    ensure!(Instant::now() < deadline, "it did not end");
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Other::Child(child, _) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Who the peer of an encrypted scenario is.
const USER: &str = "the demo's peer";

/// No wait of the demo is longer.
pub const PATIENCE: Duration = Duration::from_secs(10);
