//! The end of the process: what a program has sent goes out, though it returns from `main` at once.

mod util;

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use util::LONG;
use zefiro::{Context, Pull, Push};

/// Where the child is to send to; set only in the child, which is this test program again.
const ENDPOINT: &str = "ZEFIRO_TEST_ENDPOINT";
/// Whether the child ends while its socket is open.
const ABRUPTLY: &str = "ZEFIRO_TEST_ABRUPTLY";
/// Whether another thread of it sends on and on.
const ON_AND_ON: &str = "ZEFIRO_TEST_ON_AND_ON";
const MESSAGES: usize = 5_000;

/// Not a test of its own: the program that sends and ends.
#[test]
fn child() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    let push = Push::builder().send_high_water_mark(0).build().unwrap();
    push.connect(endpoint).unwrap();
    for number in 0..MESSAGES {
        push.send(number.to_string()).unwrap();
    }
    if env::var_os(ON_AND_ON).is_some() {
        let push = push.clone();
        thread::spawn(move || while push.send("more").is_ok() {});
    }
    if env::var_os(ABRUPTLY).is_some() {
        std::process::exit(0);
    }
}

fn start_child(endpoint: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child"]).env(ENDPOINT, endpoint).stdout(Stdio::null());
    command
}

fn wait(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_queued_goes_out_before_the_process_ends() {
    for address in ["tcp://127.0.0.1:*", "ipc://*"] {
        for abruptly in [false, true] {
            let pull = Pull::builder().context(&Context::new()).recv_timeout(LONG).build().unwrap();
            let endpoint = pull.bind(address).unwrap().to_string();
            let mut child = start_child(&endpoint);
            if abruptly {
                child.env(ABRUPTLY, "1");
            }
            let child = child.spawn().unwrap();
            for number in 0..MESSAGES {
                assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
            }
            wait(child);
        }
    }
}

#[test]
fn what_other_threads_send_meanwhile_is_not_waited_for() {
    let pull = Pull::builder().context(&Context::new()).recv_timeout(LONG).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut child = start_child(&endpoint).env(ON_AND_ON, "1").env(ABRUPTLY, "1").spawn().unwrap();
    let start = Instant::now();
    // Read for as long as it lives: it has something queued at any time.
    while child.try_wait().unwrap().is_none() {
        let _ = pull.recv_timeout(Duration::from_millis(10));
    }
    assert!(start.elapsed() < Duration::from_secs(8), "it has waited for what came later");
}

#[test]
fn nobody_is_waited_for_without_end() {
    let start = Instant::now();
    wait(start_child("ipc:///nobody/is/there").spawn().unwrap());
    // Not as long as for a peer that is there.
    assert!(start.elapsed() < Duration::from_secs(8));
}
