//! SIGINT and SIGTERM.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

use crate::zefiro;

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_end_all_verbs_in_good_order() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/bound", directory.path().display());
    let other = format!("ipc://{}/other", directory.path().display());
    let sides = [format!("pull:{endpoint}"), format!("push:{other}")];
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for arguments in [
            &["pull", "--bind", &endpoint][..],
            &["rep", "--bind", &endpoint, "--echo"],
            &["dealer", "--bind", &endpoint],
            &["push", "--bind", &endpoint, "to nobody"],
            &["pub", "--bind", &endpoint],
            &["monitor", "--bind", &endpoint, "-n", "9"],
            &["proxy", &sides[0], &sides[1]],
        ] {
            // The input stays open.
            let mut child = zefiro(arguments).stdin(Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take();
            wait_connectable(directory.path());
            signal(&child, number);
            let output = child.wait_with_output().unwrap();
            drop(input);
            assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{arguments:?}");
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(!complaints.contains("shut down") && !complaints.contains("came within"), "{output:?}");
        }
    }
}

#[test]
fn what_a_signal_keeps_from_being_sent_is_told_and_two_at_once_are_one() {
    // Nobody listens at a port that was just given back.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("tcp://{nobody}");
    let mut child = zefiro(&["push", "--connect", &endpoint, "--verbose", "one", "two"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("refused")));
    signal(&child, Signal::TERM);
    signal(&child, Signal::TERM);
    assert!(lines.any(|line| line.contains("2 messages were not sent")));
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

/// Until somebody listens there.
fn wait_connectable(directory: &Path) {
    while std::os::unix::net::UnixStream::connect(directory.join("bound")).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn the_demo_and_perf_are_ended_with_all_their_processes() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["perf", "thr", "--transport", "ipc", "--millis", "60000"][..], &["demo"]] {
        let mut child = zefiro(arguments).env("TMPDIR", folder.path()).spawn().unwrap();
        // The demo has begun with its first line; perf, when its folder is there.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        match arguments[0] {
            "demo" => assert!(lines.next().is_some()),
            _ => while std::fs::read_dir(&folder).unwrap().count() == 0 {},
        }
        signal(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(143), "{arguments:?}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn perf_takes_the_terminal_s_signal_for_all_and_its_processes_do_not_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let began = Instant::now();
        let mut perf = zefiro(&["perf", "thr", "--transport", "ipc", "--millis", "60000"]);
        let mut child = perf.env("TMPDIR", folder.path()).process_group(0).spawn().unwrap();
        let group = Pid::from_child(&child);
        if cfg!(target_os = "linux") {
            // Both sides are there, and in groups of their own: the terminal does not reach them.
            let is_apart = |side: &Pid| getpgid(Some(*side)).is_ok_and(|other| other != group);
            while children(&child).iter().filter(|side| is_apart(side)).count() < 2 {
                assert!(began.elapsed() < Duration::from_secs(20), "the terminal's signal would reach them");
                std::thread::yield_now();
            }
        } else {
            let has_begun = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().join("perf").exists();
            while !std::fs::read_dir(&folder).unwrap().any(has_begun) {
                std::thread::yield_now();
            }
        }
        // As the terminal does: to the whole group.
        kill_process_group(group, number).unwrap();
        // Read to the end: all that have it have ended.
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let complaints: Vec<_> = complaints.lines().filter(|line| !line.contains("debug build")).collect();
        assert_eq!((child.wait().unwrap().code(), complaints), (code, vec![]));
        assert!(began.elapsed() < Duration::from_secs(40), "they have ended by themselves");
    }
}

/// The processes that one has started, as Linux tells.
fn children(process: &Child) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let lists = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    let numbers = lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<i32>>());
    numbers.filter_map(Pid::from_raw).collect()
}
