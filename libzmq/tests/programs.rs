//! The same C programs, one per family of calls, with the system's libzmq and with ours: they print the same.
//!
//! Each is compiled with our header, as C and as C++. Those in `programs_for_ours_only` use what the system's libzmq does not
//! have, and say themselves whether all is well. Left out, with a note, where there is no compiler or no libzmq.

mod util;

use std::path::{Path, PathBuf};
use std::process::Command;

use util::{our_folder, run_within, theirs};

/// Compilers, the standard they are told, and a name for what they make.
const COMPILERS: [(&str, &str, &str); 2] = [("gcc", "-std=gnu99", "c"), ("g++", "-std=gnu++98", "cpp")];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(format!("{name}.c"))
}

/// A compiled program, which goes when it is not needed any more.
struct Program(PathBuf);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Compiles a program; `None` where there is no such compiler.
fn compile(name: &str, (compiler, standard, kind): (&str, &str, &str)) -> Option<Program> {
    // Tests run side by side: each has a file of its own.
    let language = if kind == "c" { "c" } else { "c++" };
    let program = Program(our_folder().join(format!("{name}-{kind}-{:?}", std::thread::current().id())));
    let status = Command::new(compiler)
        .args([standard, "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-x", language])
        .arg(source(name))
        .args(["-x", "none", "-o"])
        .arg(&program.0)
        .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include"))
        .arg("-L")
        .arg(our_folder())
        .args(["-Wl,--as-needed", "-lzmq", "-lpthread", "-ldl"])
        .status();
    match status {
        Ok(status) => assert!(status.success(), "{name} does not compile with {compiler}"),
        Err(error) => {
            println!("left out: {compiler}: {error}");
            return None;
        }
    }
    Some(program)
}

/// What a program prints, with the library in that folder; an error if it does not end well.
fn output(program: &Path, library: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", library).current_dir(our_folder());
    let output = run_within(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{} with {}: {:?}\n{errors}\n{text}", program.display(), library.display(), output.status))
}

/// A program of each compiler there is, and what it prints with our library. They run side by side: mostly they wait.
fn ours_print(name: &str) -> Vec<(Program, String)> {
    std::thread::scope(|scope| {
        let runs = COMPILERS.map(|compiler| {
            scope.spawn(move || {
                let program = compile(name, compiler)?;
                let printed = output(&program.0, our_folder()).unwrap_or_else(|error| panic!("{error}"));
                Some((program, printed))
            })
        });
        runs.into_iter().filter_map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn prints_the_same(name: &str, needed: &str) {
    if !needed.is_empty() && !util::has(needed) {
        return println!("left out: {needed} is not in this build");
    }
    let theirs = theirs();
    let mut runs: Vec<String> = Vec::new();
    let mut failed: Vec<String> = Vec::new();
    for (program, printed) in ours_print(name) {
        let Some(theirs) = &theirs else {
            println!("no libzmq on this system to compare {name} with");
            continue;
        };
        // libzmq itself does not always say the same, nor end well: on a busy machine its monitors now and then miss that a
        // peer is gone, and a connection outlives its time for the handshake. Ours is to say, in each section, what libzmq
        // says there in one of a few runs that end well.
        let is_said = |runs: &[String], (index, section): (usize, &String)| {
            runs.iter().any(|run| sections(run).get(index) == Some(section))
        };
        let ours = sections(&printed);
        while !ours.iter().enumerate().all(|section| is_said(&runs, section))
            && runs.len() + failed.len() < THEIR_RUNS_MAX
        {
            match output(&program.0, theirs.parent().unwrap()) {
                Ok(run) => runs.push(run),
                Err(error) => failed.push(error),
            }
        }
        assert!(!runs.is_empty(), "{name}: libzmq never ends well: {}", failed.concat());
        for (index, section) in ours.iter().enumerate() {
            if !is_said(&runs, (index, section)) {
                let last = sections(runs.last().unwrap());
                panic!("{name}: libzmq {:?}\nzefiro {section:?}", last.get(index));
            }
        }
        assert!(runs.iter().all(|run| sections(run).len() == ours.len()), "{name}: one of both says more");
    }
}

/// What is printed, cut before each line that names a section.
fn sections(printed: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in printed.lines() {
        if line.starts_with("-- ") {
            sections.push(String::new());
        }
        sections.last_mut().unwrap().extend([line, "\n"]);
    }
    sections
}

const THEIR_RUNS_MAX: usize = 6;

macro_rules! programs {
    ($($name:ident $(needs $needed:literal)?;)*) => {
        $(
            #[test]
            fn $name() {
                prints_the_same(stringify!($name), concat!($($needed)?));
            }
        )*
    };
}

macro_rules! programs_for_ours_only {
    ($($name:ident;)*) => {
        $(
            #[test]
            fn $name() {
                ours_print(stringify!($name));
            }
        )*
    };
}

programs_for_ours_only! {
    fork_storm;
    fork_holds;
    signal_storm;
    few_descriptors;
    careless;
    crowd;
    drafts;
    extension;
    misuse;
    shared;
}

programs! {
    contexts;
    messages;
    zero_copy;
    req_rep;
    pub_sub;
    pipeline;
    router;
    inproc;
    stream;
    strangers;
    ended;
    endpoints;
    filters;
    poll;
    monitor;
    proxy;
    timers;
    utilities;
    curve_keys needs "curve";
    security needs "curve";
    handles;
    pieces;
    turns;
    begun;
    signals;
    stopped;
    threads;
    shutdown;
    fork;
    abandon;
    unload;
    reload;
    descriptors;
    details;
    leaving;
    lingering;
    callbacks;
    heartbeats;
    attempts;
    marks;
    scarce_memory;
}

/// Under valgrind: no invalid access, and nothing lost that nobody points to. Only programs that do not fork, and that
/// do not depend on being quick, or on how many descriptors there are; what takes seconds with `ZEFIRO_LONG=1` only.
mod valgrind_finds_nothing_in {
    use super::*;

    fn valgrind_finds_nothing(name: &str, needed: &str) {
        if Command::new("valgrind").arg("--version").output().is_err() {
            return println!("left out: there is no valgrind");
        }
        if !needed.is_empty() && !util::has(needed) {
            return println!("left out: {needed} is not in this build");
        }
        let Some(program) = compile(name, COMPILERS[0]) else { return };
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
        command.arg(&program.0).env("LD_LIBRARY_PATH", our_folder()).current_dir(our_folder());
        let output = run_within(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{name}: {:?}\n{errors}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }

    macro_rules! programs_under_valgrind {
        ($($name:ident $(needs $needed:literal)? $(if $long:ident)?;)*) => {
            $(
                #[test]
                fn $name() {
                    $(
                        if !$long() {
                            return println!("left out: it takes long");
                        }
                    )?
                    valgrind_finds_nothing(stringify!($name), concat!($($needed)?));
                }
            )*
        };
    }

    fn long() -> bool {
        std::env::var("ZEFIRO_LONG").is_ok_and(|long| long == "1")
    }

    programs_under_valgrind! {
        contexts;
        messages;
        zero_copy;
        req_rep;
        router;
        inproc;
        pieces;
        ended;
        timers;
        handles;
        misuse;
        drafts;
        extension;
        threads;
        proxy;
        stream;
        turns;
        utilities;
        curve_keys needs "curve";
        pub_sub if long;
        pipeline if long;
        endpoints if long;
        poll if long;
        monitor if long;
        security needs "curve" if long;
        begun if long;
        details if long;
        leaving if long;
        heartbeats if long;
        attempts if long;
        marks if long;
        shutdown if long;
    }
}
