//! Commands no client and no server of ours would send: each check of the handshake has one that nothing else stops.

use super::super::client::Client;
use super::*;
use crate::socket_type::SocketType;

/// A client made by hand, for a server that has said nothing yet.
struct Stranger {
    long_term: CurveSecret,
    transient: CurveSecret,
    server: Server,
    server_key: CurveKey,
}

impl Stranger {
    fn new() -> Stranger {
        Stranger::of(&Config::new(SocketType::Pull))
    }

    fn of(config: &Config) -> Stranger {
        let secret = CurveSecret::generate().unwrap();
        Stranger {
            long_term: CurveSecret::generate().unwrap(),
            transient: CurveSecret::generate().unwrap(),
            server: Server::new(config, &secret).unwrap(),
            server_key: secret.public(),
        }
    }

    fn hello(&self, text: &[u8]) -> Vec<u8> {
        let number = 1u64.to_be_bytes();
        let cipher = shared(&self.server_key, &self.transient).unwrap().cipher;
        let boxed = seal(&cipher, &nonce(NONCE_HELLO, &number), text).unwrap();
        [HELLO, &[1, 0], &[0; 72], self.transient.public().as_bytes(), &number, &boxed].concat()
    }

    /// Says hello; the server's key of this connection, and its cookie.
    fn welcomed(&mut self) -> (CurveKey, Vec<u8>) {
        self.server.handle_command(&self.hello(&[0; 64])).unwrap();
        let welcome = self.server.next_command().unwrap();
        let (sent, boxed) = split::<16>(welcome.strip_prefix(WELCOME).unwrap()).unwrap();
        let cipher = shared(&self.server_key, &self.transient).unwrap().cipher;
        let text = open(&cipher, &nonce(NONCE_WELCOME, sent), boxed).unwrap();
        let (key, cookie) = split::<32>(&text).unwrap();
        (CurveKey::new(*key), cookie.to_vec())
    }

    /// An INITIATE that vouches for `vouched`, with a long-term key that is perhaps another's.
    fn initiate(&self, server: &CurveKey, cookie: &[u8], number: u64, vouched: &CurveKey, shown: &CurveKey) -> Vec<u8> {
        let vouch_cipher = shared(server, &self.long_term).unwrap().cipher;
        let vouch = [*vouched.as_bytes(), *self.server_key.as_bytes()].concat();
        let vouch = seal(&vouch_cipher, &nonce(NONCE_VOUCH, &[5; 16]), &vouch).unwrap();
        let text = [&shown.as_bytes()[..], &[5; 16], &vouch, b"\x0bSocket-Type\0\0\0\x04PUSH"].concat();
        let number = number.to_be_bytes();
        let cipher = shared(server, &self.transient).unwrap().cipher;
        let boxed = seal(&cipher, &nonce(NONCE_INITIATE, &number), &text).unwrap();
        [INITIATE, cookie, &number, &boxed].concat()
    }

    /// The INITIATE of one that means well.
    fn good_initiate(&self, server: &CurveKey, cookie: &[u8], number: u64) -> Vec<u8> {
        self.initiate(server, cookie, number, &self.transient.public(), &self.long_term.public())
    }

    fn is_let_in(&mut self) -> bool {
        drop(self.server.next_command());
        self.server.take_properties().is_some()
    }
}

#[test]
fn one_that_does_all_right_is_let_in_and_its_numbers_go_on_from_its_handshake() {
    let mut stranger = Stranger::new();
    let (key, cookie) = stranger.welcomed();
    let initiate = stranger.good_initiate(&key, &cookie, 1000);
    stranger.server.handle_command(&initiate).unwrap();
    assert!(stranger.is_let_in());
    let (_, mut opener) = stranger.server.take_cipher().unwrap();
    let both = shared(&key, &stranger.transient).unwrap();
    let mut out = Vec::new();
    for (number, is_new) in [(1, false), (1000, false), (1001, true), (1001, false), (u64::MAX, true)] {
        let mut sealed = Vec::new();
        Sealer::new(&both, NONCE_MESSAGE_CLIENT, number.min(u64::MAX - 1))
            .seal(&mut sealed, false, false, b"x")
            .unwrap();
        let expected = if is_new { Ok(()) } else { Err(Error::InvalidSequence) };
        assert_eq!(opener.open(&sealed[2..], &mut out), expected, "{number}");
    }
}

