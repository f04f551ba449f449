//! The library's face: what it exports, what the headers declare, and every number, against the tables in `data/`.

mod util;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use util::{our_folder, ours, run_within};

/// One line of a table, its fields by the names in the first line.
struct Row(Vec<(String, String)>);

impl Row {
    fn get(&self, column: &str) -> &str {
        &self.0.iter().find(|(name, _)| name == column).unwrap_or_else(|| panic!("no column {column}")).1
    }
}

fn table(name: &str) -> Vec<Row> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(fields);
    let columns = lines.next().unwrap();
    lines.map(|fields| Row(columns.iter().cloned().zip(fields).collect())).collect()
}

/// The fields of a line, of which some are quoted.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for piece in line.split_inclusive(['"', ',']) {
        let (text, end) = piece.split_at(piece.len() - piece.ends_with(['"', ',']) as usize);
        fields.last_mut().unwrap().push_str(text);
        match end {
            "," if !quoted => fields.push(String::new()),
            "," => fields.last_mut().unwrap().push(','),
            "\"" => quoted = !quoted,
            _ => {}
        }
    }
    fields
}

/// Compiles a text with the header and runs it; answers what it prints. `None` where there is no such compiler.
fn compiled(name: &str, compiler: &str, arguments: &[&str], text: &str) -> Option<String> {
    let program = our_folder().join(name);
    let source = our_folder().join(format!("{name}.c"));
    fs::write(&source, text).unwrap();
    let mut command = Command::new(compiler);
    command
        .args(arguments)
        .args(["-Wall", "-Wextra", "-Werror", concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-x", if compiler == "g++" { "c++" } else { "c" }])
        .arg(&source)
        .args(["-x", "none", "-o"])
        .arg(&program)
        .arg("-L")
        .arg(our_folder())
        .arg("-lzmq");
    if Command::new(compiler).arg("--version").output().is_err() {
        println!("left out: there is no {compiler}");
        return None;
    }
    let output = run_within(command);
    assert!(output.status.success(), "{name}, {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut command = Command::new(&program);
    command.env("LD_LIBRARY_PATH", our_folder());
    let output = run_within(command);
    assert!(output.status.success(), "{name}: {:?}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

const DRAFT: &str = "-DZMQ_BUILD_DRAFT_API";

#[test]
fn the_library_exports_every_function_and_nothing_else() {
    let expected: BTreeSet<String> = table("functions.csv")
        .iter()
        .map(|row| row.get("name").to_string())
        .chain(["zefiro_socket_counters", "zefiro_set_option", "zefiro_last_error", "zefiro_version"].map(String::from))
        .collect();
    // SAFETY: loading the library runs nothing.
    let library = unsafe { libloading::Library::new(ours()) }.unwrap();
    for name in &expected {
        // SAFETY: only looked up, not called.
        let found = unsafe { library.get::<*const ()>(name.as_bytes()) }.is_ok();
        assert!(found, "{name} is not exported");
    }
    let Ok(output) = Command::new("nm").args(["-D", "--defined-only"]).arg(ours()).output() else {
        return println!("left out in part: there is no nm");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let exported: BTreeSet<String> = text.lines().filter_map(|line| line.split(' ').nth(2)).map(String::from).collect();
    assert_eq!(exported, expected);
}

#[test]
fn the_library_has_its_name_and_needs_the_c_library_only() {
    let Ok(output) = Command::new("readelf").arg("-d").arg(ours()).output() else {
        return println!("left out: there is no readelf");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let tagged = |tag: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(tag));
        lines.map(|line| line.split(['[', ']']).nth(1).unwrap().to_string()).collect()
    };
    assert_eq!(tagged("(SONAME)"), ["libzmq.so.5"]);
    let of_libc = ["libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux"];
    for needed in tagged("(NEEDED)") {
        assert!(of_libc.iter().any(|name| needed.starts_with(name)), "it needs {needed}");
    }
}

#[test]
fn the_header_declares_each_function_as_the_table_has_it() {
    for (stable, arguments) in [(true, &["-std=gnu99"][..]), (false, &["-std=gnu99", DRAFT][..])] {
        let mut text = String::from("#include <zmq.h>\nint main (void)\n{\n");
        for (index, row) in table("functions.csv").iter().enumerate() {
            let (name, result, parameters) = (row.get("name"), row.get("return_type"), row.get("parameters"));
            if row.get("stability") != "draft" || !stable {
                let _ = writeln!(text, "{result} (*f{index}) ({parameters}) = {name};\n(void) f{index};");
            } else {
                // What is a draft is not declared without being asked for: its name is free.
                let _ = writeln!(text, "int {name} = 0;\n(void) {name};");
            }
        }
        text.push_str("return 0;\n}\n");
        compiled(if stable { "declared" } else { "declared-drafts" }, "gcc", arguments, &text);
    }
}

#[test]
fn every_constant_has_its_value() {
    let rows = table("constants.csv");
    let mut text = String::from("#include <zmq.h>\n#include <string.h>\nint main (void)\n{\n");
    let mut checked = 0;
    for row in &rows {
        let (name, value, category) = (row.get("name"), row.get("value"), row.get("category"));
        if name.contains(['(', ' ']) || category == "errno fallback" {
            continue;
        }
        let differs = match (category, value.is_empty()) {
            ("message metadata key", _) => format!("strcmp ({name}, \"{value}\") != 0"),
            (_, true) => String::from("0"),
            _ => format!("({name}) != ({value})"),
        };
        let _ = writeln!(text, "#ifndef {name}\n#error {name}\n#endif\nif ({differs}) printf (\"{name}\\n\");");
        checked += 1;
    }
    text.push_str("if (ZMQ_MAKE_VERSION (4, 3, 6) != ZMQ_VERSION) printf (\"version\\n\");\nreturn 0;\n}\n");
    assert!(checked > 230, "only {checked}");
    if let Some(printed) = compiled("constants", "gcc", &[DRAFT], &text) {
        assert_eq!(printed, "");
    }
}

#[test]
fn without_drafts_no_draft_constant_is_defined() {
    let mut text = String::from("#include <zmq.h>\nint main (void)\n{\nreturn 0;\n}\n");
    for row in table("constants.csv").iter().filter(|row| row.get("stability") == "draft") {
        let name = row.get("name");
        let _ = writeln!(text, "#ifdef {name}\n#error {name} is defined\n#endif");
    }
    compiled("no-drafts", "gcc", &[], &text);
}

#[test]
fn errors_the_platform_lacks_get_numbers_of_zeromq() {
    let mut text = String::from("#include <errno.h>\n#include <stdio.h>\n#include <signal.h>\n#include <stdint.h>\n");
    let rows = table("constants.csv");
    let rows: Vec<_> = rows.iter().filter(|row| row.get("category") == "errno fallback").collect();
    for row in &rows {
        let _ = writeln!(text, "#undef {}", row.get("name"));
    }
    text.push_str("#include <zmq.h>\nint main (void)\n{\n");
    for row in &rows {
        let (name, value) = (row.get("name"), row.get("value"));
        let _ = writeln!(text, "if ({name} != {value}) printf (\"{name}\\n\");");
    }
    text.push_str("return 0;\n}\n");
    assert_eq!(compiled("errors", "gcc", &[], &text).unwrap_or_default(), "");
}

#[test]
fn structures_are_laid_out_as_libzmq_has_them() {
    let text = r#"
        #include <zmq.h>
        #include <zefiro.h>
        struct after_a_byte { char byte; zmq_msg_t message; };
        int main (void)
        {
            printf ("msg %d aligned %d\n", (int) sizeof (zmq_msg_t), (int) offsetof (struct after_a_byte, message));
            printf ("pollitem %d: %d %d %d %d\n", (int) sizeof (zmq_pollitem_t), (int) offsetof (zmq_pollitem_t, socket),
                (int) offsetof (zmq_pollitem_t, fd), (int) offsetof (zmq_pollitem_t, events),
                (int) offsetof (zmq_pollitem_t, revents));
            printf ("event %d: %d %d %d %d\n", (int) sizeof (zmq_poller_event_t),
                (int) offsetof (zmq_poller_event_t, socket), (int) offsetof (zmq_poller_event_t, fd),
                (int) offsetof (zmq_poller_event_t, user_data), (int) offsetof (zmq_poller_event_t, events));
            printf ("fd %d\n", (int) sizeof (zmq_fd_t));
            printf ("counters %d\n", (int) sizeof (zefiro_counters_t));
            return 0;
        }
    "#;
    if !cfg!(target_pointer_width = "64") {
        return println!("left out: the numbers are those of 64 bits");
    }
    let expected = "msg 64 aligned 8\npollitem 16: 0 8 12 14\nevent 32: 0 8 16 24\nfd 4\ncounters 104\n";
    for compiler in ["gcc", "g++"] {
        if let Some(printed) = compiled(&format!("layout-{compiler}"), compiler, &[DRAFT], text) {
            assert_eq!(printed, expected, "{compiler}");
        }
    }
}

#[test]
fn the_headers_read_as_every_c_and_cpp() {
    let text = "#include <zmq.h>\n#include <zefiro.h>\nint main (void)\n{\nreturn sizeof (zmq_msg_t) != 64;\n}\n";
    let c = ["c89", "gnu89", "c99", "c11", "c17"].map(|standard| ("gcc", standard));
    let cpp = ["c++98", "c++11", "c++14", "c++17", "c++20"].map(|standard| ("g++", standard));
    for (compiler, standard) in c.into_iter().chain(cpp) {
        for draft in [&[][..], &[DRAFT]] {
            let standard = format!("-std={standard}");
            let mut arguments = vec![standard.as_str(), "-pedantic"];
            arguments.extend_from_slice(draft);
            compiled(&format!("standard{standard}-{}", draft.len()), compiler, &arguments, text);
        }
    }
}
