//! What a terminal gets to see.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{text, zefiro};

/// A terminal: what reads its screen, and what a program writes to.
fn terminal() -> (BufReader<File>, OwnedFd) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let program = open(ptsname(&screen, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (BufReader::new(File::from(screen)), program)
}

#[test]
fn bytes_of_peers_do_not_command_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let sent = b"\x1b[31mred\x07 \xff\xc2\x9b \xe2\x80\xae d\xc3\xa9j\xc3\xa0";
    let shown = |name: &str, more: &[&str]| {
        let endpoint = format!("ipc://{}/{name}", directory.path().display());
        let (mut screen, program) = terminal();
        let pull = [&["pull", "--bind", &endpoint, "-n", "1", "-w", "20s"], more].concat();
        let mut pull = zefiro(&pull).stdout(program).spawn().unwrap();
        let mut push = zefiro(&["push", "--connect", &endpoint, "-w", "20s"]).stdin(Stdio::piped()).spawn().unwrap();
        push.stdin.take().unwrap().write_all(sent).unwrap();
        assert!(push.wait().unwrap().success() && pull.wait().unwrap().success());
        let mut line = Vec::new();
        screen.read_until(b'\n', &mut line).unwrap();
        line.truncate(line.len() - 2);
        line
    };
    let escaped = "\\u{1b}[31mred\\u{7} \\xff\\u{9b} \\u{202e} déjà";
    assert_eq!(String::from_utf8(shown("escaped", &[])).unwrap(), escaped);
    assert_eq!(shown("raw", &["--raw"]), sent);
    let hex = shown("hex", &["--hex"]);
    assert!(hex.starts_with(b"1b5b33316d"), "{hex:?}");
}

#[test]
fn bytes_are_piped_as_they_are_and_json_stays_json() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/piped", directory.path().display());
    let sent = "\x1b[31m\u{9b}\u{202e}\u{7f}é";
    for more in [&[][..], &["--json"]] {
        let pull = [&["pull", "--bind", &endpoint, "-n", "1", "-w", "20s"], more].concat();
        let pull = zefiro(&pull).spawn().unwrap();
        assert!(zefiro(&["push", "--connect", &endpoint, "-w", "20s", sent]).status().unwrap().success());
        let said = text(&pull.wait_with_output().unwrap());
        if more.is_empty() {
            assert_eq!(said, format!("{sent}\n"));
        } else {
            assert!(!said.trim_end().contains(char::is_control), "{said:?}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&said).unwrap(), [sent]);
        }
    }
}