#[test]
fn hellos_that_are_nearly_right_get_no_welcome() {
    let refused = |change: &dyn Fn(&mut Stranger) -> Vec<u8>, error: Error| {
        let mut stranger = Stranger::new();
        let hello = change(&mut stranger);
        assert_eq!(stranger.server.handle_command(&hello), Err(error));
        assert!(stranger.server.next_command().is_none());
    };
    let malformed = || Error::MalformedCommand("HELLO");
    let changed = |at: usize, byte: u8| {
        move |stranger: &mut Stranger| {
            let mut hello = stranger.hello(&[0; 64]);
            hello[at] = byte;
            hello
        }
    };
    // Another version.
    refused(&changed(6, 2), malformed());
    refused(&changed(7, 1), malformed());
    // Boxed well, and not the zeros, or too few or too many of them.
    refused(&|stranger| stranger.hello(&[1; 64]), Error::Cryptographic);
    refused(&|stranger| stranger.hello(&[0; 63]), malformed());
    refused(&|stranger| stranger.hello(&[0; 65]), malformed());
    refused(&|stranger| [stranger.hello(&[0; 64]), vec![0]].concat(), malformed());
    // Of another name, or none.
    refused(&changed(5, b'P'), Error::UnexpectedCommand);
    refused(&changed(0, 255), Error::MalformedCommand(""));
    refused(&|_| vec![5], Error::MalformedCommand(""));
    // The box is of another key.
    refused(&changed(100, 0), Error::Cryptographic);
}

#[test]
fn keys_that_make_nothing_secret_are_refused_wherever_they_stand() {
    // With these public keys the secret is zero, whatever the other side's key: a box anybody can make.
    for public in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let zero: [u8; 32] = salsa20::hsalsa::<U10>(&[0; 32].into(), &[0; 16].into()).into();
        let cipher = XSalsa20Poly1305::new(&zero.into());
        let number = 1u64.to_be_bytes();
        let boxed = seal(&cipher, &nonce(NONCE_HELLO, &number), &[0; 64]).unwrap();
        let hello = [HELLO, &[1, 0], &[0; 72], &public, &number, &boxed].concat();
        let mut stranger = Stranger::new();
        assert_eq!(stranger.server.handle_command(&hello), Err(Error::Cryptographic));
        assert!(stranger.server.next_command().is_none());
        // As the long-term key of a client, which is then nobody's.
        let (key, cookie) = stranger.welcomed();
        let vouch = [*stranger.transient.public().as_bytes(), *stranger.server_key.as_bytes()].concat();
        let vouch = seal(&cipher, &nonce(NONCE_VOUCH, &[5; 16]), &vouch).unwrap();
        let text = [&public[..], &[5; 16], &vouch].concat();
        let both = shared(&key, &stranger.transient).unwrap().cipher;
        let boxed = seal(&both, &nonce(NONCE_INITIATE, &number), &text).unwrap();
        let initiate = [INITIATE, &cookie, &number, &boxed].concat();
        assert_eq!(stranger.server.handle_command(&initiate), Err(Error::Cryptographic));
        assert!(!stranger.is_let_in());
        // As a server's key of the connection.
        assert!(Client::new(&Config::new(SocketType::Push), key, &stranger.long_term, CurveKey::new(public)).is_err());
    }
}

/// Makes an INITIATE out of a key and a cookie.
type Change<'a> = &'a dyn Fn(&mut Stranger, &CurveKey, &[u8]) -> Vec<u8>;

