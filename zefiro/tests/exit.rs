//! The end of the process: what a program has sent goes out, though it returns from `main` at once.

mod util;

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use util::LONG;
use zefiro::{Context, Pull, Push};

/// Where the child is to send to; set only in the child, which is this test program again.
const ENDPOINT: &str = "ZEFIRO_TEST_ENDPOINT";
/// Whether the child ends while its socket is open.
const ABRUPTLY: &str = "ZEFIRO_TEST_ABRUPTLY";
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
fn nobody_is_waited_for_without_end() {
    let start = Instant::now();
    wait(start_child("ipc:///nobody/is/there").spawn().unwrap());
    assert!(start.elapsed() < LONG);
}
