//! What the tests share: endpoints on every transport, and a bound on every wait.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod hostile;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zefiro::{Context, Counters, Socket, kind};

/// No wait in a test is longer; one that takes this long has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// How long something may take, asked again and again. While the process itself is held up nothing can come: of a pause
/// between two questions no more than a second counts.
pub struct Patience {
    left: Duration,
    asked: Instant,
}

impl Patience {
    pub fn new(time: Duration) -> Patience {
        Patience { left: time, asked: Instant::now() }
    }

    /// Whether there is time left.
    pub fn lasts(&mut self) -> bool {
        let pause = self.asked.elapsed().min(Duration::from_secs(1));
        self.asked = Instant::now();
        self.left = self.left.saturating_sub(pause);
        !self.left.is_zero()
    }
}

/// Something to bind to on every transport.
pub fn endpoints() -> Vec<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = NEXT.fetch_add(1, Ordering::Relaxed);
    let inproc = format!("inproc://test-{name}");
    // Miri has no streams to other processes.
    if cfg!(miri) { vec![inproc] } else { vec!["tcp://127.0.0.1:*".into(), "ipc://*".into(), inproc] }
}

/// A socket of its own context whose waits end.
pub fn socket<K: kind::Typed>(context: &Context) -> Socket<K> {
    Socket::<K>::builder().context(context).recv_timeout(LONG).send_timeout(LONG).build().unwrap()
}

/// Two sockets joined by each transport in turn: the first one binds.
pub fn over_each_transport<A: kind::Typed, B: kind::Typed>(test: impl Fn(Socket<A>, Socket<B>)) {
    for endpoint in endpoints() {
        let context = Context::new();
        let (bound, connected) = (socket::<A>(&context), socket::<B>(&context));
        let endpoint = bound.bind(&endpoint).unwrap().to_string();
        connected.connect(&endpoint).unwrap();
        bound.wait_connected(1, LONG).unwrap();
        connected.wait_connected(1, LONG).unwrap();
        test(bound, connected);
        context.close_within(LONG).unwrap();
    }
}

/// An address that was free a moment ago, for tests that must know it before they bind: of a host of this process's own,
/// where there are many. Elsewhere others that ask for any port may be given it.
pub fn free_address() -> String {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let host = if cfg!(target_os = "linux") { format!("127.{high}.{low}.7") } else { "127.0.0.1".to_string() };
    std::net::TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().to_string()
}

/// Binds an address whose last owner may not have let go of it quite yet.
pub fn bind_again(mut bind: impl FnMut() -> zefiro::Result<()>) {
    let deadline = std::time::Instant::now() + LONG;
    while let Err(error) = bind() {
        assert!(std::time::Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
}

/// What a peer of ZMTP 3.1 with NULL security says until it is ready.
pub fn handshake(socket_type: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1];
    bytes.extend_from_slice(b"NULL");
    bytes.resize(64, 0);
    let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
    ready.extend_from_slice(&(socket_type.len() as u32).to_be_bytes());
    ready.extend_from_slice(socket_type.as_bytes());
    bytes.extend_from_slice(&[4, ready.len() as u8]);
    bytes.extend_from_slice(&ready);
    bytes
}

/// Whether tests are to go to their full length, as in `./test --all`: `ZEFIRO_LONG=1`.
pub fn is_long() -> bool {
    std::env::var_os("ZEFIRO_LONG").is_some_and(|value| value != "0")
}

/// Whether this process is the child that has this role.
pub fn is_child(role: &str) -> bool {
    std::env::var("ZEFIRO_TEST_ROLE").is_ok_and(|mine| mine == role)
}

/// A child that plays the role of the test's name, and is spoken with by lines.
pub struct Player {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Player {
    pub fn new(role: &str) -> Player {
        Player::with(role, &[])
    }

    /// With variables in its environment.
    pub fn with(role: &str, variables: &[(&str, &str)]) -> Player {
        let program = Command::new(std::env::current_exe().unwrap());
        Player::started_by(program, role, variables)
    }

    /// Within namespaces of its own, whose network and mounts are at its disposal; `None`: the system allows none.
    pub fn secluded(role: &str) -> Option<Player> {
        let unshare = || {
            let mut unshare = Command::new("unshare");
            unshare.args(["--map-root-user", "--net", "--mount"]);
            unshare
        };
        let allowed = unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        allowed.then(|| {
            let mut program = unshare();
            program.arg(std::env::current_exe().unwrap());
            Player::started_by(program, role, &[])
        })
    }

    /// By a program that starts this one, whose path is its last argument so far.
    pub fn started_by(mut program: Command, role: &str, variables: &[(&str, &str)]) -> Player {
        let mut child = program
            .args([role, "--exact", "--nocapture", "--test-threads=1"])
            .env("ZEFIRO_TEST_ROLE", role)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Player { child, lines }
    }

    /// What follows the word in the child's next line that begins with it.
    pub fn hear(&mut self, word: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_string();
            }
        }
        panic!("the child ended before it said {word}");
    }

    pub fn ends_well(mut self) {
        drop(self.child.stdin.take());
        for line in self.lines.by_ref() {
            println!("{}", line.unwrap());
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the role in a child, unless this is it.
pub fn in_child(role: &str, play: impl FnOnce()) {
    if is_child(role) { play() } else { Player::new(role).ends_well() }
}

/// Descriptors this process has open.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// The time this process has worked, on all processors. Takes no descriptor.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What became of each message is known.
pub fn assert_balanced(name: &str, counters: Counters) {
    let dropped = counters.dropped;
    let after = dropped.total() - dropped.high_water_mark - dropped.unroutable - dropped.oversize;
    let left = counters.delivered + counters.received + counters.queued_out + counters.queued_in + after;
    assert_eq!(counters.sent + counters.arrived, left, "{name}: {counters:?}");
}

/// Waits until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A random number, and the next state.
pub fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
