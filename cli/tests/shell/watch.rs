//! Why nothing comes, on the standard error.

use std::io::{BufRead, BufReader};

use crate::zefiro;

/// What the verb says first of what contains the text.
fn told(arguments: &[&str], text: &str) -> String {
    let mut child = zefiro(arguments).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let found = lines.into_iter().find(|line| line.contains(text));
    child.kill().unwrap();
    child.wait().unwrap();
    found.unwrap_or_else(|| panic!("{arguments:?} did not say {text:?}"))
}

#[test]
fn failed_handshakes_are_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key").display().to_string();
    let other_key = directory.path().join("other_key").display().to_string();
    for key in [&key, &other_key] {
        assert!(zefiro(&["keygen", "--shared", key]).status().unwrap().success());
    }
    let endpoint = format!("ipc://{}/shaken", directory.path().display());
    let mut pull = zefiro(&["pull", "--bind", &endpoint, "--key-file", &key]).spawn().unwrap();
    let push = ["push", "--connect", &endpoint, "x"];
    let plain = format!("ipc://{}/plain", directory.path().display());
    let mut plain_pull = zefiro(&["pull", "--bind", &plain]).spawn().unwrap();
    assert!(told(&["sub", "--connect", &plain], "handshake failed").contains("a PULL socket"));
    plain_pull.kill().unwrap();
    plain_pull.wait().unwrap();
    assert!(told(&push, "handshake failed").contains("mechanism CURVE"));
    told(&[&push[..], &["--key-file", &other_key]].concat(), "handshake failed");
    // A minute's attempts in little: each is refused, and one told.
    let hasty = [&push[..], &["--key-file", &other_key, "-o", "reconnect_ivl=1ms", "-w", "1s"]].concat();
    let output = zefiro(&hasty).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = complaints.lines().filter(|line| line.starts_with("zefiro: ipc:") && line.contains("handshake failed"));
    assert_eq!(lines.count(), 1, "{complaints}");
    pull.kill().unwrap();
    let output = pull.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(complaints.matches("is the key the right one?").count(), 1, "{complaints}");
}

#[test]
fn who_asks_is_told_of_peers_and_refusals() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/told", directory.path().display());
    let push = ["push", "--bind", &endpoint];
    let silent = zefiro(&["pull", "--connect", "tcp://127.0.0.1:1", "-w", "300ms"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&silent.stderr).matches("retrying").count(), 0);
    assert!(told(&["pull", "--connect", "tcp://127.0.0.1:1", "-v"], "refused").ends_with("; retrying"));
    let mut pull = zefiro(&["pull", "--connect", &endpoint]).spawn().unwrap();
    told(&[&push[..], &["--verbose", "--interval", "1h", "one", "two"]].concat(), "handshake succeeded");
    pull.kill().unwrap();
    pull.wait().unwrap();
}
