//! What is sent: from the command line, from files, or from the input.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use anyhow::{Context as _, ensure};
use zefiro::{Frame, Message};

use super::args::{Form, Job};

/// The messages to send.
pub fn messages(job: &Job) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Message>> + '_>> {
    let say = &job.say;
    let message = |text: &[u8]| parse(text, &job.form).map(|body| with_topic(body, job));
    if !say.messages.is_empty() {
        return Ok(Box::new(say.messages.iter().map(move |text| message(text.as_bytes()))));
    }
    if !say.file.is_empty() {
        return Ok(Box::new(say.file.iter().map(|path| {
            let body = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(with_topic(Message::from(body), job))
        })));
    }
    let mut input: Box<dyn BufRead> = match &say.lines {
        Some(path) => {
            Box::new(BufReader::new(File::open(path).with_context(|| format!("opening {}", path.display()))?))
        }
        None => Box::new(io::stdin().lock()),
    };
    // Lines may be of any bytes, as messages may.
    let lines = std::iter::from_fn(move || {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(without_line_end(line))),
            Err(error) => Some(Err(error)),
        }
    });
    Ok(Box::new(lines.map(move |line| message(&line.context("reading the input")?))))
}

fn with_topic(mut message: Message, job: &Job) -> Message {
    if let Some(topic) = &job.topics.prefix {
        message.push_front(topic.as_str());
    }
    message
}

fn without_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}

/// The message that a text stands for.
pub fn parse(text: &[u8], form: &Form) -> anyhow::Result<Message> {
    split(text, form.separator.as_bytes())
        .into_iter()
        .map(|part| if form.hex { from_hex(&String::from_utf8_lossy(part)) } else { Ok(Frame::from(part)) })
        .collect::<Result<Vec<_>, _>>()
        .map(Message::from)
}

/// The parts between separators; all of it where there is to be none.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !separator.is_empty()
        && let Some(at) = rest.windows(separator.len()).position(|window| window == separator)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

fn from_hex(text: &str) -> anyhow::Result<Frame> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    ensure!(digits.len().is_multiple_of(2), "{text:?} has half a byte too much");
    let bytes = digits.chunks(2).map(|pair| {
        let digit = |byte: u8| char::from(byte).to_digit(16).with_context(|| format!("{text:?} is not hexadecimal"));
        Ok((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
    });
    Ok(Frame::from(bytes.collect::<anyhow::Result<Vec<u8>>>()?))
}
