//! Real libzmq peers for tests, by way of Python. Without a Python that has libzmq the tests say so and pass.
//!
//! A peer runs in a process of its own; the test reads the lines it prints, and tells it to go on with lines of its
//! own. Every wait is bounded: here by [`LONG`], there by the peer's own time limits.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use zefiro::{Frame, Message};

/// No wait in a test is longer.
pub const LONG: Duration = Duration::from_secs(20);

/// A Python that has libzmq, if there is one.
pub fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        ["python3", "/usr/bin/python3"].into_iter().map(PathBuf::from).find(|python| {
            let mut command = Command::new(python);
            command.args(["-c", "import zmq"]).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    });
    if found.is_none() {
        println!("no Python with libzmq: nothing tested");
    }
    found.as_ref()
}

/// A libzmq peer in a process of its own; killed when dropped.
pub struct Peer {
    child: Child,
    words: ChildStdin,
    lines: Receiver<String>,
}

impl Peer {
    /// Starts `peer.py` with these arguments; `None` without a Python for it.
    pub fn start(arguments: &[&str]) -> Option<Peer> {
        Peer::run(include_str!("../python/peer.py"), arguments)
    }

    /// Starts a program with these arguments; `None` without a Python for it.
    pub fn run(program: &str, arguments: &[&str]) -> Option<Peer> {
        let mut child = Command::new(python()?)
            .args(["-c", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let words = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Some(Peer { child, words, lines })
    }

    /// The next line it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(LONG).expect("the libzmq peer says something")
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) {
        self.words.write_all(b"go on\n").expect("the libzmq peer listens");
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its good end.
    pub fn finish(mut self) {
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                assert!(status.success(), "the libzmq peer failed: {status}");
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("the libzmq peer does not end");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The message with a number, as `peer.py` makes it.
pub fn message(number: usize) -> Message {
    if number % 10 == 9 {
        Message::from(vec![Frame::from("topic"), Frame::from(vec![number as u8; 1 << 20])])
    } else if number.is_multiple_of(3) {
        Message::from(["topic".to_string(), String::new(), number.to_string(), "x".repeat(300)])
    } else {
        Message::from(format!("topic {number}"))
    }
}

/// The programs in the documents, so that they are tried.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/security.md")]
    mod security {}
}
