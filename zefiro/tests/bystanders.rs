//! What those who mean well notice of those who do not: strangers that stand around take nothing from their rate, and
//! those that are busy do not keep them from a moderate one.
//!
//! Short by default, and then only grossly; with `ZEFIRO_LONG=1`, optimised, to the twentieth. What is measured is printed
//! (`--nocapture`); `bench/record` has it of some days.

mod util;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{
    alone, assert_grown_at_most, dial, frame, greeting, many, property, read_to_the_end, resident, say, until, wait_for,
};
use util::{LONG, handshake, is_long, processor_time, socket};
use zefiro::{Context, CurveKey, CurveSecret, EventKind, Message, Pub, Pull, Push, Rep, Req, Router, Sub};
use zmtp::{Config, Connection, MechanismConfig, SocketType};

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

/// What is measured is no more than it may be, some time: what else goes on on the machine only adds to it.
fn assert_close(what: &str, mut share: impl FnMut() -> f64) {
    // What is not optimised takes its tenfold, and so does what is done for the strangers.
    let most = if is_long() && !cfg!(debug_assertions) { 1.05 } else { 10.0 };
    let mut best = f64::MAX;
    for _ in 0..5 {
        best = best.min(share());
        if best <= most {
            return println!("beside {what} it takes {best:.3} times as long");
        }
    }
    panic!("beside {what} it takes {best:.2} times as long");
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
        assert_close(what, || share(|| plain.run(), || beside.run()));
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
        ("many topics", || (0..many(20_000, 999_999)).map(|number| number.to_string().into_bytes()).collect()),
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
        assert_close(what, || share(|| published(plain, plain_sub, bytes), || published(beside, beside_sub, bytes)));
    }
}

/// What a stranger says anew each time it is hung up on, and what it then says on and on, reading nothing. It goes no
/// faster than it is served: more strangers at once have a larger share, as any others would.
struct Attack {
    opening: Vec<u8>,
    then: Option<Vec<u8>>,
    /// Hangs up itself, and waits until that is noticed.
    leaves: bool,
}

impl Attack {
    /// Says this, and waits for the end.
    fn anew(opening: Vec<u8>) -> Attack {
        Attack { opening, then: None, leaves: false }
    }

    /// Says this, and goes.
    fn in_passing(opening: Vec<u8>) -> Attack {
        Attack { opening, then: None, leaves: true }
    }

    /// Says the second on and on.
    fn endless(opening: Vec<u8>, then: Vec<u8>) -> Attack {
        Attack { opening, then: Some(then), leaves: false }
    }

