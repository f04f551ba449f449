//! System calls that fail at random under every pattern, in builds with `--cfg zefiro_faults`: whatever they answer, no
//! message is changed or repeated, none but those the kernel had is missing, each is accounted for, and when the faults
//! end everything flows again.
//!
//! The seed is printed; `ZEFIRO_SEED` repeats one.

#![cfg(zefiro_faults)]

mod util;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use util::hostile::many;
use util::{LONG, Patience, assert_balanced, endpoints};
use zefiro::{
    Builder, Channel, Client, Context, Dealer, Dgram, Dish, Error, Frame, Gather, Interest, Message, Pair, PeerSocket,
    Poller, Pub, Pull, Push, Radio, Rep, Req, Router, Scatter, Server, SharedKey, Socket, Stream, Sub, XPub, XSub,
    faults, kind,
};

/// So long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Faults are for the whole process: one test at a time.
struct Faults {
    _alone: MutexGuard<'static, ()>,
    before: u64,
}

impl Faults {
    fn new(name: &str) -> Faults {
        Faults::one_in(500, name)
    }

    fn one_in(one_in: u64, name: &str) -> Faults {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), name);
        let seed = std::env::var("ZEFIRO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(random);
        println!("{name}: ZEFIRO_SEED={seed}");
        faults::arm(seed, one_in);
        Faults { _alone: alone, before: faults::count() }
    }

    /// Nothing fails from now on.
    fn end(&self) {
        faults::disarm();
        assert!(faults::count() > self.before, "hardly anything has failed");
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        faults::disarm();
    }
}

/// A socket whose waits are short and which comes back fast.
fn hasty<K: kind::Typed>(context: &Context) -> Builder<K> {
    Socket::<K>::builder()
        .context(context)
        .recv_timeout(Duration::from_millis(200))
        .send_timeout(Duration::from_millis(200))
        .reconnect_interval(Duration::from_millis(1))
        .handshake_interval(Duration::from_millis(200))
}

/// Does something that may fail now, until it does not.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    let mut patience = Patience::new(LONG);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(patience.lasts(), "{error}"),
        }
    }
}

/// Binds, and connects the other.
fn join<A: kind::Typed, B: kind::Typed>(bound: &Socket<A>, connected: &Socket<B>, endpoint: &str) {
    let address = patiently(|| bound.bind(endpoint)).to_string();
    patiently(|| connected.connect(&address));
}

/// A message with its number, some bytes that follow from it, and their sum; of one to three parts.
fn message(number: u64) -> Message {
    let len = match number % 100 {
        99 => 200_000,
        50 => 20_000,
        rest => rest as usize * 3,
    };
    let body: Vec<u8> = (0..len).map(|index| (index as u64 * 31 + number) as u8).collect();
    let mut message = Message::from(number.to_string().as_str());
    if !number.is_multiple_of(3) {
        message.push_back(&body[..]);
    }
    if number % 3 > 1 {
        message.push_back("the end");
    }
    message
}

/// The same in one part.
fn single(number: u64) -> Message {
    let parts: Vec<Vec<u8>> = message(number).into_frames().map(|frame| frame.to_vec()).collect();
    Message::from(parts.join(&b' '))
}

/// The number of a message of one part.
fn number_of_single(received: &[u8]) -> u64 {
    let digits = received.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&received[..digits]).unwrap().parse().unwrap();
    assert_eq!(received, single(number).as_bytes(), "message {number} is changed");
    number
}

/// The number of a message, which must be just what was sent with it.
fn number_of(received: &Message) -> u64 {
    let number = std::str::from_utf8(received.first()).unwrap().parse().unwrap();
    assert_eq!(*received, message(number), "message {number} is changed");
    number
}

