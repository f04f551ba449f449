//! `zefiro monitor`.

use crate::{text, zefiro};

#[test]
fn monitor_heeds_options_and_keys() {
    let monitor = |more: &[&str]| {
        zefiro(&[&["monitor", "--bind", "tcp://127.0.0.1:*", "-n", "1", "-w", "20s"], more].concat()).output().unwrap()
    };
    assert!(monitor(&["-o", "sndhwm=5"]).status.success());
    assert_eq!(monitor(&["-o", "nosuch=1"]).status.code(), Some(2));
    assert_eq!(monitor(&["--key-file", "/no/such/file"]).status.code(), Some(1));
}

#[test]
fn monitor_shows_a_connection_fail_and_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/watched", directory.path().display());
    let output = zefiro(&["monitor", "--connect", &endpoint, "-n", "2", "-w", "20s"]).output().unwrap();
    assert!(text(&output).contains("retrying"), "{}", text(&output));
    let mut rep = zefiro(&["rep", "--bind", &endpoint, "--echo"]).spawn().unwrap();
    let output = zefiro(&["monitor", "--connect", &endpoint, "-n", "40", "-w", "2s", "--json", "--type", "req"])
        .output()
        .unwrap();
    rep.kill().unwrap();
    rep.wait().unwrap();
    assert!(text(&output).contains("handshake succeeded"), "{}", text(&output));
}
