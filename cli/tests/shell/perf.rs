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