/// Sends numbers from one socket to another, which sees each once. Answers how many arrived; the last one surely.
fn stream(from: &(impl Fn(u64) -> bool + Sync), to: &(impl Fn() -> Option<u64> + Sync), faults: &Faults) -> u64 {
    let count = many(5_000, 1_000_000) as u64;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut seen, mut arrived, mut patience) = (HashSet::new(), 0, Patience::new(PATIENCE));
            loop {
                assert!(patience.lasts(), "nothing came any more after {arrived}");
                let Some(number) = to() else { continue };
                (arrived, patience) = (arrived + 1, Patience::new(PATIENCE));
                // The last one is repeated until it comes: the kernel may have had it.
                if number == count - 1 {
                    break;
                }
                // What came by two connections may overtake, as these take turns; it comes once.
                assert!(seen.insert(number), "{number} came twice");
            }
            over.store(true, Ordering::Relaxed);
            arrived
        });
        'sending: for number in 0..count {
            while !from(number) {
                if receiver.is_finished() {
                    break 'sending;
                }
            }
        }
        faults.end();
        while !over.load(Ordering::Relaxed) && !receiver.is_finished() {
            from(count - 1);
            thread::sleep(Duration::from_millis(5));
        }
        receiver.join().unwrap()
    })
}

/// What a socket sends, or receives; its books are in order all the time.
fn sends<K: kind::Typed + kind::Sends>(socket: &Socket<K>, number: u64) -> bool {
    let sent = socket.send(message(number)).is_ok();
    if number.is_multiple_of(64) {
        assert_balanced("the sender", socket.counters());
    }
    sent
}

fn receives<K: kind::Typed + kind::Receives>(socket: &Socket<K>) -> Option<u64> {
    let number = number_of(&socket.recv().ok()?);
    if number.is_multiple_of(64) {
        assert_balanced("the receiver", socket.counters());
    }
    Some(number)
}

fn pipeline(name: &str, secure: impl Fn(Builder<kind::Push>, Builder<kind::Pull>) -> (Push, Pull)) {
    for endpoint in endpoints().iter().filter(|endpoint| !endpoint.starts_with("inproc")) {
        for push_binds in [false, true] {
            let faults = Faults::new(&format!("{name} over {endpoint}"));
            let context = Context::new();
            let (push, pull) = secure(hasty(&context), hasty(&context));
            match push_binds {
                true => join(&push, &pull, endpoint),
                false => join(&pull, &push, endpoint),
            }
            let arrived = stream(&|number| sends(&push, number), &|| receives(&pull), &faults);
            let (sent, received) = (push.counters(), pull.counters());
            assert!(received.received >= arrived);
            // Each message was sent, dropped with a reason, or is in a queue; what is missing, the kernel had.
            // Of a batch that is being written some may be there already.
            assert!(sent.delivered + sent.queued_out >= received.arrived, "{sent:?} {received:?}");
            assert_balanced("PUSH", sent);
            assert_balanced("PULL", received);
            context.close_within(LONG).unwrap_or_default();
        }
    }
}

#[test]
fn push_and_pull() {
    pipeline("PUSH → PULL", |push, pull| (push.build().unwrap(), pull.build().unwrap()));
}

#[test]
fn push_and_pull_encrypted() {
    pipeline("PUSH → PULL, CURVE", |push, pull| {
        let key = SharedKey::generate().unwrap();
        (push.shared_key(key.clone()).build().unwrap(), pull.shared_key(key).build().unwrap())
    });
}

#[test]
fn push_and_pull_asynchronously() {
    let faults = Faults::new("PUSH → PULL, futures");
    let context = Context::new();
    let (push, pull): (Push, Pull) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&pull, &push, "tcp://127.0.0.1:*");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sending, receiving) = (Mutex::new(runtime()), Mutex::new(runtime()));
    let patience = Duration::from_millis(200);
    let send = |number| {
        let sent = async { tokio::time::timeout(patience, push.send_async(message(number))).await };
        sending.lock().unwrap().block_on(sent).is_ok_and(|sent| sent.is_ok())
    };
    let recv = || {
        let received = async { tokio::time::timeout(patience, pull.recv_async()).await };
        receiving.lock().unwrap().block_on(received).ok()?.ok().map(|message| number_of(&message))
    };
    stream(&send, &recv, &faults);
    assert_balanced("PUSH", push.counters());
    assert_balanced("PULL", pull.counters());
}

#[test]
fn push_and_pull_by_poller() {
    let faults = Faults::new("PUSH → PULL, poller");
    let context = Context::new();
    let (push, pull): (Push, Pull) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&pull, &push, "tcp://127.0.0.1:*");
    let (sending, receiving) = (patiently(Poller::new), patiently(Poller::new));
    sending.add(&push, Interest::WRITABLE, 1).unwrap();
    receiving.add(&pull, Interest::READABLE, 2).unwrap();
    let wait = |poller: &Poller| drop(poller.wait(&mut Vec::new(), Some(Duration::from_millis(200))));
    let send = |number| {
        wait(&sending);
        push.try_send(message(number)).is_ok()
    };
    let recv = || {
        wait(&receiving);
        pull.try_recv().ok().map(|message| number_of(&message))
    };
    stream(&send, &recv, &faults);
}

