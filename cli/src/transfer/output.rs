//! What came, on the standard output.

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
        if job.form.hex {
            let parts: Vec<String> = message.frames().map(|frame| to_hex(frame)).collect();
            out.write_all(parts.join(&job.form.separator).as_bytes())?;
        } else {
            write_joined(&mut out, message, &job.form)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// The parts with the separator between them.
pub fn write_joined(out: &mut impl Write, message: &Message, form: &Form) -> io::Result<()> {
    for (index, frame) in message.frames().enumerate() {
        if index > 0 {
            out.write_all(form.separator.as_bytes())?;
        }
        out.write_all(frame)?;
    }
    Ok(())
}

fn to_hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}
