//! What those who mean well notice of those who do not: strangers that stand around take nothing from their rate, and
//! those that are busy do not keep them from a moderate one.
//!
//! Short by default, and then only grossly; with `ZEFIRO_LONG=1` to the twentieth.

mod util;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{alone, dial, frame, greeting, many, property, read_to_the_end, say, wait_for};
use util::{LONG, handshake, is_long, socket};
use zefiro::{Context, CurveSecret, EventKind, Pub, Pull, Push, Rep, Req, Sub};

/// How long something takes beside how long it takes otherwise, from the best of several rounds in turn.
fn share(mut plain: impl FnMut(), mut beside: impl FnMut()) -> f64 {
    let (mut best, mut best_beside) = (Duration::MAX, Duration::MAX);
    for _ in 0..many(5, 15) {
        for (work, best) in [(&mut plain as &mut dyn FnMut(), &mut best), (&mut beside, &mut best_beside)] {
            let began = Instant::now();
            work();
            *best = began.elapsed().min(*best);
        }
    }
    best_beside.as_secs_f64() / best.as_secs_f64()
}

fn assert_close(what: &str, share: f64) {
    let most = if is_long() { 1.05 } else { 4.0 };
    assert!(share <= most, "beside {what} it takes {share:.2} times as long");
}

fn address(endpoint: &str) -> &str {
    endpoint.trim_start_matches("tcp://")
}

/// A PULL, its PUSH, and a stretch of their traffic.
struct Stream {
    pull: Pull,
    push: Push,
    address: String,
    _context: Context,
}

impl Stream {
    fn new() -> Stream {
        let context = Context::new();
        let pull = Pull::builder().context(&context).recv_timeout(LONG).handshake_interval(None).handshakes_max(None);
        let pull = pull.backlog(4096).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let push: Push = socket(&context);
        push.connect(&endpoint).unwrap();
        push.wait_connected(1, LONG).unwrap();
        Stream { pull, push, address: address(&endpoint).to_string(), _context: context }
    }

    fn run(&self) {
        let count = many(20_000, 100_000);
        thread::scope(|scope| {
            scope.spawn(|| (0..count).for_each(|_| self.push.send("a message of usual length").unwrap()));
            (0..count).for_each(|_| drop(self.pull.recv().unwrap()));
        });
    }
}

/// What a stranger says first, by its number.
type Opening = fn(usize) -> Vec<u8>;
/// What a stranger subscribes to.
type Topics = fn() -> Vec<Vec<u8>>;

#[test]
fn strangers_that_stand_around_cost_nothing() {
    let _alone = alone();
    let ways: [(&str, Opening); 4] = [
        ("silent connections", |_| Vec::new()),
        ("half handshakes", |number| handshake("PUSH")[..number % 90].to_vec()),
        ("peers without a word", |_| handshake("PUSH")),
        ("half messages", |_| [handshake("PUSH"), frame(1, &[7; 3000]), vec![2, 0, 0, 0, 0, 0x3f]].concat()),
    ];
    for (what, opening) in ways {
        let (plain, beside) = (Stream::new(), Stream::new());
        let strangers: Vec<TcpStream> = (0..many(300, 5_000))
            .map(|number| {
                let mut stream = dial(&beside.address);
                stream.write_all(&opening(number)).unwrap();
                stream
            })
            .collect();
        assert_close(what, share(|| plain.run(), || beside.run()));
        drop(strangers);
    }
}

/// A PUB, its SUB, and a stretch of their traffic.
fn published(publisher: &Pub, sub: &Sub, bytes: usize) {
    let body = [&b"news"[..], &vec![b'x'; bytes]].concat();
    for _ in 0..many(200, 1_000) {
        publisher.send(&body[..]).unwrap();
        assert_eq!(sub.recv().unwrap().byte_len(), body.len());
    }
}

