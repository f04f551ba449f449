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
    let path = directory.path().join("watched");
    let endpoint = format!("ipc://{}", path.display());
    let output = zefiro(&["monitor", "--connect", &endpoint, "-n", "2", "-w", "20s"]).output().unwrap();
    assert!(text(&output).contains("retrying"), "{}", text(&output));
    let mut rep = zefiro(&["rep", "--bind", &endpoint, "--echo"]).spawn().unwrap();
    // So many events would be over before it has started on a busy machine.
    while !path.exists() {
        std::thread::yield_now();
    }
    let output = zefiro(&["monitor", "--connect", &endpoint, "-n", "40", "-w", "2s", "--json", "--type", "req"])
        .output()
        .unwrap();
    rep.kill().unwrap();
    rep.wait().unwrap();
    assert!(text(&output).contains("handshake_succeeded"), "{}", text(&output));
}

#[test]
fn events_are_told_to_programs_field_by_field() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let watch = |count: &str| {
        let output = zefiro(&["monitor", "--connect", &endpoint, "-n", count, "-w", "20s", "--json"]).spawn().unwrap();
        move || -> Vec<serde_json::Value> {
            let output = output.wait_with_output().unwrap();
            text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    };
    // One that connects, and is not spoken to in our protocol.
    let events = watch("4");
    drop(listener.accept().unwrap());
    let events = events();
    let find = |name: &str| events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(find("connected")["peer"], endpoint);
    assert!(find("connected")["reason"].is_null() && find("connected")["local"].is_string());
    let failed = find("handshake_failed");
    assert_eq!(failed["endpoint"], endpoint);
    assert!(failed["reason"].is_string() && failed["errno"].is_u64(), "{failed}");
    // One that is refused.
    drop(listener);
    let events = watch("3")();
    let find = |name: &str| events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("{events:?}"));
    assert!(find("closed")["reason"].as_str().unwrap().contains("refused"));
    assert!(find("connect_retried")["retry_ms"].as_u64().unwrap() > 0);
}

#[test]
fn monitor_speaks_of_itself() {
    let output = zefiro(&["monitor", "-w", "1s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("monitor needs --bind"), "{output:?}");
    let output = zefiro(&["monitor", "--bind", "tcp://127.0.0.1:*", "-n", "9", "-w", "100ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains(": 1 of 9 events came within 100ms"), "{output:?}");
}
