//! Keys in files, and sockets that have them.

use std::process::Command;

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

#[test]
fn the_key_in_the_environment_is_used_as_one_that_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key").display().to_string();
    assert!(zefiro(&["keygen", "--shared", &file]).status().unwrap().success());
    let text_of_key = std::fs::read_to_string(&file).unwrap();
    let endpoint = format!("ipc://{}/secret", directory.path().display());
    let pull = ["pull", "--bind", &endpoint, "-n", "1", "-w", "20s"];
    let push = ["push", "--connect", &endpoint, "-w", "20s", "hello"];
    let with = |variable: &str, value: &str, arguments: &[&str]| -> Command {
        let mut command = zefiro(arguments);
        command.env(variable, value);
        command
    };
    for (variable, value) in [("ZEFIRO_KEY_FILE", file.as_str()), ("ZEFIRO_SHARED_KEY", text_of_key.trim())] {
        let pulling = with(variable, value, &pull).spawn().unwrap();
        let plain = zefiro(&["push", "--connect", &endpoint, "-w", "1s", "in vain"]).output().unwrap();
        assert!(!plain.status.success(), "{plain:?}");
        let given = [&push[..], &["--key-file", &file]].concat();
        assert!(zefiro(&given).status().unwrap().success());
        assert_eq!(text(&pulling.wait_with_output().unwrap()), "hello\n", "{variable}");
    }
    // Who asks for a key never talks without one.
    assert_eq!(with("ZEFIRO_KEY_FILE", "/no/such/file", &pull).status().unwrap().code(), Some(1));
    assert_eq!(with("ZEFIRO_SHARED_KEY", "short", &pull).status().unwrap().code(), Some(1));
    let stream = with("ZEFIRO_KEY_FILE", &file, &["stream", "--bind", "tcp://127.0.0.1:*", "--echo"]).output().unwrap();
    assert_eq!(stream.status.code(), Some(2));
}

#[test]
fn keys_that_could_not_be_told_are_not_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("key").display().to_string();
    for more in [&[][..], &["--raw"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let keygen = [&["keygen", &name], more].concat();
        assert_eq!(zefiro(&keygen).stdout(full).status().unwrap().code(), Some(1));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{more:?}");
        // What is in the way stays, alone.
        std::fs::write(&name, "precious").unwrap();
        assert_eq!(zefiro(&keygen).status().unwrap().code(), Some(1));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "{more:?}");
        assert_eq!(std::fs::read_to_string(&name).unwrap(), "precious");
        std::fs::remove_file(&name).unwrap();
    }
}