#[test]
fn publishers_and_subscribers() {
    let faults = Faults::new("PUB → SUB");
    let context = Context::new();
    let publisher: Pub = hasty(&context).send_high_water_mark(0).build().unwrap();
    let subscriber: Sub = hasty(&context).recv_high_water_mark(0).build().unwrap();
    subscriber.subscribe("").unwrap();
    join(&publisher, &subscriber, "tcp://127.0.0.1:*");
    let arrived = stream(&|number| sends(&publisher, number), &|| receives(&subscriber), &faults);
    assert!(arrived > 0);
    assert_balanced("PUB", publisher.counters());
    assert_balanced("SUB", subscriber.counters());
}

/// Says so when it is dropped, in a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn publishers_and_subscribers_that_talk_back() {
    let faults = Faults::new("XPUB ↔ XSUB");
    let context = Context::new();
    let publisher: XPub = hasty(&context).build().unwrap();
    let subscriber: XSub = hasty(&context).send_high_water_mark(0).build().unwrap();
    subscriber.subscribe("").unwrap();
    join(&publisher, &subscriber, "tcp://127.0.0.1:*");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Downstream, as fast as it goes.
        scope.spawn(|| {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                sends(&publisher, number);
                let _ = subscriber.try_recv().map(|message| number_of(&message));
            }
        });
        let upstream = || {
            let message = publisher.recv().ok()?;
            // What it is asked for is told as well.
            message.first().first().is_none_or(|byte| *byte > 1).then(|| number_of_single(message.as_bytes()))
        };
        let _over = Over(&is_over);
        stream(&|number| subscriber.send(single(number)).is_ok(), &upstream, &faults);
    });
    assert_balanced("XPUB", publisher.counters());
    assert_balanced("XSUB", subscriber.counters());
}

#[test]
fn pairs() {
    let faults = Faults::new("PAIR");
    let context = Context::new();
    let (one, other): (Pair, Pair) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&one, &other, "tcp://127.0.0.1:*");
    stream(&|number| sends(&other, number), &|| receives(&one), &faults);
    assert_balanced("PAIR", one.counters());
    assert_balanced("PAIR", other.counters());
}

#[test]
fn channels() {
    let faults = Faults::new("CHANNEL");
    let context = Context::new();
    let (one, other): (Channel, Channel) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&one, &other, "tcp://127.0.0.1:*");
    let recv = || one.recv().ok().map(|message| number_of_single(message.as_bytes()));
    stream(&|number| other.send(single(number)).is_ok(), &recv, &faults);
    assert_balanced("CHANNEL", one.counters());
    assert_balanced("CHANNEL", other.counters());
}

#[test]
fn scattered_and_gathered() {
    let faults = Faults::new("SCATTER → GATHER");
    let context = Context::new();
    let (scatter, gather): (Scatter, Gather) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&gather, &scatter, "tcp://127.0.0.1:*");
    let recv = || gather.recv().ok().map(|message| number_of_single(message.as_bytes()));
    stream(&|number| scatter.send(single(number)).is_ok(), &recv, &faults);
    assert_balanced("SCATTER", scatter.counters());
    assert_balanced("GATHER", gather.counters());
}

#[test]
fn radios_and_dishes() {
    let faults = Faults::new("RADIO → DISH");
    let context = Context::new();
    let radio: Radio = hasty(&context).send_high_water_mark(0).build().unwrap();
    let dish: Dish = hasty(&context).recv_high_water_mark(0).build().unwrap();
    dish.join("tv").unwrap();
    join(&radio, &dish, "tcp://127.0.0.1:*");
    let recv = || dish.recv().ok().map(|message| number_of_single(message.last()));
    let send = |number| radio.send(Message::for_group("tv", single(number).as_bytes())).is_ok();
    stream(&send, &recv, &faults);
    assert_balanced("RADIO", radio.counters());
    assert_balanced("DISH", dish.counters());
}

/// A number whose message fits into a datagram.
fn short(number: u64) -> u64 {
    number * 100 + number % 50
}

