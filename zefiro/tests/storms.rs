//! What would take other processes down: no descriptors left, signals in droves, floods, many threads on one socket.
//!
//! What concerns a whole process happens in a child of the test: this program again, with a role. `ZEFIRO_LONG=1` goes
//! to the full length.

#![cfg(target_os = "linux")]

mod util;

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use util::{LONG, Player, descriptors, in_child, is_child, is_long, socket};
use zefiro::{
    AnySocket, Context, EventKind, Interest, Message, Pair, Poller, Pull, Push, Rep, Req, Socket, SocketType, kind,
};

fn limit_descriptors(more: usize) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // The limit is on their numbers, and the next one has the lowest that is free: an inherited one may lie far above.
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + more as u64), maximum }).unwrap();
}

// ---- descriptors ----

#[test]
fn at_the_limit_of_descriptors_accepting_pauses_and_goes_on_later() {
    const ROLE: &str = "at_the_limit_of_descriptors_accepting_pauses_and_goes_on_later";
    if is_child(ROLE) {
        return accept_at_the_limit();
    }
    let mut child = Player::new(ROLE);
    let address = child.hear("address");
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    child.hear("refused");
    drop(crowd);
    let late: Push = socket(&Context::new());
    late.connect(format!("tcp://{address}")).unwrap();
    late.send("late").unwrap();
    child.hear("resumed");
    child.ends_well();
}

fn accept_at_the_limit() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let good: Push = socket(&context);
    good.connect(&endpoint).unwrap();
    good.send("before").unwrap();
    assert_eq!(pull.recv().unwrap(), "before");
    let mut monitor = pull.monitor();
    limit_descriptors(20);
    println!("\naddress {}", endpoint.trim_start_matches("tcp://"));
    let mut refusals = Vec::new();
    while refusals.len() < 4 {
        let event = monitor.recv_timeout(LONG).expect("refusals are reported");
        if matches!(event.kind, EventKind::AcceptFailed(_)) {
            refusals.push(Instant::now());
        }
    }
    // It is not tried again at once, and those who are connected go on.
    assert!(refusals[3] - refusals[0] >= Duration::from_millis(200), "{refusals:?}");
    // Nor does it cost more than 2 % of a processor, while the crowd waits.
    let pause = Duration::from_secs(if is_long() { 5 } else { 1 });
    let before = util::processor_time();
    thread::sleep(pause);
    let worked = util::processor_time() - before;
    assert!(worked <= pause / 50, "worked {worked:?} of {pause:?}");
    good.send("meanwhile").unwrap();
    assert_eq!(pull.recv().unwrap(), "meanwhile");
    println!("\nrefused");
    assert_eq!(pull.recv().unwrap(), "late");
    println!("\nresumed");
}

#[test]
fn without_descriptors_everything_else_fails_cleanly_and_recovers() {
    in_child("without_descriptors_everything_else_fails_cleanly_and_recovers", || {
        let context = Context::new();
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        limit_descriptors(0);
        push.connect(&endpoint).unwrap();
        push.send("patience").unwrap();
        assert!(Pull::new().bind("tcp://127.0.0.1:*").is_err());
        let other = Context::new();
        let pair: Pair = socket(&other);
        assert!(pair.bind("tcp://127.0.0.1:*").is_err());
        // What needs no descriptor works; waiting for a stream does without one of its own.
        let (one, two): (Pair, Pair) = (socket(&context), socket(&context));
        one.bind("inproc://name").unwrap();
        two.connect("inproc://name").unwrap();
        one.send("here").unwrap();
        assert_eq!(two.recv().unwrap(), "here");
        assert!(pull.recv_timeout(Duration::from_millis(20)).is_err());
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum.map(|most| most.min(1024)), maximum }).unwrap();
        assert_eq!(pull.recv().unwrap(), "patience");
        pair.bind("tcp://127.0.0.1:*").unwrap();
    });
}

#[test]
fn sockets_within_the_process_cost_no_descriptors() {
    in_child("sockets_within_the_process_cost_no_descriptors", || {
        let pairs = if is_long() { 50_000 } else { 3000 };
        let before = descriptors();
        let context = Context::builder().max_sockets(usize::MAX).build();
        let all: Vec<(Pair, Pair)> = (0..pairs)
            .map(|number| {
                let (one, two): (Pair, Pair) = (socket(&context), socket(&context));
                one.bind(format!("inproc://{number}")).unwrap();
                two.connect(format!("inproc://{number}")).unwrap();
                (one, two)
            })
            .collect();
        for (number, (one, two)) in all.iter().enumerate() {
            one.send(number.to_string()).unwrap();
            assert_eq!(two.recv().unwrap(), number.to_string().as_str());
            assert!(two.recv_timeout(Duration::ZERO).is_err());
        }
        assert_eq!(descriptors(), before);
    });
}

// ---- signals ----

/// Signals every thread of this process ten thousand times a second and more, while it lives.
struct SignalStorm {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<u64>>,
}

extern "C" fn on_signal(_: libc::c_int) {}

