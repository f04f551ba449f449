//! The time is over: what was waited for is told.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use crate::{text, zefiro};

#[test]
fn who_waits_in_vain_says_where_for_what_and_that_nobody_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}/nobody", directory.path().display());
    for (verb, more, told) in [
        ("pull", &[][..], "no message came within 250ms: no peer is connected"),
        ("sub", &[], "no message came within 250ms: no peer is connected"),
        ("router", &[], "no message came within 250ms: no peer is connected"),
        ("router", &["worker|x"], "no peer with the id worker came within 250ms: no peer is connected"),
        ("router", &["--to", "0x00ff", "x"], "no peer with the id 0x00ff came within 250ms: no peer is connected"),
        ("router", &["--echo"], "no message came within 250ms: no peer is connected"),
        ("rep", &["--echo"], "no request came within 250ms: no peer is connected"),
        ("req", &["x"], "nothing could be sent for 250ms: no peer is connected"),
        ("push", &["x"], "nothing could be sent for 250ms: no peer is connected"),
        ("push", &["--peers", "2", "x"], "fewer than 2 peers came within 250ms: no peer is connected"),
        ("pair", &["x"], "nothing could be sent for 250ms: no peer is connected"),
        ("xsub", &[], "no message came within 250ms: no peer is connected"),
        ("xpub", &["x"], "no subscriber came within 250ms: no peer is connected"),
        ("pub", &["--topic", "t", "x"], "no subscriber came within 250ms: no peer is connected"),
    ] {
        let output = zefiro(&[&[verb, "--bind", &ipc, "-w", "250ms"][..], more].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{verb} {more:?}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(complaint, format!("zefiro: {verb} {ipc}: {told}\n"), "{verb} {more:?}");
    }
    let output = zefiro(&["stream", "--bind", "tcp://127.0.0.1:*", "-w", "250ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("zefiro: stream tcp://127.0.0.1:") && complaint.contains("no message"), "{complaint}");
}

#[test]
fn who_waits_in_vain_says_that_a_peer_is_there_and_what_came_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent");
    let endpoint = format!("ipc://{}", path.display());
    let push = ["push", "--bind", &endpoint, "--interval", "1h", "one", "two"];
    let mut push = zefiro(&push).spawn().unwrap();
    // How long it takes to start is none of the time for which the other waits.
    while !path.exists() {
        std::thread::yield_now();
    }
    let pull = ["pull", "--connect", &endpoint, "-n", "2", "-w", "2s"];
    let output = zefiro(&pull).output().unwrap();
    assert_eq!(text(&output), "one\n");
    assert_eq!(output.status.code(), Some(3));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = "1 of 2 messages came, then none for 2s, though 1 peer is connected";
    assert_eq!(complaint, format!("zefiro: pull {endpoint}: {told}\n"));
    push.kill().unwrap();
    push.wait().unwrap();
}

#[test]
fn the_reason_is_told_once() {
    for more in [&[][..], &["--verbose"]] {
        let pull = ["pull", "--connect", "tcp://127.0.0.1:1", "-w", "300ms"];
        let output = zefiro(&[&pull[..], more].concat()).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(complaint.matches("refused").count(), 1, "{complaint}");
        assert!(complaint.ends_with("no peer is connected\n"), "{complaint}");
    }
}

#[test]
fn what_waited_once_does_not_wait_again_for_what_it_sent() {
    let wait = |verb| zefiro(&[verb, "--connect", "tcp://127.0.0.1:1", "-w", "2s", "x"]).spawn().unwrap();
    let children = ["pair", "dealer", "xsub"].map(|verb| (verb, wait(verb)));
    for (verb, mut child) in children {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("came within 2s")), "{verb}");
        let over = Instant::now();
        assert!(lines.any(|line| line.contains("1 message was not sent within 2s")), "{verb}");
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert!(over.elapsed() < Duration::from_secs(2), "{verb}");
    }
}
