//! Messages there and back.

use std::io::Write;
use std::process::Stdio;

use crate::{text, zefiro};

#[test]
fn lines_pushed_are_lines_pulled() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/line", directory.path().display());
    let pull = zefiro(&["pull", "--bind", &endpoint, "-n", "3", "-w", "20s"]).spawn().unwrap();
    let mut push = zefiro(&["push", "--connect", &endpoint]).stdin(Stdio::piped()).spawn().unwrap();
    push.stdin.take().unwrap().write_all(b"one\ntwo|parts\nthree\n").unwrap();
    assert!(push.wait().unwrap().success());
    let output = pull.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output), "one\ntwo|parts\nthree\n");
}

#[test]
fn requests_are_answered_by_echo_text_or_command() {
    let directory = tempfile::tempdir().unwrap();
    for (index, (option, value, answer)) in
        [("--echo", None, "hello"), ("--reply", Some("hi"), "hi"), ("--exec", Some("tr a-z A-Z"), "HELLO")]
            .into_iter()
            .enumerate()
    {
        let endpoint = format!("ipc://{}/{index}", directory.path().display());
        let mut arguments = vec!["rep", "--bind", &endpoint, "-n", "1", "-w", "20s", option];
        arguments.extend(value);
        let mut rep = zefiro(&arguments).spawn().unwrap();
        let req = zefiro(&["req", "--connect", &endpoint, "-w", "20s", "hello"]).output().unwrap();
        assert!(req.status.success());
        assert_eq!(text(&req).trim(), answer);
        assert!(rep.wait().unwrap().success());
    }
}

#[test]
fn topics_hex_and_json() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/topics", directory.path().display());
    let sub = zefiro(&["sub", "--bind", &endpoint, "-t", "news", "-n", "2", "-w", "20s", "--json"]).spawn().unwrap();
    let publish = ["pub", "--connect", &endpoint, "-t", "news", "-w", "20s", "rain", "sun"];
    assert!(zefiro(&publish).status().unwrap().success());
    assert_eq!(text(&sub.wait_with_output().unwrap()), "[\"news\",\"rain\"]\n[\"news\",\"sun\"]\n");

    let endpoint = format!("ipc://{}/hex", directory.path().display());
    let pull = zefiro(&["pull", "--bind", &endpoint, "-n", "1", "-w", "20s", "--hex"]).spawn().unwrap();
    assert!(zefiro(&["push", "--connect", &endpoint, "--hex", "00ff|01"]).status().unwrap().success());
    assert_eq!(text(&pull.wait_with_output().unwrap()), "00ff|01\n");
}

#[test]
fn lines_of_any_bytes_are_messages() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/bytes", directory.path().display());
    let pull = zefiro(&["pull", "--bind", &endpoint, "-n", "2", "-w", "20s", "-s", "::"]).spawn().unwrap();
    let mut push = zefiro(&["push", "--connect", &endpoint, "-s", "::"]).stdin(Stdio::piped()).spawn().unwrap();
    push.stdin.take().unwrap().write_all(b"a\xff::\xfeb\r\nno end").unwrap();
    assert!(push.wait().unwrap().success());
    assert_eq!(pull.wait_with_output().unwrap().stdout, b"a\xff::\xfeb\nno end\n");
}

#[test]
fn commands_answer_messages_larger_than_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let big = directory.path().join("big");
    std::fs::write(&big, vec![b'a'; 1_000_000]).unwrap();
    let endpoint = format!("ipc://{}/exec", directory.path().display());
    let mut rep = zefiro(&["rep", "--bind", &endpoint, "-n", "1", "-w", "20s", "--exec", "cat"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let req = zefiro(&["req", "--connect", &endpoint, "-w", "20s", "--file", big.to_str().unwrap()]).output().unwrap();
    assert_eq!(req.stdout.len(), 1_000_001);
    assert!(rep.wait().unwrap().success());
}

#[test]
fn parts_that_are_no_text_are_told_from_text_in_json() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/json", directory.path().display());
    let pull = zefiro(&["pull", "--bind", &endpoint, "-n", "1", "-w", "20s", "--json"]).spawn().unwrap();
    let mut push = zefiro(&["push", "--connect", &endpoint]).stdin(Stdio::piped()).spawn().unwrap();
    push.stdin.take().unwrap().write_all(b"00ff|\x00\xff|\n").unwrap();
    assert!(push.wait().unwrap().success());
    assert_eq!(text(&pull.wait_with_output().unwrap()), "[\"00ff\",{\"hex\":\"00ff\"},\"\"]\n");
}

#[test]
fn commands_read_all_parts_and_answer_whoever_asked() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["rep", "router"] {
        let endpoint = format!("ipc://{}/{verb}", directory.path().display());
        let arguments = [verb, "--bind", &endpoint, "-n", "1", "-w", "20s", "-s", ",", "--exec", "tr a-z A-Z"];
        let mut answering = zefiro(&arguments).spawn().unwrap();
        let req = zefiro(&["req", "--connect", &endpoint, "-w", "20s", "one|two"]).output().unwrap();
        assert_eq!(text(&req), "ONE,TWO\n", "{verb}");
        assert!(answering.wait().unwrap().success());
    }
}

#[test]
fn a_command_that_fails_is_told_and_what_it_wrote_is_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    for (index, (command, how, answer)) in [
        ("exit 3", "exit status: 3", "\n"),
        ("echo half; kill -9 $$", "signal: 9", "half\n"),
        ("no_such_command_at_all", "exit status: 127", "\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let endpoint = format!("ipc://{}/{index}", directory.path().display());
        let rep = zefiro(&["rep", "--bind", &endpoint, "-n", "1", "-w", "20s", "--exec", command]).spawn().unwrap();
        let req = zefiro(&["req", "--connect", &endpoint, "-w", "20s", "hello"]).output().unwrap();
        assert_eq!(text(&req), answer, "{command}");
        let told = rep.wait_with_output().unwrap().stderr;
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains(&format!("zefiro: {command:?} failed: {how}")), "{told}");
    }
}