    fn run(&self, address: &str, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            let mut stream = dial(address);
            say(&mut stream, &self.opening);
            match &self.then {
                None => {
                    if self.leaves {
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                    read_to_the_end(&mut stream);
                }
                // It only stands around.
                Some(then) if then.is_empty() => {
                    while !over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                Some(then) => say_on_and_on(&mut stream, then, over),
            }
        }
    }
}

/// Until it is over, or the other side hangs up. Who is not served waits: a stranger that went and came again would leave
/// behind what it had said, to be read all the same, and the slower the machine the more of those there would be.
fn say_on_and_on(stream: &mut TcpStream, bytes: &[u8], over: &AtomicBool) {
    stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut rest = bytes;
    while !over.load(Ordering::Relaxed) {
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        if rest.is_empty() {
            rest = bytes;
        }
    }
}

/// Ends an attack when it is dropped, in a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does something at a moderate rate, beside an attack. Memory stays where it is, too.
fn paced(what: &str, address: &str, attack: Option<Attack>, mut step: impl FnMut()) {
    let over = AtomicBool::new(false);
    let (pace, count) = (Duration::from_millis(2), many(150, 2_500) as u32);
    thread::scope(|scope| {
        if let Some(attack) = &attack {
            scope.spawn(|| attack.run(address, &over));
        }
        let _over = Over(&over);
        (0..10).for_each(|_| step());
        let before = resident();
        assert_close(what, || {
            let mut waits: Vec<Duration> = Vec::new();
            let (began, worked) = (Instant::now(), processor_time());
            for number in 0..count {
                // Who is late catches up.
                thread::sleep((pace * number).saturating_sub(began.elapsed()));
                let asked = Instant::now();
                step();
                waits.push(asked.elapsed());
            }
            // While the machine does something else nobody here works, neither the strangers nor who serves them.
            let worked = if is_long() { Duration::MAX } else { processor_time() - worked };
            let took = began.elapsed().min(worked);
            waits.sort_unstable();
            let [half, most] = [50, 99].map(|percent| waits[waits.len() * percent / 100]);
            println!("beside {what} half the steps take {half:?}, one in a hundred {most:?}");
            took.as_secs_f64() / (pace * count).as_secs_f64()
        });
        println!("beside {what} memory has grown by {} KiB", resident().saturating_sub(before) >> 10);
        assert_grown_at_most(40, before);
    });
}

/// All that a client of CURVE says in a session with a server: what whoever listens has recorded.
fn recorded(address: &str, server: CurveKey) -> Vec<u8> {
    let secret = CurveSecret::generate().unwrap();
    let mut config = Config::new(SocketType::Req);
    config.mechanism = MechanismConfig::CurveClient { public: secret.public(), secret, server };
    let mut client = Connection::new(Arc::new(config), Instant::now());
    let (mut stream, mut record) = (dial(address), Vec::new());
    while !client.is_ready() {
        let said = client.take_output().unwrap_or_default();
        stream.write_all(&said).unwrap();
        record.extend_from_slice(&said);
        let mut heard = [0; 4096];
        let count = stream.read(&mut heard).unwrap();
        client.input().extend_from_slice(&heard[..count]);
        client.handle_input(Instant::now()).unwrap();
        while client.poll_event().is_some() {}
    }
    let mut sealer = client.take_sealer().unwrap();
    sealer.seal(&mut record, true, false, b"").unwrap();
    sealer.seal(&mut record, false, false, b"question").unwrap();
    record
}

/// A REP and its REQ; a stranger to the first.
struct Service {
    rep: Rep,
    req: Req,
    address: String,
    server: Option<CurveKey>,
    _context: Context,
}

impl Service {
    fn new(mechanism: &str) -> Service {
        let context = Context::new();
        let rep = Rep::builder().context(&context).backlog(4096).recv_timeout(LONG).send_timeout(LONG);
        let req = Req::builder().context(&context).recv_timeout(LONG).send_timeout(LONG);
        let secret = CurveSecret::generate().unwrap();
        let server = (mechanism == "CURVE").then(|| secret.public());
        let (rep, req) = match mechanism {
            "CURVE" => {
                let req = req.curve_server_key(secret.public()).curve_secret_key(CurveSecret::generate().unwrap());
                (rep.curve_server(true).curve_secret_key(secret), req)
            }
            "PLAIN" => {
                answer_for_one(&context);
                let rep = rep.plain_server(true).handshake_interval(Duration::from_millis(100));
                (rep, req.plain_username("admin").plain_password("secret"))
            }
            _ => (rep, req),
        };
        let (rep, req) = (rep.build().unwrap(), req.build().unwrap());
        let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
        req.connect(&endpoint).unwrap();
        Service { rep, req, address: address(&endpoint).to_string(), server, _context: context }
    }

