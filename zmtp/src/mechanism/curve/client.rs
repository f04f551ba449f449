//! The client's side of CURVE.

use bytes::Bytes;

use super::super::null::properties_of;
use super::super::{Mechanism, refusal};
use super::cipher::{Opener, Sealer};
use super::*;
use crate::connection::Config;
use crate::metadata;

pub(in super::super) struct Client {
    state: State,
    public: CurveKey,
    secret: CurveSecret,
    server: CurveKey,
    /// Of this connection.
    transient: CurveSecret,
    transient_public: CurveKey,
    properties: Vec<u8>,
    peer: Option<Vec<(String, Bytes)>>,
    cipher: Option<(Sealer, Opener)>,
    out: Option<Vec<u8>>,
}

enum State {
    /// With what is shared with the server's long-term key.
    Welcome(Box<Shared>),
    /// With what is shared with the server's key of this connection.
    Ready(Box<Shared>),
    Done,
}

impl Client {
    pub(in super::super) fn new(
        config: &Config,
        public: CurveKey,
        secret: &CurveSecret,
        server: CurveKey,
    ) -> Result<Client, Error> {
        Client::with_transient(config, public, secret, server, CurveSecret::generate()?)
    }

    fn with_transient(
        config: &Config,
        public: CurveKey,
        secret: &CurveSecret,
        server: CurveKey,
        transient: CurveSecret,
    ) -> Result<Client, Error> {
        let mut hello = HELLO.to_vec();
        hello.extend_from_slice(&[1, 0]);
        hello.extend_from_slice(&[0; 72]);
        let transient_public = transient.public();
        let to_server = Box::new(shared(&server, &transient)?);
        hello.extend_from_slice(transient_public.as_bytes());
        let number = 1u64.to_be_bytes();
        hello.extend_from_slice(&number);
        hello.extend_from_slice(&seal(&to_server.cipher, &nonce(NONCE_HELLO, &number), &[0; 64])?);
        Ok(Client {
            state: State::Welcome(to_server),
            public,
            secret: secret.clone(),
            server,
            transient,
            transient_public,
            properties: properties_of(config),
            peer: None,
            cipher: None,
            out: Some(hello),
        })
    }

    fn welcome(&mut self, body: &[u8], to_server: &Shared, vouch_nonce: [u8; 16]) -> Result<(), Error> {
        if body.len() != WELCOME_BYTES {
            return Err(Error::Cryptographic);
        }
        let (sent, boxed) = split::<16>(body.get(WELCOME.len()..).unwrap_or_default())?;
        let text = open(&to_server.cipher, &nonce(NONCE_WELCOME, sent), boxed)?;
        let (server_transient, cookie) = split::<32>(&text)?;
        let server_transient = CurveKey(*server_transient);

        let vouched = [*self.transient_public.as_bytes(), *self.server.as_bytes()].concat();
        let vouch =
            seal(&shared(&server_transient, &self.secret)?.cipher, &nonce(NONCE_VOUCH, &vouch_nonce), &vouched)?;
        let mut text = self.public.as_bytes().to_vec();
        text.extend_from_slice(&vouch_nonce);
        text.extend_from_slice(&vouch);
        text.extend_from_slice(&self.properties);
        let shared = Box::new(shared(&server_transient, &self.transient)?);
        let number = 2u64.to_be_bytes();
        let mut initiate = INITIATE.to_vec();
        initiate.extend_from_slice(cookie);
        initiate.extend_from_slice(&number);
        initiate.extend_from_slice(&seal(&shared.cipher, &nonce(NONCE_INITIATE, &number), &text)?);
        self.out = Some(initiate);
        self.state = State::Ready(shared);
        Ok(())
    }

    fn ready(&mut self, body: &[u8], shared: &Shared) -> Result<(), Error> {
        if body.len() < READY_BYTES_MIN {
            return Err(Error::MalformedCommand("READY"));
        }
        let (number, boxed) = split::<8>(body.get(READY.len()..).unwrap_or_default())?;
        let text = open(&shared.cipher, &nonce(NONCE_READY, number), boxed)?;
        self.peer = Some(metadata::parse(&text).map_err(|_| Error::InvalidMetadata)?);
        let sealer = Sealer::new(shared, NONCE_MESSAGE_CLIENT, 3);
        let opener = Opener::new(shared, NONCE_MESSAGE_SERVER, u64::from_be_bytes(*number));
        self.cipher = Some((sealer, opener));
        Ok(())
    }
}

impl Mechanism for Client {
    fn next_command(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error> {
        if let Some(data) = body.strip_prefix(b"\x05ERROR") {
            return Err(refusal(data));
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Welcome(to_server) if body.starts_with(WELCOME) => self.welcome(body, &to_server, random()?),
            State::Ready(shared) if body.starts_with(READY) => self.ready(body, &shared),
            _ => Err(Error::UnexpectedCommand),
        }
    }

    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>> {
        self.peer.take()
    }

    fn take_cipher(&mut self) -> Option<(super::super::Sealer, super::super::Opener)> {
        self.cipher.take().map(|(sealer, opener)| (sealer.into(), opener.into()))
    }
}

const WELCOME_BYTES: usize = 168;
const READY_BYTES_MIN: usize = 30;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::socket_type::SocketType;

    /// A client with the keys and random numbers of the specification's vectors.
    pub(in super::super) fn client_of_the_vectors() -> Client {
        let secret = CurveSecret::from_z85("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs").unwrap();
        let server = CurveKey::from_z85("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7").unwrap();
        assert_eq!(secret.public().to_z85(), "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
        let transient = CurveSecret::new(std::array::from_fn(|index| index as u8 + 1));
        let config = Config::new(SocketType::Dealer);
        Client::with_transient(&config, secret.public(), &secret, server, transient).unwrap()
    }

    #[test]
    fn hello_is_the_vector_s() {
        let hello = client_of_the_vectors().next_command().unwrap();
        assert_eq!(hello.len(), 200);
        let transient: Vec<u8> = hello[80..112].to_vec();
        assert_eq!(transient[..4], [0x07, 0xa3, 0x7c, 0xbc]);
        assert_eq!(hello[112..120], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(hello[120..128], [0x6e, 0x3f, 0x26, 0xf7, 0x2f, 0xe2, 0xf0, 0x5d]);
        assert_eq!(hello[192..], [0x1c, 0x50, 0x52, 0xc8, 0xc6, 0x3e, 0xce, 0xd7]);
    }
}
