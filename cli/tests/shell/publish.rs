//! Publishers: who waits for whom, and what is dropped.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::{text, zefiro};

#[test]
fn publishers_wait_for_a_subscriber() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["pub", "xpub"] {
        let endpoint = format!("ipc://{}/{verb}", directory.path().display());
        let publishing = zefiro(&[verb, "--bind", &endpoint, "-w", "20s", "-n", "1", "one"]).spawn().unwrap();
        let sub = zefiro(&["sub", "--connect", &endpoint, "-t", "o", "-n", "1", "-w", "20s"]).output().unwrap();
        assert_eq!(text(&sub), "one\n", "{verb}");
        let output = publishing.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let output = zefiro(&["pub", "--bind", "tcp://127.0.0.1:*", "-w", "10ms", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no subscriber came"), "{output:?}");
}

#[test]
fn what_is_published_for_nobody_is_counted_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/nobody", directory.path().display());
    let mut sub = zefiro(&["sub", "--bind", &endpoint, "-t", "elsewhere"]).spawn().unwrap();
    let output = zefiro(&["pub", "--connect", &endpoint, "-w", "20s", "-n", "3", "here"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("3 messages were dropped: nobody subscribed"), "{told}");
    sub.kill().unwrap();
    sub.wait().unwrap();
}

#[test]
fn that_subscribers_have_gone_is_told_while_it_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/gone", directory.path().display());
    let mut publishing = zefiro(&["pub", "--bind", &endpoint]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = publishing.stdin.take().unwrap();
    input.write_all(b"first\n").unwrap();
    let sub = zefiro(&["sub", "--connect", &endpoint, "-n", "1", "-w", "20s"]).output().unwrap();
    assert_eq!(text(&sub), "first\n");
    let mut complaints = BufReader::new(publishing.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || {
            while !told.load(Ordering::Relaxed) {
                input.write_all(b"another\n").unwrap();
                thread::yield_now();
            }
        });
        let first = complaints.next();
        told.store(true, Ordering::Relaxed);
        assert!(first.unwrap().contains("a message was dropped"));
    });
    let rest: Vec<String> = complaints.collect();
    assert!(rest.iter().any(|line| line.contains("dropped: ")), "{rest:?}");
    assert!(publishing.wait().unwrap().success());
}