#[test]
fn initiates_that_are_nearly_right_let_nobody_in() {
    let refused = |change: Change<'_>, error: Error| {
        let mut stranger = Stranger::new();
        let (key, cookie) = stranger.welcomed();
        let initiate = change(&mut stranger, &key, &cookie);
        assert_eq!(stranger.server.handle_command(&initiate), Err(error.clone()));
        assert!(!stranger.is_let_in(), "{error:?}");
    };
    // It vouches for the key of another connection, as one would that passes on what it heard.
    let another = CurveSecret::generate().unwrap().public();
    let vouch = |stranger: &mut Stranger, key: &CurveKey, cookie: &[u8]| {
        stranger.initiate(key, cookie, 2, &another, &stranger.long_term.public())
    };
    refused(&vouch, Error::KeyExchange);
    // It shows a long-term key that it has not the secret of.
    let shown = |stranger: &mut Stranger, key: &CurveKey, cookie: &[u8]| {
        stranger.initiate(key, cookie, 2, &stranger.transient.public(), &another)
    };
    refused(&shown, Error::Cryptographic);
    // A cookie of another server, a changed one, none.
    let cookie_of_another = |stranger: &mut Stranger, key: &CurveKey, _: &[u8]| {
        let (_, cookie) = Stranger::new().welcomed();
        stranger.good_initiate(key, &cookie, 2)
    };
    refused(&cookie_of_another, Error::Cryptographic);
    for at in [0, 40, 95] {
        let changed = |stranger: &mut Stranger, key: &CurveKey, cookie: &[u8]| {
            let mut cookie = cookie.to_vec();
            cookie[at] ^= 1;
            stranger.good_initiate(key, &cookie, 2)
        };
        refused(&changed, Error::Cryptographic);
    }
    let none = |stranger: &mut Stranger, key: &CurveKey, _: &[u8]| stranger.good_initiate(key, &[], 2);
    refused(&none, Error::MalformedCommand("INITIATE"));
    // Well sealed by the server itself, for another client, or with another key of its own.
    for of_client in [true, false] {
        let other_cookie = |stranger: &mut Stranger, key: &CurveKey, _: &[u8]| {
            let other = CurveSecret::generate().unwrap();
            let (client, own) = match of_client {
                true => (other.public(), stranger.server.transient.clone()),
                false => (stranger.transient.public(), other),
            };
            let kept = [*client.as_bytes(), own.to_bytes()].concat();
            let boxed = seal(&stranger.server.cookie_cipher(), &nonce(NONCE_COOKIE, &[3; 16]), &kept).unwrap();
            stranger.good_initiate(key, &[&[3; 16][..], &boxed].concat(), 2)
        };
        refused(&other_cookie, Error::Cryptographic);
    }
    refused(&|_, _, _| [INITIATE, &[0; 247]].concat(), Error::MalformedCommand("INITIATE"));
    refused(&|stranger, _, _| stranger.hello(&[0; 64]), Error::UnexpectedCommand);
}

#[test]
fn what_comes_while_the_peer_is_asked_about_or_refused_leads_nowhere() {
    for verdict in [None, Some(400), Some(300)] {
        let mut config = Config::new(SocketType::Pull);
        config.authenticate = true;
        let mut stranger = Stranger::of(&config);
        let (key, cookie) = stranger.welcomed();
        let initiate = stranger.good_initiate(&key, &cookie, 2);
        stranger.server.handle_command(&initiate).unwrap();
        assert!(stranger.server.question().is_some() && stranger.server.question().is_none());
        if let Some(status) = verdict {
            stranger.server.answer(Verdict::Refused(status));
            assert_eq!(stranger.server.next_command().is_some(), status == 400);
            // A second answer is none.
            stranger.server.answer(Verdict::Welcome);
        }
        assert_eq!(stranger.server.handle_command(&initiate), Err(Error::NothingExpected));
        assert!(!stranger.is_let_in() && stranger.server.take_cipher().is_none());
    }
}

#[test]
fn a_clients_numbers_go_on_from_the_servers_handshake_too() {
    let secret = CurveSecret::generate().unwrap();
    let own = CurveSecret::generate().unwrap();
    let config = Config::new(SocketType::Push);
    let mut client = Client::new(&config, own.public(), &own, secret.public()).unwrap();
    let hello = client.next_command().unwrap();
    let (key, _) = split::<32>(&hello[80..]).unwrap();
    let client_key = CurveKey::new(*key);
    let transient = CurveSecret::generate().unwrap();
    let text = [&transient.public().as_bytes()[..], &[9; 96]].concat();
    let boxed = seal(&shared(&client_key, &secret).unwrap().cipher, &nonce(NONCE_WELCOME, &[4; 16]), &text).unwrap();
    client.handle_command(&[WELCOME, &[4; 16], &boxed].concat()).unwrap();
    let both = shared(&client_key, &transient).unwrap();
    let number = 50u64.to_be_bytes();
    let boxed = seal(&both.cipher, &nonce(NONCE_READY, &number), b"\x0bSocket-Type\0\0\0\x04PULL").unwrap();
    client.handle_command(&[READY, &number, &boxed].concat()).unwrap();
    let (_, mut opener) = client.take_cipher().unwrap();
    for (number, is_new) in [(2, false), (50, false), (51, true)] {
        let mut sealed = Vec::new();
        Sealer::new(&both, NONCE_MESSAGE_SERVER, number).seal(&mut sealed, false, false, b"x").unwrap();
        let expected = if is_new { Ok(()) } else { Err(Error::InvalidSequence) };
        assert_eq!(opener.open(&sealed[2..], &mut Vec::new()), expected, "{number}");
    }
}
