//! PLAIN: a client says who it is, in the clear, and a server decides (RFC 24).

use bytes::Bytes;

use super::null::properties_of;
use super::{Mechanism, Question, Verdict, check_structure, error_body, refusal};
use crate::command::{self, Command};
use crate::connection::Config;
use crate::error::Error;
use crate::metadata;

/// The server's side.
pub(super) struct Server {
    state: ServerState,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    out: Option<Vec<u8>>,
}

enum ServerState {
    Hello,
    /// To be asked, then being asked.
    Asking(Option<Question>),
    Initiate,
    Ready,
    Refused,
}

impl Server {
    pub(super) fn new(config: &Config) -> Server {
        Server { state: ServerState::Hello, properties: properties_of(config), peer: None, out: None }
    }

    fn hello(&mut self, body: &[u8]) -> Result<(), Error> {
        check_structure(body)?;
        let Some(Command { name: HELLO, data }) = Command::parse(body) else { return Err(Error::UnexpectedCommand) };
        let malformed = || Error::MalformedCommand("HELLO");
        let (username, rest) = short(data).ok_or_else(malformed)?;
        let (password, rest) = short(rest).ok_or_else(malformed)?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let credentials = vec![username.to_vec(), password.to_vec()];
        self.state = ServerState::Asking(Some(Question { mechanism: "PLAIN", credentials }));
        Ok(())
    }
}

impl Mechanism for Server {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        match self.state {
            ServerState::Hello => self.hello(body),
            ServerState::Initiate => {
                let Some(Command { name: INITIATE, data }) = Command::parse(body) else {
                    return Err(Error::UnexpectedCommand);
                };
                self.peer = Some(metadata::parse(data)?);
                let mut ready = Vec::new();
                command::encode(&mut ready, command::READY, &self.properties);
                self.out = Some(ready);
                self.state = ServerState::Ready;
                Ok(())
            }
            _ => Err(Error::NothingExpected),
        }
    }

    fn question(&mut self) -> Option<Question> {
        let ServerState::Asking(question) = &mut self.state else { return None };
        question.take()
    }

    fn answer(&mut self, verdict: Verdict) {
        if !matches!(self.state, ServerState::Asking(None)) {
            return;
        }
        (self.state, self.out) = match verdict {
            Verdict::Welcome => (ServerState::Initiate, Some(WELCOME.to_vec())),
            // What libzmq's clients know as an error begins with this (a slip that became part of the protocol).
            Verdict::Refused(status @ (400 | 500)) => (ServerState::Refused, Some(error_body(b"^RROR", status))),
            Verdict::Refused(_) => (ServerState::Refused, None),
        };
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        if self.out.is_some() {
            return None;
        }
        self.peer.take()
    }

    fn announced(&self) -> Option<&[(String, Bytes)]> {
        self.peer.as_deref()
    }
}

/// The client's side.
pub(super) struct Client {
    state: ClientState,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    out: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientState {
    Welcome,
    Ready,
    Done,
}

impl Client {
    pub(super) fn new(config: &Config, username: &[u8], password: &[u8]) -> Client {
        let mut hello = b"\x05HELLO".to_vec();
        for text in [username, password] {
            let text = text.get(..255).unwrap_or(text);
            hello.push(text.len() as u8);
            hello.extend_from_slice(text);
        }
        Client { state: ClientState::Welcome, properties: properties_of(config), peer: None, out: Some(hello) }
    }
}

impl Mechanism for Client {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        if let Some(data) = body.strip_prefix(b"^RROR").or_else(|| body.strip_prefix(b"\x05ERROR")) {
            return Err(refusal(data));
        }
        match (self.state, Command::parse(body)) {
            (ClientState::Welcome, Some(Command { name: b"WELCOME", data })) => {
                if !data.is_empty() {
                    return Err(Error::MalformedCommand("WELCOME"));
                }
                let mut initiate = Vec::new();
                command::encode(&mut initiate, INITIATE, &self.properties);
                self.out = Some(initiate);
                self.state = ClientState::Ready;
                Ok(())
            }
            (ClientState::Ready, Some(Command { name: command::READY, data })) => {
                self.peer = Some(metadata::parse(data).map_err(|_| Error::InvalidMetadata)?);
                self.state = ClientState::Done;
                Ok(())
            }
            _ => Err(Error::UnexpectedCommand),
        }
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        self.peer.take()
    }
}

/// A length of one byte, and so many bytes.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

const HELLO: &[u8] = b"HELLO";
const WELCOME: &[u8] = b"\x07WELCOME";
const INITIATE: &[u8] = b"INITIATE";
