//! Types that talk both ways.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
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

#[test]
fn a_router_speaks_first_to_whom_it_names() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/router", directory.path().display());
    let router = ["router", "--bind", &endpoint, "-w", "20s"];
    let named = zefiro(&[&router[..], &["worker|do this"]].concat()).spawn().unwrap();
    let dealer = |id: &str| {
        let option = format!("routing_id={id}");
        zefiro(&["dealer", "--connect", &endpoint, "-o", &option, "-n", "1", "-w", "20s", "done"]).output().unwrap()
    };
    assert_eq!(text(&dealer("worker")), "do this\n");
    assert_eq!(text(&named.wait_with_output().unwrap()), "worker|done\n");
    let to = zefiro(&[&router[..], &["--to", "0x776f726b6572", "a|b"]].concat()).spawn().unwrap();
    assert_eq!(text(&dealer("worker")), "a|b\n");
    assert_eq!(text(&to.wait_with_output().unwrap()), "worker|done\n");
    let nobody = zefiro(&["router", "--bind", &endpoint, "-w", "100ms", "--to", "nobody", "x"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
    for misuse in [&["no id"][..], &["--file", "/etc/hostname"], &["--echo", "a|b"]] {
        assert_eq!(zefiro(&[&router[..], misuse].concat()).status().unwrap().code(), Some(2), "{misuse:?}");
    }
}

#[test]
fn a_stream_connected_to_one_peer_needs_no_id() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let mut stream = zefiro(&["stream", "--connect", &endpoint, "-w", "20s"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut peer = listener.accept().unwrap().0;
    stream.stdin.take().unwrap().write_all(b"one|two\r\nthree").unwrap();
    let mut read = [0; 14];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"one|two\r\nthree");
    peer.write_all(b"an answer\r\nand no more").unwrap();
    drop(peer);
    let output = stream.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output), "an answer\r\nand no more");
}

#[test]
fn commands_answer_plain_peers_in_lines_and_what_they_do_not_say_ends_nothing() {
    let mut stream = zefiro(&["stream", "--bind", "tcp://127.0.0.1:*", "--exec", "grep -v nothing"]).spawn().unwrap();
    let bound = BufReader::new(stream.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    let mut peer = TcpStream::connect(bound.strip_prefix("bound to tcp://").unwrap()).unwrap();
    let mut shown = BufReader::new(stream.stdout.take().unwrap()).lines().map(Result::unwrap);
    peer.write_all(b"nothing\n").unwrap();
    assert!(shown.any(|line| line.ends_with("|nothing")));
    peer.write_all(b"something\n").unwrap();
    let mut answer = [0; 10];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"something\n");
    stream.kill().unwrap();
    stream.wait().unwrap();
}