#[test]
fn radios_and_dishes_by_datagrams() {
    let faults = Faults::new("RADIO → DISH over udp");
    let context = Context::new();
    let radio: Radio = hasty(&context).build().unwrap();
    let dish: Dish = hasty(&context).build().unwrap();
    dish.join("tv").unwrap();
    join(&dish, &radio, "udp://127.0.0.1:*");
    let recv = || dish.recv().ok().map(|message| number_of_single(message.last()) / 100);
    let send = |number| radio.send(Message::for_group("tv", single(short(number)).as_bytes())).is_ok();
    stream(&send, &recv, &faults);
    assert_balanced("RADIO", radio.counters());
    assert_balanced("DISH", dish.counters());
}

#[test]
fn datagrams() {
    let faults = Faults::new("DGRAM ↔ DGRAM");
    let context = Context::new();
    let (one, other): (Dgram, Dgram) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    let endpoint = patiently(|| one.bind("udp://127.0.0.1:*")).to_string();
    patiently(|| other.bind("udp://127.0.0.1:*"));
    let address = endpoint.trim_start_matches("udp://");
    let recv = || one.recv().ok().map(|message| number_of_single(message.last()) / 100);
    let send = |number| other.send([address.as_bytes(), single(short(number)).as_bytes()]).is_ok();
    stream(&send, &recv, &faults);
    assert_balanced("DGRAM", one.counters());
    assert_balanced("DGRAM", other.counters());
}

/// Of plain bytes those of a connection are in order and without a gap, but where it ends.
#[test]
fn streams() {
    let faults = Faults::new("STREAM");
    let context = Context::new();
    let server: Stream = hasty(&context).build().unwrap();
    let client: Stream = hasty(&context).connect_routing_id(Frame::from("server")).build().unwrap();
    join(&server, &client, "tcp://127.0.0.1:*");
    /// What has come of each connection and is no whole record yet, and what is to be told.
    type Pieces = (HashMap<Vec<u8>, Vec<u8>>, VecDeque<u64>);
    let pieces: Mutex<Pieces> = Mutex::default();
    let send = |number: u64| {
        let record = [number.to_be_bytes(), (!number).to_be_bytes()].concat();
        let _ = client.try_recv();
        client.send(["server".as_bytes(), &record]).is_ok()
    };
    let recv = || {
        let (pieces, ready) = &mut *pieces.lock().unwrap();
        if ready.is_empty() {
            let message = server.recv().ok()?;
            let bytes = pieces.entry(message.first().to_vec()).or_default();
            bytes.extend_from_slice(message.last());
            let whole = bytes.len() / 16 * 16;
            for record in bytes.drain(..whole).as_slice().chunks(16) {
                let number = u64::from_be_bytes(record[..8].try_into().unwrap());
                assert_eq!(record[8..], (!number).to_be_bytes(), "bytes are missing or changed");
                ready.push_back(number);
            }
        }
        ready.pop_front()
    };
    stream(&send, &recv, &faults);
    assert_balanced("STREAM", server.counters());
    assert_balanced("STREAM", client.counters());
}

/// Asks until the right answer comes, each number in turn; the last ones without faults.
fn ask(count: u64, faults: &Faults, try_to: impl Fn(u64) -> Option<u64>) {
    answers(count, |number| {
        if number == count - 10 {
            faults.end();
        }
        try_to(number)
    });
}

/// Asks until the right answer comes, each number in turn.
fn answers(count: u64, try_to: impl Fn(u64) -> Option<u64>) {
    for number in 0..count {
        let mut patience = Patience::new(PATIENCE);
        while try_to(number) != Some(number) {
            assert!(patience.lasts(), "question {number} was never answered");
        }
    }
}

#[test]
fn requests_and_replies() {
    let faults = Faults::new("REQ ↔ REP");
    let context = Context::new();
    let rep: Rep = hasty(&context).build().unwrap();
    let req: Req = hasty(&context).req_relaxed(true).req_correlate(true).build().unwrap();
    join(&rep, &req, "tcp://127.0.0.1:*");
    let serving = rep.clone();
    let server = thread::spawn(move || {
        loop {
            match serving.recv() {
                Ok(request) => drop(serving.send(request)),
                Err(error) if error.is_would_block() => {}
                Err(_) => return,
            }
        }
    });
    ask(many(3_000, 250_000) as u64, &faults, |number| {
        req.send(message(number)).ok()?;
        Some(number_of(&req.recv().ok()?))
    });
    assert_balanced("REQ", req.counters());
    assert_balanced("REP", rep.counters());
    rep.close();
    server.join().unwrap();
}

