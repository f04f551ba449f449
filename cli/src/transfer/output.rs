//! What came, on the standard output.

use std::borrow::Cow;
use std::io::{self, Write};

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
        writeln!(out, "{}", serde_json::to_string(&parts)?)?;
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
    if index == 0 && job.has_ids() && !is_plain_id(frame, &job.form) {
        return Cow::Owned(format!("0x{}", to_hex(frame)).into_bytes());
    }
    Cow::Borrowed(frame)
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
