//! ZAP: asking an authenticator in the same context whether a peer is welcome (RFC 27).
//!
//! The authenticator is a REP or ROUTER socket bound to `inproc://zeromq.zap.01`. Each handshake that has a question
//! asks on a socket of its own, from the I/O thread, which is told when the answer has come and does not wait for it.

use std::sync::Arc;

use zmtp::{Frame, Question, SocketType};

use crate::auth::Answer;
use crate::io::{Command, IoHandle};
use crate::message::Message;
use crate::options::Options;
use crate::socket::Wait;
use crate::socket::core::SocketCore;
use crate::wait::Observer;

/// A question that was put to the authenticator.
pub(crate) struct Asked {
    socket: Arc<SocketCore>,
}

/// What is wrong with a reply: libzmq's number for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault(pub(crate) u32);

/// Tells the I/O thread that the session should look for its answer.
struct Bell {
    io: Arc<IoHandle>,
    token: u64,
}

impl Observer for Bell {
    fn note(&self) -> bool {
        true
    }

    fn rouse(&self) {
        self.io.tell(Command::Authenticated(self.token));
    }
}

impl Asked {
    /// Asks about a peer of `core` at `address`; `None` if there is no authenticator. The session `token` of `io` is
    /// told when it is worth looking for the answer.
    pub(crate) fn new(
        core: &Arc<SocketCore>,
        options: &Options,
        question: Question,
        address: &str,
        io: &Arc<IoHandle>,
        token: u64,
    ) -> Option<Asked> {
        let context = &core.context;
        let handler = context.names().owner(NAME)?;
        if !matches!(handler.socket_type, SocketType::Rep | SocketType::Router | SocketType::Server) {
            return None;
        }
        let socket = context.open_internal(SocketType::Dealer);
        socket.connect(ENDPOINT).ok()?;
        socket.lock().observers.add(Arc::new(Bell { io: io.clone(), token }));
        let request = [
            &b""[..],
            VERSION,
            REQUEST_ID,
            &options.zap_domain,
            address.as_bytes(),
            &options.routing_id,
            question.mechanism.as_bytes(),
        ];
        let credentials = question.credentials.iter().map(|credential| Frame::from(&credential[..]));
        let frames = request.into_iter().map(Frame::from).chain(credentials);
        socket.send(&mut frames.collect(), Wait::No).ok()?;
        Some(Asked { socket })
    }

    /// The answer, if it has come.
    pub(crate) fn answer(&self) -> Option<Result<Answer, Fault>> {
        let mut reply = Message::new();
        self.socket.recv(&mut reply, Wait::No).ok()?;
        Some(read(&reply))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.socket.close(Some(std::time::Duration::ZERO));
    }
}

pub(crate) fn read(reply: &Message) -> Result<Answer, Fault> {
    let frames: Vec<&Frame> = reply.frames().collect();
    let [delimiter, version, id, status, text, user_id, metadata] = frames[..] else {
        return Err(Fault(MALFORMED_REPLY));
    };
    if !delimiter.is_empty() {
        return Err(Fault(UNSPECIFIED));
    }
    if version != VERSION {
        return Err(Fault(BAD_VERSION));
    }
    if id != REQUEST_ID {
        return Err(Fault(BAD_REQUEST_ID));
    }
    let status = match status.as_slice() {
        b"200" => 200,
        b"300" => 300,
        b"400" => 400,
        b"500" => 500,
        _ => return Err(Fault(INVALID_STATUS)),
    };
    let metadata = zmtp::parse_metadata(metadata).map_err(|_| Fault(INVALID_METADATA))?;
    Ok(Answer {
        status,
        text: String::from_utf8_lossy(text).into_owned(),
        user_id: user_id.to_vec(),
        metadata: metadata.into_iter().map(|(name, value)| (name, value.to_vec())).collect(),
    })
}

const NAME: &str = "zeromq.zap.01";
const ENDPOINT: &str = "inproc://zeromq.zap.01";
const VERSION: &[u8] = b"1.0";
const REQUEST_ID: &[u8] = b"1";

const UNSPECIFIED: u32 = 0x2000_0000;
const MALFORMED_REPLY: u32 = 0x2000_0001;
const BAD_REQUEST_ID: u32 = 0x2000_0002;
const BAD_VERSION: u32 = 0x2000_0003;
const INVALID_STATUS: u32 = 0x2000_0004;
const INVALID_METADATA: u32 = 0x2000_0005;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(frames: [&str; 7]) -> Result<Answer, Fault> {
        read(&frames.into_iter().collect())
    }

    #[test]
    fn each_fault_of_a_reply_has_its_number() {
        let good = ["", "1.0", "1", "200", "OK", "bobb", ""];
        let answer = reply(good).unwrap();
        assert_eq!((answer.status, answer.text.as_str(), answer.user_id.as_slice()), (200, "OK", &b"bobb"[..]));
        for (index, text, fault) in [
            (0, "x", UNSPECIFIED),
            (1, "2.0", BAD_VERSION),
            (2, "2", BAD_REQUEST_ID),
            (3, "201", INVALID_STATUS),
            (6, "\u{5}ab", INVALID_METADATA),
        ] {
            let mut frames = good;
            frames[index] = text;
            assert_eq!(reply(frames), Err(Fault(fault)), "{text}");
        }
        assert_eq!(read(&Message::from(["", "1.0"])), Err(Fault(MALFORMED_REPLY)));
    }
}