/// Much of what may fail is done once: where a connection, and a selector of its own, are new to a socket.
#[test]
fn beginnings() {
    from_the_beginning("REQ ↔ REP, from the beginning", &[begin_requests]);
}

#[test]
fn beginnings_of_many_kinds() {
    from_the_beginning(
        "from the beginning",
        &[begin_publishing, begin_polling, begin_asynchronously, begin_encrypted, begin_before_the_bind],
    );
}

/// Begins many times at once, in each of the ways in turn. What does not flow by the time half of them do, and nothing fails
/// any more, has to then.
fn from_the_beginning(name: &str, ways: &[fn()]) {
    for _ in 0..many(2, 40) {
        let faults = Faults::one_in(100, name);
        let (began, begun) = mpsc::channel();
        thread::scope(|scope| {
            for way in ways.iter().cycle().take(BEGINNINGS) {
                let began = began.clone();
                scope.spawn(move || {
                    way();
                    began.send(())
                });
            }
            drop(began);
            let some = begun.iter().take(BEGINNINGS / 2).count();
            faults.end();
            assert_eq!(some, BEGINNINGS / 2);
        });
    }
}

/// At once: each has some ten descriptors, and a process may have no more than a thousand.
const BEGINNINGS: usize = 50;

/// A few questions and their answers between two new sockets.
fn begin_requests() {
    let context = Context::new();
    let rep: Rep = hasty(&context).build().unwrap();
    let req: Req = hasty(&context).req_relaxed(true).req_correlate(true).build().unwrap();
    join(&rep, &req, "tcp://127.0.0.1:*");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = rep.recv().map(|request| rep.send(request));
            }
        });
        let _over = Over(&is_over);
        answers(5, |number| {
            req.send(message(number)).ok()?;
            Some(number_of(&req.recv().ok()?))
        });
    });
}

/// A few messages from one end to the other, each repeated until it comes.
fn begin_sending(send: impl Fn(u64) -> bool, recv: impl Fn() -> Option<u64>) {
    answers(5, |number| {
        send(number);
        // Repeated ones come too.
        std::iter::from_fn(&recv).find(|received| *received == number)
    });
}

fn begin_publishing() {
    let context = Context::new();
    let publisher: Pub = hasty(&context).build().unwrap();
    let subscriber: Sub = hasty(&context).build().unwrap();
    join(&publisher, &subscriber, "ipc://*");
    subscriber.subscribe("").unwrap();
    begin_sending(|number| sends(&publisher, number), || receives(&subscriber));
}

fn begin_polling() {
    let context = Context::new();
    let (push, pull): (Push, Pull) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    let poller = patiently(Poller::new);
    poller.add(&pull, Interest::READABLE, 1).unwrap();
    poller.add(&push, Interest::NONE, 2).unwrap();
    join(&push, &pull, "tcp://127.0.0.1:*");
    let recv = || {
        let _ = poller.wait(&mut Vec::new(), Some(Duration::from_millis(200)));
        pull.try_recv().ok().map(|message| number_of(&message))
    };
    begin_sending(|number| sends(&push, number), recv);
}

fn begin_asynchronously() {
    let context = Context::new();
    let router: Router = hasty(&context).build().unwrap();
    let dealer: Dealer = hasty(&context).build().unwrap();
    join(&router, &dealer, "ipc://*");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let patience = Duration::from_millis(200);
    let echo = async || -> Option<u64> {
        loop {
            if let Ok(request) = router.recv_async().await {
                let _ = router.send_async(request).await;
            }
        }
    };
    let ask = async |number| {
        dealer.send_async(message(number)).await.ok()?;
        // Answers to questions asked again may come too.
        loop {
            let answer = number_of(&dealer.recv_async().await.ok()?);
            if answer == number {
                return Some(answer);
            }
        }
    };
    answers(5, |number| {
        let answered = async {
            tokio::select! {
                answer = ask(number) => answer,
                answer = echo() => answer,
            }
        };
        runtime.block_on(async { tokio::time::timeout(patience, answered).await }).ok()?
    });
}

