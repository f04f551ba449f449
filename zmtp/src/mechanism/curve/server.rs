//! The server's side of CURVE.

#[cfg(test)]
mod strangers;

use bytes::Bytes;

use super::super::null::properties_of;
use super::super::{Mechanism, Question, Verdict, check_structure, error_body};
use super::cipher::{Opener, Sealer};
use super::*;
use crate::connection::Config;
use crate::metadata;

pub(in super::super) struct Server {
    state: State,
    secret: CurveSecret,
    /// Of this connection.
    transient: CurveSecret,
    /// What the cookie is encrypted by; nobody else ever knows. It goes with the secret key in the cookie.
    cookie_key: Zeroizing<[u8; 32]>,
    authenticate: bool,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    cipher: Option<(Sealer, Opener)>,
    out: Option<Vec<u8>>,
}

enum State {
    Hello,
    Initiate(CurveKey),
    /// To be asked, then being asked, about this key; let in, the client becomes a peer with these properties.
    Asking {
        key: Option<CurveKey>,
        peer: Vec<(String, Bytes)>,
        shared: Box<Shared>,
        number: u64,
    },
    Over,
}

impl Server {
    pub(in super::super) fn new(config: &Config, secret: &CurveSecret) -> Result<Server, Error> {
        Ok(Server {
            state: State::Hello,
            secret: secret.clone(),
            transient: CurveSecret::generate()?,
            cookie_key: Zeroizing::new(random()?),
            authenticate: config.authenticate,
            properties: properties_of(config),
            peer: None,
            cipher: None,
            out: None,
        })
    }

    fn hello(&mut self, body: &[u8]) -> Result<(), Error> {
        check_structure(body)?;
        let rest = body.strip_prefix(HELLO).ok_or(Error::UnexpectedCommand)?;
        if body.len() != HELLO_BYTES || !rest.starts_with(&[1, 0]) {
            return Err(Error::MalformedCommand("HELLO"));
        }
        let (client, rest) = split::<32>(rest.get(2 + 72..).unwrap_or_default())?;
        let (number, boxed) = split::<8>(rest)?;
        let client = CurveKey(*client);
        let cipher = shared(&client, &self.secret)?.cipher;
        if open(&cipher, &nonce(NONCE_HELLO, number), boxed)?.as_slice() != [0; 64] {
            return Err(Error::Cryptographic);
        }
        let kept = self.cookie(&client);
        let sent: [u8; 16] = random()?;
        let mut text = self.transient.public().as_bytes().to_vec();
        text.extend_from_slice(&sent);
        text.extend_from_slice(&seal(&self.cookie_cipher(), &nonce(NONCE_COOKIE, &sent), &kept)?);
        let sent: [u8; 16] = random()?;
        let mut welcome = WELCOME.to_vec();
        welcome.extend_from_slice(&sent);
        welcome.extend_from_slice(&seal(&cipher, &nonce(NONCE_WELCOME, &sent), &text)?);
        self.out = Some(welcome);
        self.state = State::Initiate(client);
        Ok(())
    }

    fn initiate(&mut self, body: &[u8], client: CurveKey) -> Result<(), Error> {
        check_structure(body)?;
        let rest = body.strip_prefix(INITIATE).ok_or(Error::UnexpectedCommand)?;
        if body.len() < INITIATE_BYTES_MIN {
            return Err(Error::MalformedCommand("INITIATE"));
        }
        let (sent, rest) = split::<16>(rest)?;
        let (cookie, rest) = split::<80>(rest)?;
        let kept = open(&self.cookie_cipher(), &nonce(NONCE_COOKIE, sent), cookie)?;
        if kept != self.cookie(&client) {
            return Err(Error::Cryptographic);
        }
        let (number, boxed) = split::<8>(rest)?;
        let of_connection = Box::new(shared(&client, &self.transient)?);
        let text = open(&of_connection.cipher, &nonce(NONCE_INITIATE, number), boxed)?;
        let (key, rest) = split::<32>(&text)?;
        let (sent, rest) = split::<16>(rest)?;
        let (vouch, properties) = split::<80>(rest)?;
        let key = CurveKey(*key);
        let vouched = open(&shared(&key, &self.transient)?.cipher, &nonce(NONCE_VOUCH, sent), vouch)?;
        if vouched.first_chunk() != Some(client.as_bytes()) {
            return Err(Error::KeyExchange);
        }
        let peer = metadata::parse(properties)?;
        self.state = State::Asking { key: Some(key), peer, shared: of_connection, number: u64::from_be_bytes(*number) };
        if !self.authenticate {
            self.answer(Verdict::Welcome);
        }
        Ok(())
    }

    /// What the cookie keeps: the client's key of this connection, and the secret one that belongs to it here.
    fn cookie(&self, client: &CurveKey) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&client.as_bytes()[..], &self.transient.0[..]].concat())
    }

    fn cookie_cipher(&self) -> XSalsa20Poly1305 {
        XSalsa20Poly1305::new((&*self.cookie_key).into())
    }

    fn let_in(&mut self, peer: Vec<(String, Bytes)>, shared: &Shared, last: u64) -> Result<(), Error> {
        let number = 1u64.to_be_bytes();
        let mut ready = READY.to_vec();
        ready.extend_from_slice(&number);
        ready.extend_from_slice(&seal(&shared.cipher, &nonce(NONCE_READY, &number), &self.properties)?);
        self.out = Some(ready);
        self.peer = Some(peer);
        let sealer = Sealer::new(shared, NONCE_MESSAGE_SERVER, 2);
        self.cipher = Some((sealer, Opener::new(shared, NONCE_MESSAGE_CLIENT, last)));
        Ok(())
    }
}

impl Mechanism for Server {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        match self.state {
            State::Hello => self.hello(body),
            State::Initiate(client) => self.initiate(body, client),
            _ => Err(Error::NothingExpected),
        }
    }

    fn question(&mut self) -> Option<Question> {
        let State::Asking { key, .. } = &mut self.state else { return None };
        key.take().map(|key| Question { mechanism: "CURVE", credentials: vec![key.as_bytes().to_vec()] })
    }

    fn answer(&mut self, verdict: Verdict) {
        let State::Asking { peer, shared, number, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        match verdict {
            // Encrypting a few bytes does not fail; if it did, the peer would wait until its time is over.
            Verdict::Welcome => drop(self.let_in(peer, &shared, number)),
            Verdict::Refused(status @ (400 | 500)) => self.out = Some(error_body(b"\x05ERROR", status)),
            Verdict::Refused(_) => {}
        }
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

    fn take_cipher(&mut self) -> Option<(super::super::Sealer, super::super::Opener)> {
        self.cipher.take().map(|(sealer, opener)| (sealer.into(), opener.into()))
    }
}

const HELLO_BYTES: usize = 200;
const INITIATE_BYTES_MIN: usize = 257;
