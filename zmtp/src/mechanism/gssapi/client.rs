//! The client's side of GSSAPI: it initiates.

use bytes::Bytes;

use super::super::Mechanism;
use super::super::null::properties_of;
use super::*;
use crate::connection::Config;

pub(in super::super) struct Client {
    state: State,
    plaintext: bool,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    cipher: Option<(Sealer, Opener)>,
    out: Option<Vec<u8>>,
}

enum State {
    /// The driver is to be given the server's token, at first none, then makes a step with it.
    Stepping(Option<Vec<u8>>),
    /// The server's token is due.
    Token,
    /// The context stands; the server's READY is due.
    Ready(Established),
    Over,
}

impl Client {
    pub(in super::super) fn new(config: &Config, plaintext: bool) -> Client {
        Client {
            state: State::Stepping(Some(Vec::new())),
            plaintext,
            properties: properties_of(config),
            peer: None,
            cipher: None,
            out: None,
        }
    }
}

impl Mechanism for Client {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Token => {
                self.state = State::Stepping(Some(read_initiate(body)?));
                Ok(())
            }
            State::Ready(established) => {
                self.peer = Some(read_ready(&expose(&established, self.plaintext, body)?)?);
                let mut ready = Vec::new();
                command::encode(&mut ready, command::READY, &self.properties);
                self.out = Some(protect(&established, self.plaintext, ready)?);
                self.cipher = cipher(&established, self.plaintext);
                Ok(())
            }
            State::Stepping(_) | State::Over => Err(Error::UnexpectedCommand),
        }
    }

    fn token(&mut self) -> Option<Vec<u8>> {
        let State::Stepping(token) = &mut self.state else { return None };
        token.take()
    }

    fn negotiated(&mut self, step: Step) -> Result<(), Error> {
        if !matches!(self.state, State::Stepping(None)) {
            return Ok(());
        }
        // The server waits for a frame, even if the context has nothing more to say.
        self.out = Some(if step.token.is_empty() { Vec::new() } else { initiate(&step.token)? });
        self.state = step.established.map_or(State::Token, State::Ready);
        Ok(())
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        if self.out.is_some() {
            return None;
        }
        self.peer.take()
    }

    fn take_cipher(&mut self) -> Option<(super::super::Sealer, super::super::Opener)> {
        self.cipher.take().map(|(sealer, opener)| (sealer.into(), opener.into()))
    }
}
