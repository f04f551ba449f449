//! Certificates that CZMQ has written, and ours read by it: its library (Debian: libczmq4) by way of Python.

use std::path::Path;
use std::process::Command;

use zefiro::CurveSecret;
use zefiro::certificate::Certificate;
use zefiro_interop::python;

const CZMQ: &str = r#"
import ctypes, sys
try:
    czmq = ctypes.CDLL("libczmq.so.4")
except OSError:
    sys.exit(77)
for name in ("zcert_load", "zcert_new"):
    getattr(czmq, name).restype = ctypes.c_void_p
for name in ("zcert_public_txt", "zcert_secret_txt", "zcert_meta"):
    getattr(czmq, name).restype = ctypes.c_char_p
path, name = sys.argv[2].encode(), sys.argv[3].encode()
if sys.argv[1] == "write":
    certificate = ctypes.c_void_p(czmq.zcert_new())
    czmq.zcert_set_meta(certificate, b"name", b"%s", name)
    assert czmq.zcert_save(certificate, path) == 0
else:
    certificate = ctypes.c_void_p(czmq.zcert_load(path))
    assert certificate.value, "it cannot be read"
    assert czmq.zcert_meta(certificate, b"name") == name
print(czmq.zcert_public_txt(certificate).decode(), czmq.zcert_secret_txt(certificate).decode())
"#;

/// Has CZMQ write or read a certificate, and answers its public key and its secret one, as text; `None` without CZMQ.
fn czmq(what: &str, path: &Path, name: &str) -> Option<[String; 2]> {
    let output = Command::new(python()?).args(["-c", CZMQ, what]).arg(path).arg(name).output().unwrap();
    if output.status.code() == Some(77) {
        println!("no CZMQ: nothing tested");
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (public, secret) = text.trim_end().split_once(' ').unwrap();
    Some([public.to_string(), secret.to_string()])
}

fn keys_of(certificate: &Certificate) -> [String; 2] {
    [certificate.public_key().to_z85(), certificate.secret_key().map_or_else(String::new, CurveSecret::to_z85)]
}

#[test]
fn czmq_s_certificates_are_read_and_it_reads_ours() {
    for name in ["Alice", "", "Alice # 'the first' of 2 = 1 + 1"] {
        let folder = tempfile::tempdir().unwrap();
        let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
        let Some(keys) = czmq("write", &theirs, name) else { return };
        let certificate = Certificate::read_secret(&theirs).unwrap();
        assert_eq!((keys_of(&certificate), certificate.property("name")), (keys.clone(), Some(name)));
        let certificate = Certificate::read(&theirs).unwrap();
        assert_eq!(
            (keys_of(&certificate), certificate.property("name")),
            ([keys[0].clone(), String::new()], Some(name))
        );

        let made = Certificate::new(&CurveSecret::generate().unwrap()).with("name", name);
        made.write(&ours).unwrap();
        // What can be written of it.
        let name = made.property("name").unwrap();
        assert_eq!(czmq("read", &ours, name).unwrap(), keys_of(&made));
        // Without the secret file, by the public one alone: it has no secret key then, which is zeros.
        std::fs::remove_file(zefiro::certificate::secret_path(&ours)).unwrap();
        assert_eq!(czmq("read", &ours, name).unwrap()[0], keys_of(&made)[0]);
    }
}
