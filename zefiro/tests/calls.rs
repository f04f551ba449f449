//! What messages and connections may cost: system calls, counted where all of them are made, in builds with
//! `--cfg zefiro_faults`.

#![cfg(zefiro_faults)]

mod util;

use std::sync::{Mutex, MutexGuard};
use std::thread;

use util::{LONG, socket};
use zefiro::faults::{Made, made};
use zefiro::{Context, Rep, Req};

/// Calls are counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Calls that `times` times of something take, each.
fn each(times: u64, mut something: impl FnMut()) -> [f64; 3] {
    let before = made();
    (0..times).for_each(|_| something());
    let after = made();
    let each = |count: fn(Made) -> u64| (count(after) - count(before)) as f64 / times as f64;
    [each(|made| made.reads), each(|made| made.writes), each(|made| made.registrations)]
}

fn serve(rep: Rep, requests: u64) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..requests {
            rep.send(rep.recv().unwrap()).unwrap();
        }
    })
}

#[test]
fn a_round_trip_is_two_writes_and_two_reads() {
    let _alone = alone();
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        const WARM: u64 = 10;
        const ROUNDS: u64 = 1000;
        let context = Context::new();
        let (rep, req): (Rep, Req) = (socket(&context), socket(&context));
        req.connect(rep.bind(endpoint).unwrap().to_string()).unwrap();
        req.wait_connected(1, LONG).unwrap();
        let server = serve(rep, WARM + ROUNDS);
        let round_trip = || {
            req.send("question").unwrap();
            assert_eq!(req.recv().unwrap(), "question");
        };
        (0..WARM).for_each(|_| round_trip());
        let [reads, writes, registrations] = each(ROUNDS, round_trip);
        println!("{endpoint}: {reads} reads, {writes} writes, {registrations} registrations");
        // Where the system is slow the I/O thread comes in between, and two may look for the same.
        assert!((2.0..2.5).contains(&reads), "{endpoint}: {reads} reads");
        assert!((2.0..2.2).contains(&writes), "{endpoint}: {writes} writes");
        assert!(registrations < 0.02, "{endpoint}: {registrations} registrations");
        server.join().unwrap();
    }
}

#[test]
fn a_connection_is_few_calls() {
    let _alone = alone();
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        const CONNECTIONS: u64 = 200;
        let context = Context::new();
        let rep: Rep = socket(&context);
        let endpoint = rep.bind(endpoint).unwrap().to_string();
        let server = serve(rep, CONNECTIONS);
        let [reads, writes, registrations] = each(CONNECTIONS, || {
            let req: Req = socket(&context);
            req.connect(&endpoint).unwrap();
            req.send("question").unwrap();
            assert_eq!(req.recv().unwrap(), "question");
        });
        println!("{endpoint}: {reads} reads, {writes} writes, {registrations} registrations");
        // Both sides: the handshake, which old versions make in steps, a message each way, and the end of it.
        assert!(reads < 14.0, "{endpoint}: {reads} reads");
        assert!(writes < 11.0, "{endpoint}: {writes} writes");
        // Each end's link with its I/O thread, and then with the set that its socket waits on; for each new client that
        // set, too, and the alarm in it.
        assert!(registrations < 6.2, "{endpoint}: {registrations} registrations");
        server.join().unwrap();
    }
}
