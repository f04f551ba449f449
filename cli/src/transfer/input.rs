//! What is sent: from the command line, from files, or from the input.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use anyhow::{Context as _, Error, ensure};
use zefiro::{Frame, Message, SocketType};

use super::args::{Form, Job};

/// The messages to send.
pub fn messages(job: &Job) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Message>> + '_>> {
    let say = &job.say;
    if !say.messages.is_empty() {
        return Ok(Box::new(say.messages.iter().map(move |text| compose(text.as_bytes(), job))));
    }
    if !say.file.is_empty() {
        return Ok(Box::new(say.file.iter().map(|path| {
            let body = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(with_front(Message::from(body), job))
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
            // To a plain peer the line's end is part of it.
            Ok(_) if job.socket_type == SocketType::Stream => Some(Ok(line)),
            Ok(_) => Some(Ok(without_line_end(line))),
            Err(error) => Some(Err(error)),
        }
    });
    Ok(Box::new(lines.map(move |line| compose(&line.context("reading the input")?, job))))
}

/// The message that a text stands for, with the topic or the peer's id in front.
pub fn compose(text: &[u8], job: &Job) -> anyhow::Result<Message> {
    let form = &job.form;
    let names_peer = job.has_ids() && job.say.to.is_none();
    let body = match job.socket_type {
        // Plain data has no parts.
        SocketType::Stream if names_peer => {
            let (id, data) = split_once(text, form.separator.as_bytes()).with_context(|| no_id(form))?;
            Message::from(vec![id_from(id, form)?, part(data, form)?])
        }
        SocketType::Stream => Message::from(part(text, form)?),
        SocketType::Router if names_peer => {
            let (id, rest) = split_once(text, form.separator.as_bytes()).with_context(|| no_id(form))?;
            let mut message = parse(rest, form)?;
            message.push_front(id_from(id, form)?);
            message
        }
        _ => parse(text, form)?,
    };
    Ok(with_front(body, job))
}

fn with_front(mut message: Message, job: &Job) -> Message {
    if let Some(topic) = &job.topics.prefix {
        message.push_front(topic.as_str());
    }
    if let Some(to) = job.say.to.as_ref().filter(|_| job.has_ids()) {
        message.push_front(to.clone());
    }
    message
}

fn no_id(form: &Form) -> String {
    format!("what is sent begins with the peer's id, ID{}TEXT, or needs --to ID", form.separator)
}

fn id_from(text: &[u8], form: &Form) -> anyhow::Result<Frame> {
    let text = String::from_utf8_lossy(text);
    ensure!(!text.is_empty(), no_id(form));
    peer_id(&if form.hex && !text.starts_with("0x") { format!("0x{text}").into() } else { text }).map_err(Error::msg)
}

/// A peer's id as it is printed: text, or 0x and hexadecimal digits.
pub fn peer_id(text: &str) -> Result<Frame, String> {
    let id = match text.strip_prefix("0x") {
        Some(digits) => from_hex(digits).map_err(|error| error.to_string())?,
        None => Frame::from(text.as_bytes()),
    };
    if id.is_empty() { Err("no peer has an empty id".to_string()) } else { Ok(id) }
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
        .map(|text| part(text, form))
        .collect::<Result<Vec<_>, _>>()
        .map(Message::from)
}

fn part(text: &[u8], form: &Form) -> anyhow::Result<Frame> {
    if form.hex { from_hex(&String::from_utf8_lossy(text)) } else { Ok(Frame::from(text)) }
}

/// The parts between separators; all of it where there is to be none.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, after)) = split_once(rest, separator) {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(separator.len().max(1)).position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
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
