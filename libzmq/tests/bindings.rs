//! Python programs on Debian's own binding, unmodified, with the system's libzmq and with ours: they print the same.
//!
//! Left out, with a note, where there is no Python with pyzmq that uses the system's libzmq.

mod util;

use std::path::Path;
use std::process::{Command, Output};

use util::{our_folder, run_within, theirs};

/// A Python whose pyzmq uses the libzmq on the library path.
fn python() -> Option<&'static str> {
    let tells = "import zmq; print(zmq.zmq_version())";
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let output = Command::new(python).args(["-c", tells]).env("LD_LIBRARY_PATH", our_folder()).output();
        output.is_ok_and(|output| output.stdout == b"4.3.6\n")
    })
}

fn run(python: &str, script: &str, library: &Path) -> Output {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(format!("{script}.py")));
    command.env("LD_LIBRARY_PATH", library).env("PYTHONDONTWRITEBYTECODE", "1");
    run_within(command)
}

fn prints_the_same(script: &str, needed: &str) {
    let (Some(python), Some(theirs)) = (python(), theirs()) else {
        return println!("left out: no Python with a pyzmq that uses the system's libzmq");
    };
    if !needed.is_empty() && !util::has(needed) {
        return println!("left out: {needed} is not in this build");
    }
    let [expected, printed] = [theirs.parent().unwrap(), our_folder()].map(|library| {
        let output = run(python, script, library);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script} with {}: {:?}\n{text}\n{errors}", library.display(), output.status);
        text
    });
    assert!(!expected.is_empty(), "{script} says nothing");
    assert_eq!(expected, printed, "{script}: libzmq left, zefiro right");
}

macro_rules! scripts {
    ($($name:ident $(needs $needed:literal)?;)*) => {
        $(
            #[test]
            fn $name() {
                prints_the_same(stringify!($name), concat!($($needed)?));
            }
        )*
    };
}

scripts! {
    patterns;
    polling;
    devices;
    with_asyncio;
    monitoring;
    ending;
    curve needs "curve";
}
