//! What a stuck subscriber, an unread monitor and a resolver without an answer do to the latency of others: nothing; and what
//! waiting and idling cost.
//!
//! Short by default, and then only grossly; with `ZEFIRO_LONG=1`, optimised, to the twentieth.

#![cfg(target_os = "linux")]

mod util;

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{alone, dial, frame, many};
use util::{LONG, Player, handshake, in_child, is_child, is_long, socket};
use zefiro::{Context, Interest, Poller, Pub, Pull, Push, Rep, Req, Sub};

/// Of so many times as are measured in a row, the hundredth part takes longer.
fn p99(mut step: impl FnMut()) -> Duration {
    let count = many(300, 5_000);
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let began = Instant::now();
            step();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[count * 99 / 100]
}

/// The one takes about as long as the other: the best of some rounds in turn, in one of a few attempts.
fn assert_close(what: &str, mut plain: impl FnMut() -> Duration, mut beside: impl FnMut() -> Duration) {
    let most = if is_long() && !cfg!(debug_assertions) { 1.05 } else { 10.0 };
    let mut least = f64::MAX;
    for _ in 0..10 {
        let (mut best, mut best_beside) = (Duration::MAX, Duration::MAX);
        for _ in 0..many(3, 15) {
            best = best.min(plain());
            best_beside = best_beside.min(beside());
        }
        least = least.min(best_beside.as_secs_f64() / best.as_secs_f64());
        if least <= most {
            return println!("beside {what} 99 of 100 take {best_beside:?}, otherwise {best:?}");
        }
    }
    panic!("beside {what} 99 of 100 take {least:.2} times as long");
}

/// A PUB and its SUB.
struct News {
    publisher: Pub,
    sub: Sub,
    _context: Context,
}

impl News {
    fn new() -> News {
        let context = Context::new();
        let publisher = Pub::builder().context(&context).send_high_water_mark(10).build().unwrap();
        let sub: Sub = socket(&context);
        sub.subscribe("").unwrap();
        sub.connect(publisher.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        publisher.wait_subscribed("", 1, LONG).unwrap();
        News { publisher, sub, _context: context }
    }

    fn publish(&self) {
        let body = [7u8; 1000];
        self.publisher.send(&body).unwrap();
        assert_eq!(self.sub.recv().unwrap().byte_len(), body.len());
    }
}

#[test]
fn a_stuck_subscriber_does_not_slow_the_others() {
    let _alone = alone();
    let (plain, beside) = (News::new(), News::new());
    let endpoint = beside.publisher.last_endpoint().unwrap();
    let mut stuck = dial(endpoint.trim_start_matches("tcp://"));
    stuck.write_all(&[handshake("SUB"), frame(4, b"\x09SUBSCRIBE")].concat()).unwrap();
    beside.publisher.wait_subscribed("", 2, LONG).unwrap();
    while beside.publisher.counters().dropped.high_water_mark < 1000 {
        beside.publish();
    }
    assert_close("a stuck subscriber", || p99(|| plain.publish()), || p99(|| beside.publish()));
}

/// A service and its client, who asks.
struct Service {
    rep: Rep,
    req: Req,
    _context: Context,
}

impl Service {
    fn new() -> Service {
        let context = Context::new();
        let (rep, req): (Rep, Req) = (socket(&context), socket(&context));
        req.connect(rep.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        let serving = rep.clone();
        thread::spawn(move || {
            while let Ok(request) = serving.recv_timeout(LONG * 100) {
                let _ = serving.send(request);
            }
        });
        Service { rep, req, _context: context }
    }

    fn ask(&self) {
        self.req.send("question").unwrap();
        assert_eq!(self.req.recv().unwrap(), "question");
    }

    /// While an address comes and goes, and that is told to monitors.
    fn p99_with_events(&self) -> Duration {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let endpoint =
                        self.rep.bind("inproc://comes-and-goes").and_then(|_| self.rep.bind("tcp://127.0.0.1:*"));
                    self.rep.unbind(endpoint.unwrap()).unwrap();
                    self.rep.unbind("inproc://comes-and-goes").unwrap();
                }
            });
            let took = p99(|| self.ask());
            over.store(true, Ordering::Relaxed);
            took
        })
    }
}

#[test]
fn a_monitor_that_nobody_reads_does_not_slow_the_traffic() {
    let _alone = alone();
    let (plain, beside) = (Service::new(), Service::new());
    let unread = beside.rep.monitor();
    while unread.missed() < many(100, 1_000_000) as u64 {
        let endpoint = beside.rep.bind("tcp://127.0.0.1:*").unwrap();
        beside.rep.unbind(endpoint).unwrap();
    }
    assert_close("an unread monitor", || plain.p99_with_events(), || beside.p99_with_events());
}

