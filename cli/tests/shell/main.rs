//! The tool as a shell sees it.

mod conversation;
mod endings;
mod help;
mod keys;
mod monitor;
mod perf;
mod proxy;
mod publish;
mod signals;
mod talk;
mod terminal;
mod timeouts;
mod watch;

use std::process::{Command, Output, Stdio};

fn zefiro(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zefiro"));
    // Whoever runs the tests may have a key.
    command.env_remove("ZEFIRO_KEY_FILE").env_remove("ZEFIRO_SHARED_KEY");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