fn begin_encrypted() {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    let push: Push = hasty(&context).shared_key(key.clone()).build().unwrap();
    let pull: Pull = hasty(&context).shared_key(key).build().unwrap();
    join(&pull, &push, "tcp://127.0.0.1:*");
    begin_sending(|number| sends(&push, number), || receives(&pull));
}

fn begin_before_the_bind() {
    let context = Context::new();
    let (one, other): (Pair, Pair) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/late", directory.path().display());
    patiently(|| one.connect(&endpoint));
    patiently(|| other.bind(&endpoint));
    begin_sending(|number| sends(&other, number), || receives(&one));
    begin_sending(|number| sends(&one, number), || receives(&other));
}

#[test]
fn dealers_and_routers() {
    let faults = Faults::new("DEALER ↔ ROUTER");
    let context = Context::new();
    // The dealer may be back before its end was seen, and without a handover the older of two that say "me" stays.
    let router: Router = hasty(&context).router_handover(true).build().unwrap();
    let dealer: Dealer = hasty(&context).routing_id("me").build().unwrap();
    join(&router, &dealer, "tcp://127.0.0.1:*");
    let serving = router.clone();
    let server = thread::spawn(move || {
        loop {
            match serving.recv() {
                Ok(request) => drop(serving.send(request)),
                Err(error) if error.is_would_block() => {}
                Err(_) => return,
            }
        }
    });
    ask(many(3_000, 250_000) as u64, &faults, |number| {
        dealer.send(message(number)).ok()?;
        // Answers to questions asked again may come too.
        loop {
            let answer = number_of(&dealer.recv().ok()?);
            if answer == number {
                return Some(answer);
            }
        }
    });
    assert_balanced("DEALER", dealer.counters());
    assert_balanced("ROUTER", router.counters());
    router.close();
    server.join().unwrap();
}

#[test]
fn clients_and_servers() {
    let faults = Faults::new("CLIENT ↔ SERVER");
    let context = Context::new();
    let server: Server = hasty(&context).build().unwrap();
    let client: Client = hasty(&context).build().unwrap();
    join(&server, &client, "tcp://127.0.0.1:*");
    let serving = server.clone();
    let thread = thread::spawn(move || {
        loop {
            match serving.recv() {
                Ok(request) => {
                    let answer = Message::for_peer(request.peer_number().unwrap(), request.last().to_vec());
                    drop(serving.send(answer));
                }
                Err(error) if error.is_would_block() => {}
                Err(_) => return,
            }
        }
    });
    ask(many(3_000, 250_000) as u64, &faults, |number| {
        client.send(single(number)).ok()?;
        loop {
            let answer = number_of_single(client.recv().ok()?.as_bytes());
            if answer == number {
                return Some(answer);
            }
        }
    });
    assert_balanced("CLIENT", client.counters());
    assert_balanced("SERVER", server.counters());
    server.close();
    thread.join().unwrap();
}

#[test]
fn peers_among_themselves() {
    let faults = Faults::new("PEER");
    let context = Context::new();
    let one: PeerSocket = hasty(&context).build().unwrap();
    let other: PeerSocket = hasty(&context).build().unwrap();
    let endpoint = patiently(|| one.bind("tcp://127.0.0.1:*")).to_string();
    let number_of_one = other.connect_peer(&endpoint).unwrap();
    let recv = || one.recv().ok().map(|message| number_of_single(message.last()));
    let send = |number| other.send(Message::for_peer(number_of_one, single(number).as_bytes())).is_ok();
    stream(&send, &recv, &faults);
    assert_balanced("PEER", one.counters());
    assert_balanced("PEER", other.counters());
}

#[test]
fn sockets_that_come_and_go() {
    let faults = Faults::new("come and go");
    for round in 0..many(200, 10_000) {
        let context = Context::new();
        let (push, pull): (Push, Pull) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
        if let Ok(endpoint) = pull.bind("tcp://127.0.0.1:*") {
            push.connect(endpoint.to_string()).unwrap();
            let _ = push.send(message(round as u64));
            if let Ok(message) = pull.recv_timeout(Duration::from_millis(20)) {
                assert_eq!(number_of(&message), round as u64);
            }
        }
        let _ = context.close_within(Duration::from_millis(100));
    }
    faults.end();
}
