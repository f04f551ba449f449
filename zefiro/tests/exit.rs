//! The end of the process: what a program has sent goes out, though it returns from `main` at once.

mod util;

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use util::LONG;
use zefiro::{Context, Message, Pull, Push};

/// Where the child is to send to, and how it is to end; set only in the child, which is this test program again.
const ENDPOINT: &str = "ZEFIRO_TEST_ENDPOINT";
const MANNER: &str = "ZEFIRO_TEST_MANNER";
const MESSAGES: usize = 5_000;
/// More than the kernel holds for a peer that does not read.
const LARGE_MESSAGES: usize = 100;
const LARGE_BYTES: usize = 1 << 20;
/// Less than the end of a process takes that waits as long as it may for a peer that is there.
const EARLY: Duration = Duration::from_secs(8);

/// Not a test of its own: the program that sends and ends.
#[test]
fn child() {
    let (Ok(endpoint), Ok(manner)) = (env::var(ENDPOINT), env::var(MANNER)) else { return };
    match manner.as_str() {
        "returns" => drop(sent(&endpoint, None)),
        "exits" => {
            let _push = sent(&endpoint, None);
            std::process::exit(0);
        }
        "exits while another thread sends" => {
            let push = sent(&endpoint, None);
            let other = push.clone();
            thread::spawn(move || while other.send("more").is_ok() {});
            std::process::exit(0);
        }
        "does not linger" => drop(sent_large(&endpoint, Some(Duration::ZERO))),
        "lingers" => drop(sent_large(&endpoint, Some(LINGER))),
        "lingers for ever" => drop(sent_large(&endpoint, None)),
        "sends within itself" => {
            let pull = Pull::new();
            pull.bind("inproc://unread").unwrap();
            for name in ["inproc://unread", "inproc://nobody"] {
                let push = Push::new();
                push.connect(name).unwrap();
                push.send("unread").unwrap();
            }
            std::process::exit(0);
        }
        "closes in another thread" => {
            let push = sent_large(&endpoint, Some(Duration::ZERO));
            let closing = push.clone();
            thread::spawn(move || closing.close_within(LONG));
            util::until("the close has begun", || push.try_send("more").is_err());
        }
        "forks" => forks(&endpoint, sent_large(&endpoint, None)),
        _ => panic!("{manner}"),
    }
}

fn sent(endpoint: &str, linger: Option<Duration>) -> Push {
    let push = Push::builder().linger(linger).send_high_water_mark(0).build().unwrap();
    push.connect(endpoint).unwrap();
    for number in 0..MESSAGES {
        push.send(number.to_string()).unwrap();
    }
    push
}

/// So much that it cannot leave before the peer reads.
fn sent_large(endpoint: &str, linger: Option<Duration>) -> Push {
    let push = Push::builder().linger(linger).build().unwrap();
    push.connect(endpoint).unwrap();
    push.wait_connected(1, LONG).unwrap();
    let body = Bytes::from(vec![b'x'; LARGE_BYTES]);
    for _ in 0..LARGE_MESSAGES {
        push.send(body.clone()).unwrap();
    }
    push
}

/// The process's own children end at once, whatever is queued and whichever locks are held; they may send by themselves.
fn forks(endpoint: &str, push: Push) {
    thread::spawn(move || while push.counters().queued_out > 0 {});
    for round in 0..20 {
        // SAFETY: the child leaves what others may have locked alone.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let sent = round % 2 == 0 || send_and_close(endpoint).is_ok();
            std::process::exit(if sent { 7 } else { 1 });
        }
        let forked = Instant::now();
        let mut status = 0;
        // SAFETY: the status is there to be written.
        while unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == 0 {
            if forked.elapsed() > EARLY {
                // SAFETY: it is a child that has not been waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status}");
    }
    // SAFETY: nothing is to be sent first.
    unsafe { libc::_exit(0) };
}

fn send_and_close(endpoint: &str) -> Result<(), Box<dyn std::error::Error>> {
    let push = Push::builder().context(&Context::new()).build()?;
    push.connect(endpoint)?;
    push.send("from a child")?;
    Ok(push.close_within(EARLY / 2)?)
}

fn start_child(endpoint: &str, manner: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child"]).env(ENDPOINT, endpoint).env(MANNER, manner);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn wait(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// A socket for the child to send to, and where it is.
fn bound(address: &str) -> (Pull, String) {
    let pull = Pull::builder().context(&Context::new()).recv_high_water_mark(1).recv_timeout(LONG).build().unwrap();
    let endpoint = pull.bind(address).unwrap().to_string();
    (pull, endpoint)
}

/// How long a child takes that sends to somebody who does not read.
fn time_unread(manner: &str) -> Duration {
    let (_pull, endpoint) = bound("tcp://127.0.0.1:*");
    let start = Instant::now();
    wait(start_child(&endpoint, manner));
    start.elapsed()
}

#[test]
fn what_is_queued_goes_out_before_the_process_ends() {
    for address in ["tcp://127.0.0.1:*", "ipc://*"] {
        for manner in ["returns", "exits"] {
            let (pull, endpoint) = bound(address);
            let child = start_child(&endpoint, manner);
            for number in 0..MESSAGES {
                assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
            }
            wait(child);
        }
    }
}

#[test]
fn what_other_threads_send_meanwhile_is_not_waited_for() {
    let (pull, endpoint) = bound("tcp://127.0.0.1:*");
    let start = Instant::now();
    let mut child = start_child(&endpoint, "exits while another thread sends");
    // Read for as long as it lives: it has something queued at any time.
    while child.try_wait().unwrap().is_none() {
        let _ = pull.recv_timeout(Duration::from_millis(10));
    }
    assert!(start.elapsed() < EARLY, "it has waited for what came later");
}

#[test]
fn nobody_is_waited_for_without_end() {
    let start = Instant::now();
    wait(start_child("ipc:///nobody/is/there", "returns"));
    // Not as long as for a peer that is there.
    assert!(start.elapsed() < EARLY);
}

#[test]
fn a_peer_that_does_not_read_is_waited_for_as_long_as_the_linger_says() {
    assert!(time_unread("does not linger") < EARLY);
    let passed = time_unread("lingers");
    assert!(passed >= LINGER && passed < EARLY, "{passed:?}");
    if util::is_long() {
        let passed = time_unread("lingers for ever");
        assert!(passed >= EARLY && passed < LONG, "{passed:?}");
    }
}

#[test]
fn what_is_on_its_way_within_the_process_is_not_waited_for() {
    let start = Instant::now();
    wait(start_child("", "sends within itself"));
    assert!(start.elapsed() < EARLY);
}

#[test]
fn a_close_within_a_time_goes_on_while_the_process_ends_whatever_the_linger() {
    let (pull, endpoint) = bound("tcp://127.0.0.1:*");
    let child = start_child(&endpoint, "closes in another thread");
    let mut message = Message::new();
    for number in 0..LARGE_MESSAGES {
        pull.recv_into(&mut message, zefiro::Wait::AsConfigured).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(message.byte_len(), LARGE_BYTES);
        // Not before the child has begun to end, as well as that can be told.
        thread::sleep(Duration::from_millis(5));
    }
    wait(child);
}

#[test]
fn a_child_of_a_fork_ends_at_once() {
    assert!(time_unread("forks") < LONG);
}

/// Of the child that lingers for a while.
const LINGER: Duration = Duration::from_millis(500);
