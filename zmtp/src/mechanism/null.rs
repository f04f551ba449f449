//! NULL: both sides send READY at once, and are ready when both were (RFC 37, section 4).

use bytes::Bytes;

use super::{Mechanism, Question, Verdict, error_body, refusal};
use crate::command::{self, Command};
use crate::connection::Config;
use crate::error::Error;
use crate::metadata;

pub(super) struct Null {
    /// Not asked yet whether peers are welcome.
    unasked: bool,
    /// The answer to that, if it has to be asked.
    verdict: Option<Verdict>,
    ready: Option<Vec<u8>>,
    error: Option<Vec<u8>>,
    properties: Option<Vec<(String, Bytes)>>,
    received: bool,
}

impl Null {
    pub(super) fn new(config: &Config) -> Null {
        let mut body = Vec::new();
        command::encode(&mut body, command::READY, &properties_of(config));
        Null {
            unasked: config.authenticate,
            verdict: (!config.authenticate).then_some(Verdict::Welcome),
            ready: Some(body),
            error: None,
            properties: None,
            received: false,
        }
    }
}

impl Mechanism for Null {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        match self.verdict? {
            Verdict::Welcome => self.ready.take(),
            Verdict::Refused(_) => self.error.take(),
        }
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        match Command::parse(body) {
            Some(Command { name: command::READY, data }) if !self.received => {
                self.received = true;
                self.properties = Some(metadata::parse(data)?);
                Ok(())
            }
            Some(Command { name: command::ERROR, data }) => Err(refusal(data)),
            _ => Err(Error::UnexpectedCommand),
        }
    }

    fn question(&mut self) -> Option<Question> {
        std::mem::take(&mut self.unasked).then(|| Question { mechanism: "NULL", credentials: Vec::new() })
    }

    fn answer(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
        if let Verdict::Refused(status @ (400 | 500)) = verdict {
            self.error = Some(error_body(b"\x05ERROR", status));
        }
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        if self.verdict != Some(Verdict::Welcome) || self.ready.is_some() {
            return None;
        }
        self.properties.take()
    }
}

/// The properties this side tells.
pub(super) fn properties_of(config: &Config) -> Vec<u8> {
    let mut out = Vec::new();
    metadata::encode(&mut out, "Socket-Type", config.socket_type.name().as_bytes());
    if config.socket_type.sends_identity() {
        metadata::encode(&mut out, "Identity", &config.routing_id);
    }
    for (name, value) in &config.metadata {
        metadata::encode(&mut out, name, value);
    }
    out
}
