//! Answers: the message itself, a text, or what a command makes of it.

use std::process::{Command, Stdio};
use std::thread;

use anyhow::Context as _;
use zefiro::{AnySocket, ErrorKind, Message, SocketType};

use super::args::Job;
use super::input::parse;
use super::output::{print, write_joined};
use super::timeout::Awaited;
use super::{Ending, in_vain, receive};

/// Prints what comes, and answers it.
pub fn answer_all(socket: &AnySocket, job: &Job) -> anyhow::Result<Ending> {
    let mut received = 0;
    let noun = if job.socket_type == SocketType::Rep { "request" } else { "message" };
    while job.count.is_none_or(|count| received < count) {
        let mut message = match receive(socket, job, noun, received)? {
            Ok(message) => message,
            Err(silence) => return Ok(silence),
        };
        received += 1;
        print(&message, job)?;
        if !job.answers() {
            continue;
        }
        let id = if job.socket_type == SocketType::Rep { None } else { message.pop_front() };
        if job.socket_type == SocketType::Stream && message.first().is_empty() {
            continue;
        }
        // A REQ's envelope is not its message, and the answer needs it.
        let is_enveloped = id.is_some() && message.frame_count() > 1 && message.first().is_empty() && !job.answers.echo;
        let envelope = if is_enveloped { message.pop_front() } else { None };
        let mut answer = answer_to(message, job)?;
        // Nothing said; as a message it would end the connection.
        if job.socket_type == SocketType::Stream && answer.first().is_empty() {
            continue;
        }
        if let Some(envelope) = envelope {
            answer.push_front(envelope);
        }
        if let Some(id) = id {
            answer.push_front(id);
        }
        match socket.send(answer) {
            Err(error) if error.kind() != ErrorKind::Unroutable => {
                return Err(in_vain(error.into(), Awaited::Room, socket.options().send_timeout));
            }
            _ => {}
        }
    }
    Ok(Ending::Enough)
}

fn answer_to(message: Message, job: &Job) -> anyhow::Result<Message> {
    if let Some(reply) = &job.answers.reply {
        return parse(reply.as_bytes(), &job.form);
    }
    let Some(command) = &job.answers.exec else { return Ok(message) };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {command:?}"))?;
    let input = child.stdin.take();
    // Beside reading what it says: a command that answers before it has read all would wait for us, and we for it.
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            // A command that does not read its input is none the worse for it.
            let _ = input.map(|mut input| write_joined(&mut input, message.frames(), job.form.separator.as_bytes()));
        });
        child.wait_with_output()
    })?;
    if !output.status.success() {
        say!("zefiro: {command:?} failed: {}; its answer has {} bytes", output.status, output.stdout.len());
    }
    // To a plain peer the line's end is part of it.
    let is_plain = job.socket_type == SocketType::Stream;
    let text = output.stdout.strip_suffix(b"\n").filter(|_| !is_plain).unwrap_or(&output.stdout);
    Ok(Message::from(text))
}
