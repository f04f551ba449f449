//! System calls that fail at random under every pattern, in builds with `--cfg zefiro_faults`: whatever they answer, no
//! message is changed or repeated, none but those the kernel had is missing, and when the faults end
//! everything flows again.
//!
//! The seed is printed; `ZEFIRO_SEED` repeats one.

#![cfg(zefiro_faults)]

mod util;

use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::many;
use util::{LONG, endpoints};
use zefiro::{
    Builder, Configure, Context, Dealer, Error, Message, Pair, Pub, Pull, Push, Rep, Req, Router, SharedKey, Socket,
    Sub, faults, kind,
};

/// Faults are for the whole process: one test at a time.
struct Faults {
    _alone: MutexGuard<'static, ()>,
    before: u64,
}

impl Faults {
    fn new(name: &str) -> Faults {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), name);
        let seed = std::env::var("ZEFIRO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(random);
        println!("{name}: ZEFIRO_SEED={seed}");
        faults::arm(seed, 500);
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

/// Binds, and connects the other; either may fail now.
fn join<A: kind::Typed, B: kind::Typed>(bound: &Socket<A>, connected: &Socket<B>, endpoint: &str) {
    let deadline = Instant::now() + LONG;
    let patiently = |result: Result<(), Error>| {
        if let Err(error) = result {
            assert!(Instant::now() < deadline, "{error}");
            return false;
        }
        true
    };
    let mut address = String::new();
    while !patiently(bound.bind(endpoint).map(|endpoint| address = endpoint.to_string())) {}
    while !patiently(connected.connect(&address)) {}
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
    if number % 3 > 0 {
        message.push_back(&body[..]);
    }
    if number % 3 > 1 {
        message.push_back("the end");
    }
    message
}

/// The number of a message, which must be just what was sent with it.
fn number_of(received: &Message) -> u64 {
    let number = std::str::from_utf8(received.first()).unwrap().parse().unwrap();
    assert_eq!(*received, message(number), "message {number} is changed");
    number
}

/// Sends numbers from one socket to another, which sees each once. Answers how many arrived; the last one surely.
fn stream(
    from: &(impl Fn(Message) -> bool + Sync),
    to: &(impl Fn() -> Option<Message> + Sync),
    faults: &Faults,
) -> u64 {
    let count = many(5_000, 1_000_000) as u64;
    let over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut seen, mut arrived) = (std::collections::HashSet::new(), 0);
            let deadline = Instant::now() + Duration::from_secs(many(30, 600) as u64);
            loop {
                assert!(Instant::now() < deadline, "nothing came any more after {arrived}");
                let Some(message) = to() else { continue };
                let number = number_of(&message);
                arrived += 1;
                // The last one is repeated until it comes: the kernel may have had it.
                if number == count - 1 {
                    break;
                }
                // What came by two connections may overtake, as these take turns; it comes once.
                assert!(seen.insert(number), "{number} came twice");
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            arrived
        });
        'sending: for number in 0..count {
            while !from(message(number)) {
                if receiver.is_finished() {
                    break 'sending;
                }
            }
        }
        faults.end();
        while !over.load(std::sync::atomic::Ordering::Relaxed) && !receiver.is_finished() {
            from(message(count - 1));
            thread::sleep(Duration::from_millis(5));
        }
        receiver.join().unwrap()
    })
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
            let arrived = stream(&|message| push.send(message).is_ok(), &|| pull.recv().ok(), &faults);
            let (sent, received) = (push.counters(), pull.counters());
            assert!(received.received >= arrived);
            // Each message was sent, dropped with a reason, or is in a queue; what is missing, the kernel had.
            assert!(sent.sent >= received.received, "{sent:?} {received:?}");
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
fn publishers_and_subscribers() {
    let faults = Faults::new("PUB → SUB");
    let context = Context::new();
    let publisher: Pub = hasty(&context).send_high_water_mark(0usize).build().unwrap();
    let subscriber: Sub = hasty(&context).recv_high_water_mark(0usize).build().unwrap();
    subscriber.subscribe("").unwrap();
    join(&publisher, &subscriber, "tcp://127.0.0.1:*");
    let arrived = stream(&|message| publisher.send(message).is_ok(), &|| subscriber.recv().ok(), &faults);
    assert!(arrived > 0);
}

#[test]
fn pairs() {
    let faults = Faults::new("PAIR");
    let context = Context::new();
    let (one, other): (Pair, Pair) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
    join(&one, &other, "tcp://127.0.0.1:*");
    stream(&|message| other.send(message).is_ok(), &|| one.recv().ok(), &faults);
}

/// Asks until the right answer comes, each number in turn.
fn ask(count: u64, faults: &Faults, try_to: impl Fn(u64) -> Option<u64>) {
    let deadline = Instant::now() + Duration::from_secs(many(30, 600) as u64);
    let mut number = 0;
    while number < count {
        assert!(Instant::now() < deadline, "question {number} was never answered");
        if number == count - 10 {
            faults.end();
        }
        if try_to(number) == Some(number) {
            number += 1;
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
    ask(many(3_000, 100_000) as u64, &faults, |number| {
        req.send(message(number)).ok()?;
        Some(number_of(&req.recv().ok()?))
    });
    rep.close();
    server.join().unwrap();
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
    ask(many(3_000, 100_000) as u64, &faults, |number| {
        dealer.send(message(number)).ok()?;
        // Answers to questions asked again may come too.
        loop {
            let answer = number_of(&dealer.recv().ok()?);
            if answer == number {
                return Some(answer);
            }
        }
    });
    router.close();
    server.join().unwrap();
}

#[test]
fn sockets_that_come_and_go() {
    let faults = Faults::new("come and go");
    for round in 0..many(200, 10_000) {
        let context = Context::new();
        let (push, pull): (Push, Pull) = (hasty(&context).build().unwrap(), hasty(&context).build().unwrap());
        if let Ok(endpoint) = pull.bind("tcp://127.0.0.1:*") {
            push.connect(&endpoint.to_string()).unwrap();
            let _ = push.send(message(round as u64));
            if let Ok(message) = pull.recv_timeout(Duration::from_millis(20)) {
                assert_eq!(number_of(&message), round as u64);
            }
        }
        let _ = context.close_within(Duration::from_millis(100));
    }
    faults.end();
}
