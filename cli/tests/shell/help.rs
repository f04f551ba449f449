//! What the help says of each verb.

use crate::{text, zefiro};

#[test]
fn each_verb_has_its_own_help_with_examples_and_exit_codes() {
    let help = |verb: &str| text(&zefiro(&[verb, "--help"]).output().unwrap());
    let verbs = "push pull pub sub req rep dealer router pair xpub xsub stream monitor proxy keygen perf demo";
    for verb in verbs.split(' ') {
        let help = help(verb);
        assert!(help.contains("Examples:\n  ") && help.contains(&format!("zefiro {verb} ")), "{help}");
        assert!(help.contains("Exit codes:\n  0  all went well\n") && help.contains("\n  130, 143  "), "{help}");
    }
    for (verb, has, has_not) in [
        ("push", "--lines", "--topic"),
        ("push", "--peers", "--echo"),
        ("pull", "--json", "--interval"),
        ("pub", "--topic", "--json"),
        ("sub", "--topic", "--lines"),
        ("rep", "--exec", "--peers"),
        ("dealer", "--lines", "--exec"),
        ("stream", "--echo", "--key-file"),
    ] {
        let help = help(verb);
        assert!(help.contains(has) && !help.contains(has_not), "{help}");
    }
}

#[test]
fn the_version_bears_the_name_of_the_command() {
    let version = text(&zefiro(&["--version"]).output().unwrap());
    assert_eq!(version, format!("zefiro {}\n", env!("CARGO_PKG_VERSION")));
}