impl SignalStorm {
    fn new() -> SignalStorm {
        // SAFETY: the handler does nothing; without SA_RESTART every system call it comes upon is interrupted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        }
        let over = Arc::new(AtomicBool::new(false));
        let end = over.clone();
        let thread = thread::spawn(move || {
            let me = rustix::thread::gettid().as_raw_nonzero().get();
            let process = rustix::process::getpid().as_raw_nonzero().get();
            let mut sent = 0;
            while !end.load(Ordering::Relaxed) {
                for task in std::fs::read_dir("/proc/self/task").unwrap() {
                    let task: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
                    if task != me {
                        // SAFETY: tgkill takes numbers; a thread that has ended is refused.
                        unsafe { libc::syscall(libc::SYS_tgkill, process, task, libc::SIGUSR1) };
                        sent += 1;
                    }
                }
                thread::sleep(Duration::from_micros(50));
            }
            sent
        });
        SignalStorm { over, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn a_storm_of_signals_is_not_noticed() {
    in_child("a_storm_of_signals_is_not_noticed", || {
        let storm = SignalStorm::new();
        let rounds = if is_long() { 200_000 } else { 4000 };
        let endpoints = util::endpoints();
        thread::scope(|scope| {
            for endpoint in &endpoints {
                scope.spawn(move || signalled_traffic(endpoint, rounds));
            }
        });
        println!("{} signals", storm.end());
    });
}

/// Blocking sends and receives, round trips, polls, binds and connects, none of which may be interrupted.
fn signalled_traffic(endpoint: &str, rounds: usize) {
    let context = Context::new();
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    let bound = pull.bind(endpoint).unwrap().to_string();
    push.connect(&bound).unwrap();
    push.wait_connected(1, LONG).unwrap();
    let sender = thread::spawn(move || (0..rounds).for_each(|number| push.send(number.to_string()).unwrap()));
    for number in 0..rounds {
        assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
    }
    sender.join().unwrap();
    assert_eq!(pull.recv_timeout(Duration::from_millis(30)).unwrap_err().kind(), zefiro::ErrorKind::TimedOut);

    let (rep, req): (Rep, Req) = (socket(&context), socket(&context));
    let bound = rep.bind(endpoint.replace("test", "reply")).unwrap().to_string();
    req.connect(&bound).unwrap();
    let replies = rounds / 10;
    let server = thread::spawn(move || {
        for _ in 0..replies {
            let request = rep.recv().unwrap();
            rep.send(request).unwrap();
        }
    });
    let poller = Poller::new().unwrap();
    poller.add(&req, Interest::READABLE, 1).unwrap();
    let mut ready = Vec::new();
    for number in 0..replies {
        req.send(number.to_string()).unwrap();
        assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
        assert_eq!(req.recv().unwrap(), number.to_string().as_str());
    }
    server.join().unwrap();
    drop((req, pull));
    context.terminate();
}

// ---- threads ----

const TYPES: [[SocketType; 2]; 6] = [
    [SocketType::Push, SocketType::Pull],
    [SocketType::Dealer, SocketType::Router],
    [SocketType::XPub, SocketType::Sub],
    [SocketType::Req, SocketType::Rep],
    [SocketType::Pair, SocketType::Pair],
    [SocketType::Pub, SocketType::XSub],
];

#[test]
fn sixteen_threads_may_do_anything_to_the_same_sockets() {
    let rounds = if is_long() { 200 } else { 4 };
    for round in 0..rounds {
        for endpoint in util::endpoints() {
            let context = Context::new();
            let sockets: Vec<AnySocket> = TYPES
                .as_flattened()
                .iter()
                .map(|socket_type| {
                    let builder = Socket::<kind::Any>::builder_of(*socket_type).context(&context);
                    builder.linger(Duration::ZERO).send_high_water_mark(50).build().unwrap()
                })
                .collect();
            for (number, pair) in sockets.chunks(2).enumerate() {
                let bound = pair[0].bind(format!("{endpoint}{}", name_suffix(&endpoint, number))).unwrap().to_string();
                pair[1].connect(&bound).unwrap();
            }
            thread::scope(|scope| {
                for thread in 0..16 {
                    let (sockets, context) = (&sockets, &context);
                    scope.spawn(move || hammer(sockets, context, round * 16 + thread + 1));
                }
            });
            sockets.iter().for_each(Socket::close);
            context.terminate();
        }
    }
}

/// Makes a name of its own of an inproc endpoint; the others are wildcards.
fn name_suffix(endpoint: &str, number: usize) -> String {
    if endpoint.starts_with("inproc") { format!("-{number}") } else { String::new() }
}

fn hammer(sockets: &[AnySocket], context: &Context, seed: u64) {
    const SOON: Duration = Duration::from_micros(200);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let poller = Poller::new().unwrap();
    let mut ready = Vec::new();
    for step in 0..800 {
        let index = util::random(&mut state) as usize % sockets.len();
        let socket = &sockets[index];
        match util::random(&mut state) % 16 {
            0..=2 => drop(socket.try_send(Message::from(["a", "b"]))),
            3 => drop(socket.send_timeout(vec![1u8; 20_000], SOON)),
            4..=6 => drop(socket.try_recv()),
            7 | 8 => drop(socket.recv_timeout(SOON)),
            9 => {
                if poller.add(socket, Interest::READABLE, index as u64).is_ok() {
                    let _ = poller.wait(&mut ready, Some(SOON));
                    poller.remove(index as u64).unwrap();
                }
            }
            10 => drop(socket.set_options(|options| options.send_high_water_mark = 10 + step % 60)),
            11 => drop((socket.counters(), socket.peers(), socket.is_readable(), socket.is_writable())),
            12 => drop(socket.subscribe([step as u8 % 8])),
            13 => {
                // A future that is asked once and dropped.
                let mut task = std::task::Context::from_waker(std::task::Waker::noop());
                let receiving = std::pin::pin!(socket.recv_async());
                let _ = std::future::Future::poll(receiving, &mut task);
            }
            14 => match socket.peers().first() {
                Some(peer) if step % 4 == 0 => drop(socket.disconnect_peer(peer.id)),
                _ => drop(socket.wait_connected(1, SOON)),
            },
            _ if step == 700 => socket.close(),
            _ => drop((socket.monitor().try_recv(), context.prometheus())),
        }
    }
}
