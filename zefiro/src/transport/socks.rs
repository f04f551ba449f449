//! SOCKS5: what to say to a proxy so that it connects to the peer, and what to make of its answers (RFC 1928, 1929).
//! Bytes only; the I/O thread moves them.

use std::io;
use std::net::IpAddr;

use zmtp::{Frame, Password};

use crate::endpoint::TcpEndpoint;
use crate::options::Options;

/// The talk with one proxy.
pub(crate) struct Socks {
    step: Step,
    input: Vec<u8>,
    output: Vec<u8>,
    user: Frame,
    password: Password,
    request: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Method,
    Login,
    Reply,
    Connected,
}

impl Socks {
    /// Begins to ask a proxy for a connection to `peer`; has output at once.
    ///
    /// # Errors
    /// The peer's name is too long, or its port is 0.
    pub(crate) fn new(peer: &TcpEndpoint, options: &Options) -> io::Result<Socks> {
        let method = if options.socks_username.is_empty() { NO_LOGIN } else { LOGIN };
        Ok(Socks {
            step: Step::Method,
            input: Vec::new(),
            output: vec![VERSION, 1, method],
            user: options.socks_username.clone(),
            password: options.socks_password.clone(),
            request: request(peer)?,
        })
    }

    /// Where to put what the proxy says.
    pub(crate) fn input(&mut self) -> &mut Vec<u8> {
        let wanted = self.expected().saturating_sub(self.input.len()).max(1);
        if self.input.capacity() - self.input.len() != wanted {
            // Not a byte more than the answer: what follows it is the peer's.
            let mut exact = Vec::with_capacity(self.input.len() + wanted);
            exact.append(&mut self.input);
            self.input = exact;
        }
        &mut self.input
    }

    /// What to write to the proxy next.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes in what the proxy said. `true`: from now on it is the peer that speaks.
    ///
    /// # Errors
    /// The proxy refuses, or does not speak SOCKS5.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        while self.step != Step::Connected && self.input.len() >= self.expected() {
            match (self.step, self.input.as_slice()) {
                (Step::Method, [VERSION, NO_LOGIN]) => self.ask(),
                (Step::Method, [VERSION, LOGIN]) => {
                    self.step = Step::Login;
                    self.output.push(LOGIN_VERSION);
                    for text in [&*self.user, &*self.password] {
                        let text = text.get(..255).unwrap_or(text);
                        self.output.push(text.len() as u8);
                        self.output.extend_from_slice(text);
                    }
                }
                (Step::Method, _) => return Err(refused("the proxy accepts no way of logging in that was offered")),
                (Step::Login, [LOGIN_VERSION, 0]) => self.ask(),
                (Step::Login, _) => return Err(refused("the proxy refuses the user or the password")),
                (Step::Reply, [VERSION, 0, _, IPV4 | NAME | IPV6, ..]) => self.step = Step::Connected,
                (Step::Reply, [VERSION, code, ..]) if *code != 0 => return Err(refused(reason(*code))),
                _ => return Err(refused("the proxy does not speak SOCKS5")),
            }
            self.input.clear();
        }
        Ok(self.step == Step::Connected)
    }

    fn ask(&mut self) {
        self.step = Step::Reply;
        self.output.append(&mut self.request);
    }

    /// Length of the answer awaited, as far as it is known.
    fn expected(&self) -> usize {
        match (self.step, self.input.as_slice()) {
            (Step::Reply, [_, 0, _, IPV4, ..]) => 10,
            (Step::Reply, [_, 0, _, IPV6, ..]) => 22,
            (Step::Reply, [_, 0, _, NAME, len, ..]) => 7 + usize::from(*len),
            (Step::Reply, [_, 0, _, NAME]) => 5,
            (Step::Reply, [_, 0, _, _]) => 4,
            (Step::Reply, [_, 0] | [_, 0, _] | [] | [_]) => 4,
            (Step::Reply, _) => 2,
            _ => 2,
        }
    }
}

