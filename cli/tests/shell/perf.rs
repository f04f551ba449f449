//! `zefiro perf`.

use crate::{text, zefiro};

#[test]
fn perf_measures_and_draws() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("comparison.svg");
    let arguments = ["perf", "lat", "--quick", "--vs", "raw", "--plot", picture.to_str().unwrap()];
    let output = zefiro(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = text(&output);
    assert!(said.starts_with(&format!("Zefiro {}\n", env!("CARGO_PKG_VERSION"))), "{said}");
    assert!(said.contains("lat tcp 64 B") && said.contains("CPU seconds per million messages"), "{said}");
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn who_measures_a_debug_build_is_told_so_and_programs_read_on() {
    let output = zefiro(&["perf", "thr", "--transport", "inproc", "--quick", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let warned = String::from_utf8_lossy(&output.stderr).contains("debug build");
    assert_eq!(warned, cfg!(debug_assertions));
    let lines: Vec<serde_json::Value> = text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 1);
}

/// Each message is checked by who receives it.
#[test]
fn messages_may_have_several_parts() {
    for arguments in [&["thr", "--transport", "inproc,ipc"][..], &["fan", "--peers", "3"], &["in", "--peers", "3"]] {
        let arguments = [&["perf"], arguments, &["--parts", "3", "--quick"]].concat();
        let output = zefiro(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(text(&output).contains(" 64 B in 3 parts"), "{}", text(&output));
    }
}
