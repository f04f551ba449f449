//! How it ends, and what it says then.

use std::io::Write;
use std::process::Stdio;

use crate::zefiro;

#[test]
fn exit_codes_tell_what_happened() {
    let code = |arguments: &[&str]| zefiro(arguments).output().unwrap().status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["no-such-verb"]), Some(2));
    let long = format!("ipc:///tmp/{}", "a".repeat(300));
    for misuse in [
        &["push", "no endpoint"][..],
        &["pull", "--bind", "tcp://127.0.0.1:*", "never sent"],
        &["rep", "--bind", "tcp://127.0.0.1:*"],
        &["push", "--bind", "tcp://127.0.0.1:*", "--echo", "x"],
        &["pull", "--bind", "tcp://127.0.0.1:*", "-w", "soon"],
        &["monitor", "--bind", "tcp://127.0.0.1:*", "--type", "nonsense"],
        &["proxy", "pull:ipc:///tmp/a", "nonsense:ipc:///tmp/b"],
        &["pull", "--bind", "nonsense"],
        &["pull", "--bind", "tcp://127.0.0.1"],
        &["push", "--connect", "udp://127.0.0.1:5555", "x"],
        &["monitor", "--connect", "tcp://127.0.0.1:99999"],
        &["proxy", "pull:nonsense", "push:nonsense"],
        &["pull", "--bind", "tcp://127.0.0.1:*", "-n", "0"],
        &["perf", "thr", "--sizes", "7"],
        &["perf", "lat", "--idle", "NaN"],
        &["perf", "lat", "--quick", "--plot", "without-a-rival.svg"],
        &["perf", "fan", "--transport", "inproc"],
        &["demo", "--only", "no such scenario"],
        &["keygen", "--property", "foo"],
        &["keygen", "--print", "a name"],
        &["pull", "--bind", "tcp://127.0.0.1:*", "-w", "25000h"],
        &["pull", "--bind", "tcp://127.0.0.1:*", "-w", "1000000000000000000000"],
        &["monitor", "--bind", "tcp://127.0.0.1:*", "-w", "25000h"],
        &["stream", "--bind", "tcp://127.0.0.1:*", "-o", "plain_server"],
        &["push", "--connect", &long, "x"],
        &["router", "--bind", "tcp://127.0.0.1:*", "--to", "", "x"],
    ] {
        assert_eq!(code(misuse), Some(2), "{misuse:?}");
    }
    assert_eq!(code(&["perf", "lat", "--plot", "/no/such/folder/x.svg", "--vs", "raw"]), Some(1));
    assert_eq!(code(&["pull", "--bind", "tcp://127.0.0.1:*", "-w", "10ms"]), Some(3));
    let output = zefiro(&["pull", "--bind", "pgm://127.0.0.1:1"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("bind pgm://127.0.0.1:1") && complaint.contains("not one of tcp"), "{complaint}");
    let output = zefiro(&["pull", "--bind", "ipc:///no/such/folder/x"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(complaint.matches("No such file").count(), 1, "{complaint}");
    let output = zefiro(&["pull", "--bind", "127.0.0.1:5555"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(complaint.matches("tcp://*:5555").count(), 1, "{complaint}");
}

#[test]
fn a_closed_pipe_is_no_reason_to_complain() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pipe", directory.path().display());
    let mut pull = zefiro(&["pull", "--bind", &endpoint, "-w", "20s"]).spawn().unwrap();
    drop(pull.stdout.take());
    // One message: what comes after it might find nobody any more, and waits for somebody else.
    assert!(zefiro(&["push", "--connect", &endpoint, "x"]).status().unwrap().success());
    let output = pull.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_closed_pipe_of_complaints_is_none_either() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = zefiro(&["pull", "--bind", "tcp://127.0.0.1:*", "-w", "10ms"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(3));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = zefiro(&["perf", "lat", "--quick"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_cannot_be_sent_is_told_at_once_whatever_is_waited_for() {
    let output = zefiro(&["dealer", "--bind", "tcp://127.0.0.1:*", "-n", "1", "--hex", "zz"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not hexadecimal"));
    let mut push = zefiro(&["push", "--bind", "tcp://127.0.0.1:*", "--hex"]).stdin(Stdio::piped()).spawn().unwrap();
    push.stdin.take().unwrap().write_all(b"zz").unwrap();
    let output = push.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not hexadecimal"));
    let directory = tempfile::tempdir().unwrap();
    let nobody = format!("ipc://{}/nobody", directory.path().display());
    let output = zefiro(&["push", "--connect", &nobody, "-w", "10ms", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 message was not sent"));
}

#[test]
fn what_was_not_sent_is_told_with_the_reason() {
    let output = zefiro(&["push", "--connect", "tcp://127.0.0.1:1", "-w", "300ms", "x"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(told.contains("1 message was not sent") && told.contains("refused"), "{told}");
}

#[test]
fn options_need_a_value_unless_they_are_flags_and_a_name_that_exists() {
    let pull =
        |option: &str| zefiro(&["pull", "--bind", "tcp://127.0.0.1:*", "-w", "10ms", "-o", option]).output().unwrap();
    for good in ["ipv6", "conflate=0", "ZMQ_SNDHWM=10", "send_high_water_mark=10", "rcvtimeo=5"] {
        assert_eq!(pull(good).status.code(), Some(3), "{good}");
    }
    for (bad, told) in [
        ("sndhwm", "it needs a value"),
        ("sndhvm=1", "is it sndhwm?"),
        ("send_high_water=1", "is it send_high_water_mark?"),
        ("nothing_like_it=1", "there is no such option"),
        ("linger=soon", "allowed is: 0 and up, or never"),
        ("ipv6=perhaps", "allowed is: 0, 1"),
    ] {
        let output = pull(bad);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{bad}");
        assert!(complaint.contains(told) && complaint.contains("--option"), "{complaint}");
    }
}

#[test]
fn inproc_is_refused_since_nobody_could_be_there() {
    for arguments in [
        &["pull", "--bind", "inproc://a"][..],
        &["push", "--connect", "inproc://a", "x"],
        &["monitor", "--connect", "inproc://a"],
        &["proxy", "pull:inproc://a", "push:inproc://b"],
    ] {
        let output = zefiro(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("within one process"), "{output:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/full", directory.path().display());
    let mut push = zefiro(&["push", "--bind", &endpoint, "-n", "10", "x"]).spawn().unwrap();
    for arguments in [
        &["--help"][..],
        &["demo", "--only", "inproc", "--percent", "1"],
        &["perf", "lat", "--quick"],
        &["perf", "lat", "--quick", "--json"],
        &["keygen", "--print"],
        &["pull", "--connect", &endpoint, "-w", "20s"],
        &["monitor", "--bind", "tcp://127.0.0.1:*", "-w", "20s"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = zefiro(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    }
    push.kill().unwrap();
    push.wait().unwrap();
}

#[test]
fn a_file_in_the_way_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "kept").unwrap();
    let output = zefiro(&["pull", "--bind", &format!("ipc://{}", path.display())]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no socket"), "{output:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
}