/// The request to connect to a peer, by number if it is one, else by name: the proxy looks it up.
fn request(peer: &TcpEndpoint) -> io::Result<Vec<u8>> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_string());
    if peer.port() == 0 {
        return Err(invalid("a proxy connects to no port 0"));
    }
    let mut bytes = vec![VERSION, CONNECT, 0];
    match peer.host().parse() {
        Ok(IpAddr::V4(ip)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&ip.octets());
        }
        Err(_) => {
            let name = peer.host().as_bytes();
            let len = u8::try_from(name.len()).map_err(|_| invalid("the name is too long for a proxy"))?;
            bytes.extend_from_slice(&[NAME, len]);
            bytes.extend_from_slice(name);
        }
    }
    bytes.extend_from_slice(&peer.port().to_be_bytes());
    Ok(bytes)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, why.to_string())
}

fn reason(code: u8) -> &'static str {
    match code {
        1 => "the proxy has failed",
        2 => "the proxy does not allow the connection",
        3 => "the proxy finds the network unreachable",
        4 => "the proxy finds the host unreachable",
        5 => "the proxy was refused by the peer",
        6 => "the proxy's connection took too long",
        _ => "the proxy cannot connect",
    }
}

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn socks(peer: &str, user: &str) -> Socks {
        let options = Options { socks_username: user.into(), socks_password: "secret".into(), ..Options::default() };
        let Ok(Endpoint::Tcp(peer)) = Endpoint::parse_connect(peer) else { panic!("{peer}") };
        Socks::new(&peer, &options).unwrap()
    }

    fn answer(socks: &mut Socks, bytes: &[u8]) -> io::Result<bool> {
        for byte in bytes {
            let input = socks.input();
            assert!(input.capacity() > input.len());
            input.push(*byte);
            if socks.advance()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[test]
    fn a_name_is_left_to_the_proxy_and_a_user_is_shown() {
        let mut socks = socks("tcp://example.org:5555", "me");
        assert_eq!(std::mem::take(socks.output()), [5, 1, 2]);
        assert!(!answer(&mut socks, &[5, 2]).unwrap());
        assert_eq!(std::mem::take(socks.output()), b"\x01\x02me\x06secret");
        assert!(!answer(&mut socks, &[1, 0]).unwrap());
        assert_eq!(std::mem::take(socks.output()), b"\x05\x01\x00\x03\x0bexample.org\x15\xb3");
        assert!(answer(&mut socks, b"\x05\x00\x00\x03\x02ab\x15\xb3").unwrap());
    }

    #[test]
    fn a_reply_of_unknown_length_connects_nobody() {
        for kind in [0, 2, 5, 255] {
            let mut socks = socks("tcp://example.org:5555", "");
            // Where it ends is not known, and with it where the peer's bytes begin.
            let error = answer(&mut socks, &[5, 0, 5, 0, 0, kind]).unwrap_err();
            assert_eq!(error.to_string(), "the proxy does not speak SOCKS5");
        }
    }

    #[test]
    fn numbers_go_as_numbers_and_nothing_beyond_the_answer_is_read() {
        let mut socks = socks("tcp://127.0.0.1:1", "");
        assert_eq!(std::mem::take(socks.output()), [5, 1, 0]);
        assert!(!answer(&mut socks, &[5, 0]).unwrap());
        assert_eq!(std::mem::take(socks.output()), [5, 1, 0, 1, 127, 0, 0, 1, 0, 1]);
        assert!(!answer(&mut socks, &[5, 0, 0, 1, 0, 0, 0, 0, 0]).unwrap());
        let input = socks.input();
        assert_eq!(input.capacity() - input.len(), 1);
        assert!(answer(&mut socks, &[0]).unwrap());
    }

    #[test]
    fn refusals_say_why() {
        for (answers, why) in [
            (&[5, 0xff][..], "no way"),
            (b"HT", "way of"),
            (&[5, 2, 1, 1], "user"),
            (&[5, 0, 5, 5], "refused by the peer"),
            (&[5, 0, 4, 0, 0, 0], "SOCKS5"),
        ] {
            let error = answer(&mut socks("tcp://127.0.0.1:1", "me"), answers).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
