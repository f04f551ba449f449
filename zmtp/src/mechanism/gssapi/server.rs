//! The server's side of GSSAPI: it accepts.

use bytes::Bytes;

use super::super::null::properties_of;
use super::super::{Mechanism, Question, Verdict, error_body};
use super::*;
use crate::connection::Config;

pub(in super::super) struct Server {
    state: State,
    plaintext: bool,
    authenticate: bool,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    cipher: Option<(Sealer, Opener)>,
    out: Option<Vec<u8>>,
}

enum State {
    /// The client's token is due.
    Token,
    /// The driver is to be given it, then makes a step with it.
    Stepping(Option<Vec<u8>>),
    /// The context stands here; the client says when it does there.
    Last(Established),
    /// To be asked, then being asked, about the principal.
    Asking(bool, Established),
    /// Let in; the client's READY is due. Only a [`Verdict::Welcome`] leads here.
    Ready(Established),
    Over,
}

impl Server {
    pub(in super::super) fn new(config: &Config, plaintext: bool) -> Server {
        Server {
            state: State::Token,
            plaintext,
            authenticate: config.authenticate,
            properties: properties_of(config),
            peer: None,
            cipher: None,
            out: None,
        }
    }

    fn ask(&mut self, established: Established) -> Result<(), Error> {
        if !self.authenticate {
            return self.let_in(established);
        }
        self.state = State::Asking(false, established);
        Ok(())
    }

    fn let_in(&mut self, established: Established) -> Result<(), Error> {
        let mut ready = Vec::new();
        command::encode(&mut ready, command::READY, &self.properties);
        self.out = Some(protect(&established, self.plaintext, ready)?);
        self.state = State::Ready(established);
        Ok(())
    }
}

impl Mechanism for Server {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Token => {
                self.state = State::Stepping(Some(read_initiate(body)?));
                Ok(())
            }
            State::Last(established) => {
                // The context has all it needs: a further token would be for nobody.
                if !body.is_empty() && !read_initiate(body)?.is_empty() {
                    return Err(Error::UnexpectedCommand);
                }
                self.ask(established)
            }
            State::Ready(established) => {
                self.peer = Some(read_ready(&expose(&established, self.plaintext, body)?)?);
                self.cipher = cipher(&established, self.plaintext);
                Ok(())
            }
            // The peer does not wait for its turn.
            State::Stepping(_) | State::Asking(..) | State::Over => Err(Error::UnexpectedCommand),
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
        let silent = step.token.is_empty();
        if !silent {
            self.out = Some(initiate(&step.token)?);
        }
        match step.established {
            None => self.state = State::Token,
            // The client does not wait for anything: its context stands already.
            Some(established) if silent => return self.ask(established),
            Some(established) => self.state = State::Last(established),
        }
        Ok(())
    }

    fn question(&mut self) -> Option<Question> {
        let State::Asking(asked, established) = &mut self.state else { return None };
        (!std::mem::replace(asked, true))
            .then(|| Question { mechanism: "GSSAPI", credentials: vec![established.principal.as_bytes().to_vec()] })
    }

    fn answer(&mut self, verdict: Verdict) {
        let State::Asking(true, _) = self.state else { return };
        let State::Asking(_, established) = std::mem::replace(&mut self.state, State::Over) else { return };
        // Where wrapping fails, the peer is told nothing, and waits until its time is over.
        let _ = match verdict {
            Verdict::Welcome => self.let_in(established),
            Verdict::Refused(status @ (400 | 500)) => {
                let error = protect(&established, self.plaintext, error_body(b"\x05ERROR", status));
                error.map(|error| self.out = Some(error))
            }
            Verdict::Refused(_) => Ok(()),
        };
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        self.peer.take()
    }

    fn take_cipher(&mut self) -> Option<(super::super::Sealer, super::super::Opener)> {
        self.cipher.take().map(|(sealer, opener)| (sealer.into(), opener.into()))
    }
}