#[test]
fn subscribers_to_what_nobody_sends_cost_nothing() {
    let _alone = alone();
    let ways: [(&str, Topics); 3] = [
        ("a topic of a megabyte", || vec![vec![b'x'; 1 << 20]]),
        ("topics of all lengths", || (5..5_000).map(|len| vec![b'x'; len]).collect()),
        ("many topics", || (0..many(20_000, 1_000_000)).map(|number| number.to_string().into_bytes()).collect()),
    ];
    for (what, topics) in ways {
        let scenes: Vec<(Context, Pub, Sub, String)> = (0..2)
            .map(|_| {
                let context = Context::new();
                let (publisher, sub): (Pub, Sub) = (socket(&context), socket(&context));
                let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
                sub.subscribe("news").unwrap();
                sub.connect(&endpoint).unwrap();
                publisher.wait_subscribed("news", 1, LONG).unwrap();
                (context, publisher, sub, endpoint)
            })
            .collect();
        let [(_, plain, plain_sub, _), (_, beside, beside_sub, endpoint)] = &scenes[..] else { unreachable!() };
        let mut stranger = dial(address(endpoint));
        let mut wire = handshake("SUB");
        for topic in topics().iter().map(Vec::as_slice).chain([&b"the last"[..]]) {
            wire.extend(frame(4, &[b"\x09SUBSCRIBE", topic].concat()));
        }
        stranger.write_all(&wire).unwrap();
        beside.wait_subscribed("the last", 1, LONG).unwrap();
        let bytes = 100_000;
        assert_close(what, share(|| published(plain, plain_sub, bytes), || published(beside, beside_sub, bytes)));
    }
}

/// One that never stops until it is told to: what it says anew each time it is hung up on, and what it then says on and
/// on. It goes no faster than it is served: more strangers at once have a larger share, as any others would.
fn attack(address: &str, way: &str, over: &AtomicBool) {
    let names: Vec<u8> = (0..6_000u32).flat_map(|number| property(&format!("{number:04x}"), b"")).collect();
    let ready = [&b"\x05READY"[..], &property("Socket-Type", b"REQ"), &names].concat();
    let mut hello = b"\x05HELLO\x01\x00".to_vec();
    hello.resize(200, 7);
    let (opening, then) = match way {
        "storms" => (b"GET / HTTP/1.0\r\n\r\n".to_vec(), None),
        "hellos" => ([greeting(1, "CURVE"), frame(4, &hello)].concat(), None),
        "properties" => ([greeting(1, "NULL"), frame(4, &ready), vec![2; 9]].concat(), None),
        "pings" => (handshake("REQ"), Some(frame(4, b"\x04PING\x00\x000123456789abcdef").repeat(1_000))),
        "commands inside messages" => {
            ([handshake("REQ"), frame(1, b"begun")].concat(), Some(b"\x04\x00".repeat(10_000)))
        }
        _ => return,
    };
    while !over.load(Ordering::Relaxed) {
        let mut stream = dial(address);
        say(&mut stream, &opening);
        let Some(then) = &then else {
            read_to_the_end(&mut stream);
            continue;
        };
        stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        while say(&mut stream, then) && !over.load(Ordering::Relaxed) {}
    }
}

#[test]
fn strangers_that_are_busy_do_not_keep_others_from_a_moderate_rate() {
    let _alone = alone();
    for way in ["nothing", "storms", "commands inside messages", "pings", "properties", "hellos"] {
        let context = Context::new();
        let secret = CurveSecret::generate().unwrap();
        let rep = Rep::builder().context(&context).backlog(4096).recv_timeout(LONG).send_timeout(LONG);
        let req = Req::builder().context(&context).recv_timeout(LONG).send_timeout(LONG);
        let (rep, req) = if way == "hellos" {
            let req = req.curve_server_key(secret.public()).curve_secret_key(CurveSecret::generate().unwrap());
            (rep.curve_server(true).curve_secret_key(secret), req)
        } else {
            (rep, req)
        };
        let (rep, req) = (rep.build().unwrap(), req.build().unwrap());
        let mut monitor = rep.monitor();
        let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
        req.connect(&endpoint).unwrap();
        let over = AtomicBool::new(false);
        let (pace, count) = (Duration::from_millis(2), many(500, 5_000) as u32);
        let took = thread::scope(|scope| {
            let serving = rep.clone();
            scope.spawn(move || {
                while let Ok(request) = serving.recv() {
                    let ended = request == "over";
                    let _ = serving.send(request);
                    if ended {
                        return;
                    }
                }
            });
            if way != "nothing" {
                scope.spawn(|| attack(address(&endpoint), way, &over));
                wait_for(&mut monitor, 2, |kind| *kind == EventKind::Accepted);
            }
            let began = Instant::now();
            for number in 0..count {
                // Who is late catches up.
                thread::sleep((pace * number).saturating_sub(began.elapsed()));
                req.send("question").unwrap();
                assert_eq!(req.recv().unwrap(), "question");
            }
            let took = began.elapsed();
            over.store(true, Ordering::Relaxed);
            req.send("over").unwrap();
            req.recv().unwrap();
            took
        });
        let share = took.as_secs_f64() / (pace * count).as_secs_f64();
        assert_close(way, share);
    }
}
