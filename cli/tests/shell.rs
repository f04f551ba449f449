//! The tool as a shell sees it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn zefiro(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zefiro"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

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
fn exit_codes_tell_what_happened() {
    let code = |arguments: &[&str]| zefiro(arguments).output().unwrap().status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["no-such-verb"]), Some(2));
    for misuse in [
        &["push", "no endpoint"][..],
        &["pull", "--bind", "tcp://127.0.0.1:*", "never sent"],
        &["rep", "--bind", "tcp://127.0.0.1:*"],
        &["push", "--bind", "tcp://127.0.0.1:*", "--echo", "x"],
        &["pull", "--bind", "tcp://127.0.0.1:*", "-w", "soon"],
        &["monitor", "--bind", "tcp://127.0.0.1:*", "--type", "nonsense"],
        &["proxy", "pull:inproc://a", "nonsense:inproc://b"],
        &["perf", "thr", "--sizes", "7"],
        &["perf", "lat", "--idle", "NaN"],
    ] {
        assert_eq!(code(misuse), Some(2), "{misuse:?}");
    }
    assert_eq!(code(&["demo", "--only", "no such scenario"]), Some(1));
    assert_eq!(code(&["perf", "fan", "--transport", "inproc"]), Some(1));
    assert_eq!(code(&["perf", "lat", "--plot", "/no/such/folder/x.svg", "--vs", "raw"]), Some(1));
    assert_eq!(code(&["pull", "--bind", "nonsense"]), Some(1));
    assert_eq!(code(&["pull", "--bind", "tcp://127.0.0.1:*", "-w", "10ms"]), Some(3));
    let output = zefiro(&["pull", "--bind", "pgm://127.0.0.1:1"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("bind pgm://127.0.0.1:1") && complaint.contains("not one of tcp"), "{complaint}");
    let output = zefiro(&["pull", "--bind", "ipc:///no/such/folder/x"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(complaint.matches("No such file").count(), 1, "{complaint}");
}

#[test]
fn a_closed_pipe_is_no_reason_to_complain() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pipe", directory.path().display());
    let mut pull = zefiro(&["pull", "--bind", &endpoint, "-w", "20s"]).spawn().unwrap();
    drop(pull.stdout.take());
    assert!(zefiro(&["push", "--connect", &endpoint, "-n", "100", "x"]).status().unwrap().success());
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
fn what_cannot_be_sent_is_told_at_once_whatever_is_waited_for() {
    let output = zefiro(&["dealer", "--bind", "tcp://127.0.0.1:*", "-n", "1", "--hex", "zz"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not hexadecimal"));
    let directory = tempfile::tempdir().unwrap();
    let nobody = format!("ipc://{}/nobody", directory.path().display());
    let output = zefiro(&["push", "--connect", &nobody, "-w", "10ms", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 message was not sent"));
}

#[test]
fn monitor_heeds_options_and_keys() {
    let monitor = |more: &[&str]| {
        zefiro(&[&["monitor", "--bind", "tcp://127.0.0.1:*", "-n", "1", "-w", "20s"], more].concat()).output().unwrap()
    };
    assert!(monitor(&["-o", "sndhwm=5"]).status.success());
    assert_eq!(monitor(&["-o", "nosuch=1"]).status.code(), Some(1));
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

#[test]
fn perf_measures_and_draws() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("comparison.svg");
    let arguments = ["perf", "lat", "--quick", "--vs", "raw", "--plot", picture.to_str().unwrap()];
    let output = zefiro(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text(&output).contains("lat tcp 64 B"), "{}", text(&output));
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn keys_are_made_as_files_that_only_we_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("key").display().to_string();
    let output = zefiro(&["keygen", &name]).output().unwrap();
    assert!(output.status.success());
    let public = text(&output).trim().to_string();
    let certificate = std::fs::read_to_string(&name).unwrap();
    let secret_path = format!("{name}_secret");
    let secret_certificate = std::fs::read_to_string(&secret_path).unwrap();
    assert!(certificate.contains(&format!("public-key = \"{public}\"")) && !certificate.contains("secret-key"));
    let secret = secret_certificate.split("secret-key = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(zefiro::CurveSecret::from_z85(secret).unwrap().public().to_z85(), public);
    assert_eq!(std::fs::metadata(&secret_path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!text(&output).contains(secret));
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (option, bytes) in [("--raw", 32), ("--shared", 41)] {
        let name = format!("{name}{option}");
        let output = zefiro(&["keygen", &name, option]).output().unwrap();
        assert!(output.status.success());
        let path = if option == "--raw" { format!("{name}_secret") } else { name };
        assert_eq!((std::fs::read(&path).unwrap().len(), mode(&path)), (bytes, 0o600));
        assert!(option == "--raw" || text(&output).is_empty());
    }
    // What is there is kept.
    assert!(!zefiro(&["keygen", &name]).output().unwrap().status.success());
    assert_eq!(std::fs::read_to_string(&secret_path).unwrap(), secret_certificate);
}

#[test]
fn what_was_not_sent_is_told_with_the_reason() {
    let output = zefiro(&["push", "--connect", "tcp://127.0.0.1:1", "-w", "300ms", "x"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(told.contains("1 message was not sent") && told.contains("refused"), "{told}");
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
fn proxy_heeds_options_and_keys() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("shared.key").display().to_string();
    assert!(zefiro(&["keygen", "--shared", &key]).status().unwrap().success());
    let outside = format!("ipc://{}/outside", directory.path().display());
    let inside = format!("ipc://{}/inside", directory.path().display());
    let sides = [format!("pull:{outside}"), format!("push:{inside}")];
    let with = |more: &[&str]| {
        let mut arguments = vec!["proxy", &sides[0], &sides[1]];
        arguments.extend(more);
        zefiro(&arguments)
    };
    for refused in [["--every", "0"], ["--option", "nonsense=1"], ["--backend-key-file", "/nonexistent"]] {
        assert!(!with(&refused).status().unwrap().success(), "{refused:?}");
    }
    let mut proxy = with(&["--frontend-key-file", &key, "--backend-option", "sndhwm=10"]).spawn().unwrap();
    let pull = zefiro(&["pull", "--connect", &inside, "-n", "1", "-w", "20s"]).spawn().unwrap();
    let plain = zefiro(&["push", "--connect", &outside, "-w", "20s", "plain"]).output().unwrap();
    let told = String::from_utf8_lossy(&plain.stderr);
    assert!(!plain.status.success() && told.contains("1 message was lost") && told.contains("handshake"), "{told}");
    assert!(
        zefiro(&["push", "--connect", &outside, "--key-file", &key, "-w", "20s", "hello"]).status().unwrap().success()
    );
    assert_eq!(text(&pull.wait_with_output().unwrap()), "hello\n");
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}
