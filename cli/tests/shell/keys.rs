//! Keys in files, and sockets that have them.

use crate::{text, zefiro};

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