/// In a network of its own, whose name server hears everything and says nothing.
#[test]
fn a_name_server_that_does_not_answer_slows_nobody() {
    const ROLE: &str = "a_name_server_that_does_not_answer_slows_nobody";
    if !is_child(ROLE) {
        match Player::secluded(ROLE) {
            Some(child) => child.ends_well(),
            None => println!("left out: the system allows no namespaces"),
        }
        return;
    }
    let run = |program: &str, arguments: &[&str]| {
        assert!(std::process::Command::new(program).args(arguments).status().unwrap().success(), "{program}");
    };
    let directory = tempfile::tempdir().unwrap();
    let servers = directory.path().join("resolv.conf");
    std::fs::write(&servers, "nameserver 127.0.0.1\noptions timeout:30 attempts:10\n").unwrap();
    run("mount", &["--bind", servers.to_str().unwrap(), "/etc/resolv.conf"]);
    bring_up_loopback();
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap();
    let (plain, beside) = (News::new(), News::new());
    // More names than are looked up at a time.
    for number in 0..20 {
        beside.sub.connect(format!("tcp://nobody-{number}.example:5555")).unwrap();
    }
    let mut question = [0; 512];
    silent.recv(&mut question).unwrap();
    assert_close("names that nobody knows", || p99(|| plain.publish()), || p99(|| beside.publish()));
    // Who is looked up in vain is not waited for in the end.
    let began = Instant::now();
    drop((plain, beside));
    assert!(began.elapsed() < LONG / 4);
    std::process::exit(0);
}

fn bring_up_loopback() {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // SAFETY: the structure is made of plain numbers, and outlives the call.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_poller_of_ten_thousand_costs_what_is_ready() {
    let _alone = alone();
    let context = Context::builder().max_sockets(usize::MAX).build();
    let poller = Poller::new().unwrap();
    let sockets: Vec<(Pull, Push)> = (0..10_000)
        .map(|key| {
            let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
            pull.bind(format!("inproc://{key}")).unwrap();
            push.connect(format!("inproc://{key}")).unwrap();
            poller.add(&pull, Interest::READABLE, key).unwrap();
            (pull, push)
        })
        .collect();
    let mut ready = Vec::new();
    let mut times: Vec<Duration> = (0..2_000)
        .map(|number| {
            let key = number * 7919 % sockets.len();
            let (pull, push) = &sockets[key];
            push.send("x").unwrap();
            let began = Instant::now();
            poller.wait(&mut ready, Some(LONG)).unwrap();
            let took = began.elapsed();
            assert_eq!((ready.len(), ready[0].key), (1, key as u64));
            pull.recv().unwrap();
            took
        })
        .collect();
    times.sort_unstable();
    let (half, most) = (times[times.len() / 2], Duration::from_micros(if cfg!(debug_assertions) { 40 } else { 2 }));
    println!("half the waits take {half:?}");
    assert!(half <= most, "half the waits take {half:?}, not {most:?}");
}

/// How often the threads of this process, but for this one, have gone to sleep.
fn sleeps() -> u64 {
    let me = rustix::thread::gettid().as_raw_nonzero().get();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| !task.ends_with(me.to_string()))
        .filter_map(|task| std::fs::read_to_string(task.join("status")).ok())
        .map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
            line.trim().parse::<u64>().unwrap()
        })
        .sum()
}

#[test]
fn who_is_idle_is_not_woken() {
    in_child("who_is_idle_is_not_woken", || {
        let context = Context::new();
        let mut kept: Vec<(Pull, Push)> = Vec::new();
        for endpoint in util::endpoints() {
            let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
            push.connect(pull.bind(&endpoint).unwrap()).unwrap();
            push.send("x").unwrap();
            pull.recv().unwrap();
            // One waits in a call, one in a poller; of another pair the receiver has more than it may.
            let waiting = pull.clone();
            thread::spawn(move || waiting.recv_timeout(LONG));
            let polled: Pull = socket(&context);
            let other: Push = socket(&context);
            other.connect(polled.bind(endpoint.replace("test", "polled")).unwrap()).unwrap();
            let poller = Poller::new().unwrap();
            poller.add(&polled, Interest::READABLE, 1).unwrap();
            thread::spawn(move || poller.wait(&mut Vec::new(), Some(LONG)));
            let full = Pull::builder().context(&context).recv_high_water_mark(1).build().unwrap();
            let filling =
                Push::builder().context(&context).send_high_water_mark(1).linger(Duration::ZERO).build().unwrap();
            filling.connect(full.bind(endpoint.replace("test", "full")).unwrap()).unwrap();
            filling.wait_connected(1, LONG).unwrap();
            while filling.send_timeout(vec![7u8; 100_000], Duration::from_millis(50)).is_ok() {}
            kept.extend([(pull, push), (polled, other), (full, filling)]);
        }
        // No event tells that nothing happens any more: some time in which nobody was woken does.
        let pause = Duration::from_millis(if is_long() { 3000 } else { 300 });
        let mut woken = Vec::new();
        let is_quiet = (0..20).any(|_| {
            let before = sleeps();
            thread::sleep(pause);
            woken.push(sleeps() - before);
            woken.last() == Some(&0)
        });
        assert!(is_quiet, "somebody was woken so often in {pause:?}: {woken:?}");
    });
}
