//! What came, on the standard output.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

use zefiro::Message;

use super::args::{Form, Job};

/// Prints a message.
pub fn print(message: &Message, job: &Job) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if job.hear.json {
        let parts: Vec<serde_json::Value> = message
            .frames()
            .map(|frame| match std::str::from_utf8(frame) {
                _ if job.form.hex => to_hex(frame).into(),
                Ok(text) => text.into(),
                Err(_) => serde_json::json!({ "hex": to_hex(frame) }),
            })
            .collect();
        writeln!(out, "{}", without_controls(&serde_json::to_string(&parts)?))?;
    } else {
        let separator = job.form.separator.as_bytes();
        write_joined(&mut out, message.frames().enumerate().map(|(index, frame)| text(frame, index, job)), separator)?;
        // A plain peer's data has ends of its own.
        if job.form.hex || !job.is_alone() {
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}

/// The parts with the separator between them.
pub fn write_joined(
    out: &mut impl Write,
    parts: impl Iterator<Item = impl AsRef<[u8]>>,
    separator: &[u8],
) -> io::Result<()> {
    for (index, part) in parts.enumerate() {
        if index > 0 {
            out.write_all(separator)?;
        }
        out.write_all(part.as_ref())?;
    }
    Ok(())
}

/// A part as it is printed.
fn text<'a>(frame: &'a [u8], index: usize, job: &Job) -> Cow<'a, [u8]> {
    if job.form.hex {
        return Cow::Owned(to_hex(frame).into_bytes());
    }
    if job.hear.raw {
        return Cow::Borrowed(frame);
    }
    if index == 0 && job.has_ids() && !is_plain_id(frame, &job.form) {
        return id_text(frame, &job.form);
    }
    match *IS_TERMINAL {
        true => Cow::Owned(escaped(frame, job.is_alone()).into_bytes()),
        false => Cow::Borrowed(frame),
    }
}

/// What a terminal shows and does not obey; lines may stay lines.
pub fn escaped(bytes: &[u8], keeps_lines: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\t' => text.push(char),
                '\n' if keeps_lines => text.push(char),
                _ if char.is_control() || TURNS.contains(&char) => text.extend(char.escape_default()),
                _ => text.push(char),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// JSON that a terminal does not obey either: serde leaves the younger control characters as they are.
fn without_controls(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            _ if char.is_control() || TURNS.contains(&char) => text.push_str(&format!("\\u{:04x}", char as u32)),
            _ => text.push(char),
        }
    }
    text
}

/// Characters that turn the direction of text, and so what it seems to say.
const TURNS: [char; 9] =
    ['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'];

static IS_TERMINAL: LazyLock<bool> = LazyLock::new(|| io::stdout().is_terminal());

/// A peer's id as it can be given.
pub fn id_text<'a>(id: &'a [u8], form: &Form) -> Cow<'a, [u8]> {
    match is_plain_id(id, form) && !form.hex {
        true => Cow::Borrowed(id),
        false => Cow::Owned(format!("0x{}", to_hex(id)).into_bytes()),
    }
}

/// Whether a peer's id, printed as text, is read as the same id.
fn is_plain_id(id: &[u8], form: &Form) -> bool {
    std::str::from_utf8(id).is_ok_and(|text| {
        let splits = !form.separator.is_empty() && text.contains(&form.separator);
        !text.is_empty() && !text.starts_with("0x") && !splits && !text.contains(char::is_control)
    })
}

fn to_hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}
