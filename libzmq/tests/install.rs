//! `install.sh` lays all down so that pkg-config and CMake find it, and what they say builds programs that run.

mod util;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use util::{our_folder, run_within};

/// Installs into a new folder.
fn install(name: &str, arguments: &[&str]) -> PathBuf {
    let prefix = our_folder().join(name);
    let _ = fs::remove_dir_all(&prefix);
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
    command.arg(&prefix).args(arguments).arg("--from").arg(our_folder().parent().unwrap());
    run(command);
    prefix
}

fn run(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = run_within(command);
    assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

fn there_is(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("left out: there is no {program}");
    }
    found
}

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c/threads.c");

fn runs(program: &Path, library: &Path) {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", library);
    assert!(run(command).contains("sum 999000"));
}

#[test]
fn all_is_laid_down_under_its_usual_name() {
    let prefix = install("installed", &[]);
    for file in ["zmq.h", "zmq_utils.h", "zefiro.h"] {
        assert!(prefix.join("include").join(file).is_file(), "{file}");
    }
    let lib = prefix.join("lib");
    for link in ["libzmq.so", "libzmq.so.5"] {
        assert_eq!(fs::read_link(lib.join(link)).unwrap().to_str(), Some("libzmq.so.5.2.6"));
    }
    for file in ["libzmq.so.5.2.6", "libzmq.a", "pkgconfig/libzmq.pc", "cmake/ZeroMQ/ZeroMQConfig.cmake"] {
        assert!(lib.join(file).is_file(), "{file}");
    }
    // Over one that is there already.
    let mut again = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
    again.arg(&prefix).arg("--from").arg(our_folder().parent().unwrap());
    run(again);
}

#[test]
fn pkg_config_finds_it() {
    if !there_is("pkg-config") || !there_is("gcc") {
        return;
    }
    let prefix = install("for-pkg-config", &["--libdir", &libdir("for-pkg-config")]);
    let lib = prefix.join("lib/here");
    let asked = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.args(arguments).arg("libzmq").env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
        run(command)
    };
    assert_eq!(asked(&["--modversion"]), "4.3.6");
    let program = prefix.join("program");
    for arguments in [&["--cflags", "--libs"][..], &["--cflags", "--libs", "--static"]] {
        let mut compile = Command::new("gcc");
        compile.arg(PROGRAM).arg("-o").arg(&program).args(asked(arguments).split_whitespace());
        run(compile);
        runs(&program, &lib);
    }
    // The static library, alone.
    let mut compile = Command::new("gcc");
    compile.arg(PROGRAM).arg("-o").arg(&program).arg("-I").arg(prefix.join("include")).arg(lib.join("libzmq.a"));
    compile.args(["-lpthread", "-ldl", "-lm", "-lrt", "-lutil"]);
    run(compile);
    runs(&program, Path::new("/nowhere"));
}

fn libdir(name: &str) -> String {
    our_folder().join(name).join("lib/here").to_str().unwrap().to_string()
}

#[test]
fn cmake_finds_it() {
    if !there_is("cmake") || !there_is("make") {
        return;
    }
    let prefix = install("for-cmake", &["--libdir", &libdir("for-cmake")]);
    let project = prefix.join("project");
    fs::create_dir_all(&project).unwrap();
    let text = format!(
        "cmake_minimum_required(VERSION 3.5)\nproject(uses C)\nfind_package(ZeroMQ 4.3 REQUIRED)\n\
         add_executable(shared {PROGRAM})\ntarget_link_libraries(shared libzmq)\n\
         add_executable(static {PROGRAM})\ntarget_link_libraries(static libzmq-static)\n\
         find_package(ZeroMQ 5 QUIET)\nif(ZeroMQ_FOUND)\nmessage(FATAL_ERROR \"not version 5\")\nendif()\n"
    );
    fs::write(project.join("CMakeLists.txt"), text).unwrap();
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&project).arg("-B").arg(project.join("build"));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    configure.arg(format!("-DZeroMQ_DIR={}", prefix.join("lib/here/cmake/ZeroMQ").display()));
    run(configure);
    let mut build = Command::new("cmake");
    build.arg("--build").arg(project.join("build"));
    run(build);
    runs(&project.join("build/shared"), &prefix.join("lib/here"));
    runs(&project.join("build/static"), Path::new("/nowhere"));
}
