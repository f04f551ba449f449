//! `zefiro proxy`.

use std::io::{BufRead, BufReader};

use crate::{text, zefiro};

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

#[test]
fn pairs_that_make_no_sense_are_refused_with_those_that_do() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, third] =
        ["one", "other", "third"].map(|name| format!("ipc://{}/{name}", directory.path().display()));
    let proxy = |front: &str, back: &str, more: &[&str]| {
        let sides = [format!("{front}:{one}"), format!("{back}:{other}")];
        zefiro(&[&["proxy", &sides[0], &sides[1]], more].concat()).output().unwrap()
    };
    for (front, back) in [("push", "pull"), ("req", "rep"), ("router", "router"), ("sub", "xpub"), ("pull", "pub")] {
        let output = proxy(front, back, &[]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("no pair for a proxy") && told.contains("router/dealer, ") && told.contains("pull/push"),
            "{told}"
        );
    }
    for more in [["--capture", &format!("req:{third}")], ["--control", &format!("push:{third}")]] {
        assert_eq!(proxy("pull", "push", &more).status.code(), Some(2), "{more:?}");
    }
    // One that makes sense is opened: it fails at the folder.
    assert_eq!(proxy("pull", "push", &["--capture", "pub:ipc:///no/such/folder/x"]).status.code(), Some(1));
}

#[test]
fn that_nobody_takes_the_copies_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, third] =
        ["one", "other", "third"].map(|name| format!("ipc://{}/{name}", directory.path().display()));
    let sides = [format!("pull:{one}"), format!("push:{other}"), format!("push:{third}")];
    let mut proxy = zefiro(&["proxy", &sides[0], &sides[1], "--capture", &sides[2]]).spawn().unwrap();
    let mut lines = BufReader::new(proxy.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("--capture push has no peer"));
    assert!(zefiro(&["push", "--connect", &one, "-w", "20s", "x"]).status().unwrap().success());
    let pulls = [&third, &other]
        .map(|endpoint| zefiro(&["pull", "--connect", endpoint, "-n", "1", "-w", "20s"]).spawn().unwrap());
    for pull in pulls {
        assert_eq!(text(&pull.wait_with_output().unwrap()), "x\n");
    }
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}
