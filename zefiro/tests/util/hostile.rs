//! What the tests of hostile peers share: a service with a client that means well, and an attack beside it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use zefiro::{Builder, Context, Event, EventKind, Monitor, Rep, Req, kind};

use super::{LONG, is_long};

/// So many of something: `short`, or `full` at full length.
pub fn many(short: usize, full: usize) -> usize {
    if is_long() { full } else { short }
}

/// Tests that look at the memory of the process run one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// So many events of a sort are surely among those that a monitor keeps for who does not read: a thousand, of which each
/// connection makes up to four.
pub const EVENTS_KEPT: usize = 200;

/// Memory of this process, in bytes.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Fails if the process has grown by more than so many mebibytes since it was `before`.
pub fn assert_grown_at_most(mebibytes: u64, before: u64) {
    let grown = resident().saturating_sub(before) >> 20;
    assert!(grown <= mebibytes, "the process has grown by {grown} MiB, of which {mebibytes} would be all right");
}

type Secure = dyn Fn(Builder<kind::Req>) -> Builder<kind::Req> + Send + Sync;

/// An echo service on tcp, and a client of it that asks on and on.
pub struct Service {
    pub rep: Rep,
    pub address: String,
    pub monitor: Monitor,
    client: Req,
    context: Context,
    secure_client: Box<Secure>,
}

impl Service {
    pub fn new() -> Service {
        Service::with(|rep| rep)
    }

    /// With other options of the service.
    pub fn with(rep: impl FnOnce(Builder<kind::Rep>) -> Builder<kind::Rep>) -> Service {
        Service::secured(rep, |req| req)
    }

    /// With other options of both sides.
    pub fn secured(
        rep: impl FnOnce(Builder<kind::Rep>) -> Builder<kind::Rep>,
        req: impl Fn(Builder<kind::Req>) -> Builder<kind::Req> + Send + Sync + 'static,
    ) -> Service {
        let context = Context::new();
        let rep = rep(Rep::builder().context(&context)).build().unwrap();
        let monitor = rep.monitor();
        let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let serving = rep.clone();
        thread::spawn(move || {
            while let Ok(request) = serving.recv() {
                if serving.send(request).is_err() {
                    return;
                }
            }
        });
        let client = open(&context, &req, &endpoint);
        let address = endpoint.trim_start_matches("tcp://").to_string();
        let service = Service { rep, address, monitor, client, context, secure_client: Box::new(req) };
        ask(&service.client, 0, 10);
        service
    }

    /// A stranger.
    pub fn dial(&self) -> TcpStream {
        dial(&self.address)
    }

    /// Attacks, while the client goes on asking and being answered; then a new client comes, and is answered too.
    pub fn under<T>(&self, attack: impl FnOnce() -> T) -> T {
        let over = Arc::new(AtomicBool::new(false));
        let (client, seen) = (self.client.clone(), over.clone());
        let asking = thread::spawn(move || {
            let mut number = 0;
            while !seen.load(Ordering::Relaxed) || number < 100 {
                ask(&client, number, 20);
                number += 20;
            }
        });
        let result = attack();
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap();
        self.serves_a_newcomer();
        result
    }

    pub fn serves_a_newcomer(&self) {
        ask(&open(&self.context, &self.secure_client, &format!("tcp://{}", self.address)), 0, 5);
    }

    /// Waits until the service has told of so many events of a sort.
    pub fn wait_for(&mut self, count: usize, is_meant: impl Fn(&EventKind) -> bool) {
        wait_for(&mut self.monitor, count, is_meant);
    }

    /// Waits until the service has no peer but its client.
    pub fn wait_for_quiet(&self) {
        until("all strangers are gone", || self.rep.peers().len() == 1);
    }
}

fn open(context: &Context, options: &Secure, endpoint: &str) -> Req {
    let builder = Req::builder().context(context).recv_timeout(LONG).send_timeout(LONG);
    let req = options(builder).build().unwrap();
    req.connect(endpoint).unwrap();
    req
}

fn ask(req: &Req, from: usize, count: usize) {
    for number in from..from + count {
        let question = number.to_string();
        req.send(question.as_str()).unwrap();
        assert_eq!(req.recv().unwrap(), question.as_str());
    }
}

pub fn dial(address: &str) -> TcpStream {
    // Under a storm the backlog may be full for a moment.
    let deadline = Instant::now() + LONG;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LONG)).unwrap();
                stream.set_write_timeout(Some(LONG)).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

pub fn wait_for(monitor: &mut Monitor, count: usize, is_meant: impl Fn(&EventKind) -> bool) {
    for number in 0..count {
        let meant = |event: &Event| is_meant(&event.kind);
        let found = std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(|event| meant(&event));
        assert!(found, "event {number} of {count} did not come");
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to pass that {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads on until the other side hangs up; what it said.
pub fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        // A reset is as good an end as any.
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nobody hung up"),
        _ => said,
    }
}

/// Says something to somebody who may have hung up.
pub fn say(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// The greeting of ZMTP 3 with a mechanism.
pub fn greeting(minor: u8, mechanism: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, minor];
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

/// A frame of ZMTP 2 and 3; the shortest header that fits.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = match u8::try_from(body.len()) {
        Ok(len) => vec![flags, len],
        Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    bytes.extend_from_slice(body);
    bytes
}

pub fn property(name: &str, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8][..], name.as_bytes(), &(value.len() as u32).to_be_bytes(), value].concat()
}