    fn run(&self, what: &str, attack: Option<Attack>) {
        thread::scope(|scope| {
            let serving = self.rep.clone();
            scope.spawn(move || {
                while let Ok(request) = serving.recv() {
                    let ended = request == "over";
                    let _ = serving.send(request);
                    if ended {
                        return;
                    }
                }
            });
            let ask = |question: &str| {
                self.req.send(question).unwrap();
                assert_eq!(self.req.recv().unwrap(), question);
            };
            let mut monitor = self.rep.monitor();
            let attacked = attack.is_some();
            paced(what, &self.address, attack, || ask("question"));
            if attacked {
                wait_for(&mut monitor, 1, |kind| *kind == EventKind::Accepted);
            }
            ask("over");
        });
    }
}

/// An authenticator that lets in the administrator, and has no answer for anybody else.
fn answer_for_one(context: &Context) {
    let handler = Router::builder().context(context).build().unwrap();
    handler.bind("inproc://zeromq.zap.01").unwrap();
    thread::spawn(move || {
        for question in handler.incoming() {
            let Ok(question) = question else { return };
            let frames: Vec<&[u8]> = question.frames().map(|frame| frame.as_slice()).collect();
            if frames[8] == b"admin" {
                let answer = [frames[0], b"", b"1.0", frames[3], b"200", b"", b"", b""];
                let _ = handler.send(answer.into_iter().collect::<Message>());
            }
        }
    });
}

#[test]
fn strangers_that_are_busy_do_not_keep_others_from_a_moderate_rate() {
    let _alone = alone();
    let names: Vec<u8> = (0..6_000u32).flat_map(|number| property(&format!("{number:04x}"), b"")).collect();
    let ready = |more: &[u8]| frame(4, &[&b"\x05READY"[..], &property("Socket-Type", b"REQ"), more].concat());
    // Ends a connection that is ready.
    let nonsense = vec![2; 9];
    let ways = [
        ("nothing", None),
        ("connections that end at once", Some(Attack::in_passing(Vec::new()))),
        ("web browsers", Some(Attack::anew(b"GET / HTTP/1.0\r\n\r\n".to_vec()))),
        ("TLS", Some(Attack::anew(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".repeat(10)))),
        ("impossible sizes", Some(Attack::anew([handshake("REQ"), vec![2], vec![0xff; 8]].concat()))),
        ("small properties", Some(Attack::anew([greeting(1, "NULL"), ready(&names), nonsense.clone()].concat()))),
        (
            "a large property",
            Some(Attack::anew([greeting(1, "NULL"), ready(&property("X-Much", &[7; 60_000])), nonsense].concat())),
        ),
        ("a handshake too large", Some(Attack::anew([greeting(1, "NULL"), ready(&vec![7; 1 << 20])].concat()))),
        ("pings", Some(Attack::endless(handshake("REQ"), frame(4, b"\x04PING\0\x000123456789abcdef").repeat(1_000)))),
        ("errors", Some(Attack::endless(handshake("REQ"), frame(4, b"\x05ERROR\x03400").repeat(1_000)))),
        (
            "commands inside messages",
            Some(Attack::endless([handshake("REQ"), frame(1, b"begun")].concat(), b"\x04\x00".repeat(10_000))),
        ),
        ("messages without an end", Some(Attack::anew([handshake("REQ"), frame(1, b"more").repeat(70_000)].concat()))),
        ("parts of messages", Some(Attack::in_passing([handshake("REQ"), frame(1, &[7; 1_000]).repeat(20)].concat()))),
    ];
    for (what, attack) in ways {
        Service::new("NULL").run(what, attack);
    }
}

#[test]
fn strangers_to_whom_it_is_closed_do_not_keep_others_from_a_moderate_rate() {
    let _alone = alone();
    let mut hello = b"\x05HELLO\x01\x00".to_vec();
    hello.resize(200, 7);
    let smuggled = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x03\0\0\x01\0\0\x08smuggled".to_vec();
    Service::new("CURVE").run("downgrades, CURVE", Some(Attack::anew(smuggled.clone())));
    Service::new("CURVE").run("hellos, CURVE", Some(Attack::anew([greeting(1, "CURVE"), frame(4, &hello)].concat())));
    let service = Service::new("CURVE");
    let record = recorded(&service.address, service.server.unwrap());
    service.run("replays, CURVE", Some(Attack::anew(record)));
    let asking = [greeting(1, "PLAIN"), frame(4, b"\x05HELLO\x05guest\x05guess")].concat();
    Service::new("PLAIN").run("downgrades, PLAIN", Some(Attack::anew(smuggled)));
    Service::new("PLAIN").run("questions that nobody answers", Some(Attack::in_passing(asking)));
}

#[test]
fn subscribers_that_are_busy_do_not_keep_others_from_a_moderate_rate() {
    let _alone = alone();
    let wants = |command: &str| -> Vec<u8> {
        (0..10_000).flat_map(|number| frame(4, format!("{command}{number}").as_bytes())).collect()
    };
    let (subscribing, cancelling) = (wants("\x09SUBSCRIBE"), wants("\x06CANCEL"));
    let of_old: Vec<u8> = [1u8, 0]
        .iter()
        .flat_map(|first| (0..10_000).flat_map(|number| frame(0, &[&[*first], number.to_string().as_bytes()].concat())))
        .collect();
    let long = |command: &[u8]| frame(4, &[command, &vec![b'x'; 1 << 16]].concat());
    let ways = [
        ("nothing", None),
        ("cancels of what was never asked for", Some(Attack::endless(handshake("SUB"), cancelling.clone()))),
        (
            "topics that come and go",
            Some(Attack::endless(handshake("SUB"), [subscribing.clone(), cancelling].concat())),
        ),
        ("topics of old that come and go", Some(Attack::endless(handshake("SUB"), of_old))),
        ("subscribers that come and go", Some(Attack::in_passing([handshake("SUB"), subscribing].concat()))),
        (
            "long topics that come and go",
            Some(Attack::endless(handshake("SUB"), [long(b"\x09SUBSCRIBE"), long(b"\x06CANCEL")].concat())),
        ),
        ("messages to a publisher", Some(Attack::endless(handshake("SUB"), frame(0, &[7; 8_000]).repeat(10)))),
        (
            "a subscriber that reads nothing",
            Some(Attack::endless([handshake("SUB"), frame(4, b"\x09SUBSCRIBE")].concat(), Vec::new())),
        ),
    ];
    for (what, attack) in ways {
        let context = Context::new();
        let publisher = Pub::builder().context(&context).send_high_water_mark(10).build().unwrap();
        let sub: Sub = socket(&context);
        let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
        sub.subscribe("news").unwrap();
        sub.connect(&endpoint).unwrap();
        publisher.wait_subscribed("news", 1, LONG).unwrap();
        let body = [&b"news"[..], &[7; 10_000]].concat();
        paced(what, address(&endpoint), attack, || {
            publisher.send(&body[..]).unwrap();
            assert_eq!(sub.recv().unwrap().byte_len(), body.len());
        });
        until("the strangers are gone", || publisher.peers().len() == 1);
    }
}

#[test]
fn workers_that_talk_do_not_keep_others_from_a_moderate_rate() {
    let _alone = alone();
    let context = Context::new();
    let push = Push::builder().context(&context).immediate(true).send_timeout(LONG).build().unwrap();
    let pull: Pull = socket(&context);
    let endpoint = push.bind("tcp://127.0.0.1:*").unwrap().to_string();
    pull.connect(&endpoint).unwrap();
    push.wait_connected(1, LONG).unwrap();
    // Its turn comes, too: what it is given it does not do, but it does not hold up the work of the other.
    let attack = Attack::endless(handshake("PULL"), frame(0, &[7; 8_000]).repeat(10));
    paced("messages to a PUSH", address(&endpoint), Some(attack), || {
        let deadline = Instant::now() + LONG;
        push.send("job").unwrap();
        while pull.recv_timeout(Duration::ZERO).is_err() {
            assert!(Instant::now() < deadline, "the other one gets all the jobs");
            push.send("job").unwrap();
        }
    });
}
