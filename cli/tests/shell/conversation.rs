//! Types that talk both ways.

use std::io::Write;
use std::process::Stdio;

use crate::{text, zefiro};

#[test]
fn a_dealer_waits_for_as_many_replies_as_it_sent_messages() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/dealer", directory.path().display());
    let mut router = zefiro(&["router", "--bind", &endpoint, "--echo", "-w", "20s"]).spawn().unwrap();
    let dealer = ["dealer", "--connect", &endpoint, "-w", "20s"];
    let given = zefiro(&[&dealer[..], &["one", "two", "three"]].concat()).output().unwrap();
    assert!(given.status.success(), "{given:?}");
    assert_eq!(text(&given), "one\ntwo\nthree\n");
    let mut by_lines = zefiro(&dealer).stdin(Stdio::piped()).spawn().unwrap();
    by_lines.stdin.take().unwrap().write_all(b"four\nfive").unwrap();
    assert_eq!(text(&by_lines.wait_with_output().unwrap()), "four\nfive\n");
    let sent_only = zefiro(&["dealer", "--connect", &endpoint, "-n", "0", "in passing"]).output().unwrap();
    assert!(sent_only.status.success() && text(&sent_only).is_empty(), "{sent_only:?}");
    router.kill().unwrap();
    router.wait().unwrap();
}

#[test]
fn a_reply_that_is_missing_is_told_by_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/silent", directory.path().display());
    let mut router = zefiro(&["router", "--bind", &endpoint]).spawn().unwrap();
    let dealer = zefiro(&["dealer", "--connect", &endpoint, "-w", "200ms", "anybody?"]).output().unwrap();
    assert_eq!(dealer.status.code(), Some(3), "{dealer:?}");
    router.kill().unwrap();
    router.wait().unwrap();
}

#[test]
fn a_pair_goes_on_until_it_has_what_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pair", directory.path().display());
    let bound = zefiro(&["pair", "--bind", &endpoint, "-n", "1", "-w", "20s", "pong"]).spawn().unwrap();
    let connected = zefiro(&["pair", "--connect", &endpoint, "-n", "1", "-w", "20s", "ping"]).output().unwrap();
    assert_eq!(text(&connected), "pong\n");
    assert_eq!(text(&bound.wait_with_output().unwrap()), "ping\n");
}

#[test]
fn what_is_left_of_the_input_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/open", directory.path().display());
    let mut router = zefiro(&["router", "--bind", &endpoint, "--echo", "-w", "20s"]).spawn().unwrap();
    let mut dealer =
        zefiro(&["dealer", "--connect", &endpoint, "-n", "1", "-w", "20s"]).stdin(Stdio::piped()).spawn().unwrap();
    // The input stays open.
    let mut input = dealer.stdin.take().unwrap();
    input.write_all(b"hello\n").unwrap();
    assert_eq!(text(&dealer.wait_with_output().unwrap()), "hello\n");
    drop(input);
    router.kill().unwrap();
    router.wait().unwrap();
}
