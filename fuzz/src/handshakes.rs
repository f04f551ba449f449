//! What holds whatever a peer says in a handshake, and however its bytes are cut.

use std::sync::Arc;
use std::time::Instant;

use zmtp::{Config, Connection, CurveSecret, Error, Event, MechanismConfig, PeerInfo, SocketType, Verdict, Version};

use crate::{fresh, greeting, handshake, hear};

/// The first bytes of a connection, whatever they are, to each mechanism in both roles.
pub fn greetings(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    listen(config_of(*choice), bytes, *choice);
}

/// A good greeting, and behind it frames of the handshake. A step is two bytes, what the frame is and how much of what
/// follows is its data, so that lengths are right but for those that are meant to be wrong.
pub fn handshakes(bytes: &[u8]) {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let config = config_of(*choice);
    let mut wire = greeting(config.mechanism.name());
    while let Some(([what, len], more)) = rest.split_first_chunk::<2>() {
        let (data, behind) = more.split_at(more.len().min(usize::from(*len)));
        rest = behind;
        let name = NAMES[usize::from(what & 7)];
        let (flags, body) = (FLAGS[usize::from(what >> 3 & 3)], [name, data].concat());
        match what >> 5 {
            0 => wire.extend_from_slice(data),
            1 => wire.extend_from_slice(&[&[flags | 2][..], &(body.len() as u64).to_be_bytes(), &body].concat()),
            _ => wire.extend_from_slice(&[&[flags, body.len().min(255) as u8], &body[..]].concat()),
        }
    }
    listen(config, &wire, *choice);
}

/// A connection may not tell by its events how the bytes were cut. The second byte chooses the cuts.
pub fn pieces(bytes: &[u8]) {
    let Some(([choice, cuts], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let transcript = |mut cut: usize| {
        let (mut connection, now) = fresh(choice & !0x40);
        let mut said = Vec::new();
        let mut rest = if choice & 0x80 != 0 { [&handshake(), bytes].concat() } else { bytes.to_vec() };
        while !rest.is_empty() {
            let piece: Vec<u8> = rest.drain(..rest.len().min(cut)).collect();
            // Lengths that differ, each as likely after any other.
            cut = if cut > bytes.len() + 64 { cut } else { 1 + (cut * 5 + 3) % 16 };
            if let Err(error) = hear(&mut connection, &piece, now, &mut |event| said.push(Said::of(event))) {
                said.push(Said::Error(error));
                break;
            }
        }
        said
    };
    let (whole, cut) = (transcript(usize::MAX), transcript(1 + usize::from(cuts % 16)));
    assert_eq!(Said::flat(whole), Said::flat(cut));
}

/// What came of some bytes.
#[derive(PartialEq, Debug)]
pub(crate) enum Said {
    Frames(Vec<(Vec<u8>, bool)>),
    Other(String),
    Error(Error),
}

impl Said {
    pub(crate) fn of(event: &mut Event) -> Said {
        match event {
            Event::Messages(run) => {
                let frames =
                    std::iter::from_fn(|| run.next_frame().map(|(frame, more)| (frame.as_slice().to_vec(), more)));
                Said::Frames(frames.collect())
            }
            other => Said::Other(format!("{other:?}")),
        }
    }

    /// Runs joined: how many messages come in one is nobody's business.
    pub(crate) fn flat(all: Vec<Said>) -> Vec<Said> {
        let mut flat: Vec<Said> = Vec::new();
        for said in all {
            match (flat.last_mut(), said) {
                (Some(Said::Frames(before)), Said::Frames(frames)) => before.extend(frames),
                (_, said) => flat.push(said),
            }
        }
        flat
    }
}

/// Feeds a connection: no peer gets further than the configuration lets it.
fn listen(config: Config, bytes: &[u8], choice: u8) {
    let now = Instant::now();
    let secure = config.mechanism != MechanismConfig::Null || config.authenticate;
    let is_curve = config.mechanism.name() == "CURVE";
    let asks = match config.mechanism {
        MechanismConfig::PlainServer => true,
        MechanismConfig::Null | MechanismConfig::CurveServer { .. } | MechanismConfig::GssapiServer { .. } => {
            config.authenticate
        }
        _ => false,
    };
    let own = config.socket_type;
    let mut connection = Connection::new(Arc::new(config), now);
    let (mut welcome, mut ready) = (false, None::<PeerInfo>);
    let step = 1 + usize::from(choice >> 2);
    for piece in bytes.chunks(step) {
        let result = hear(&mut connection, piece, now, &mut |event| match event {
            Event::Authenticate(question) => {
                assert!(asks && ready.is_none(), "a question that was not due");
                welcome = crate::verdict(question) == Verdict::Welcome;
            }
            Event::Negotiate(_) => assert!(ready.is_none(), "a token behind the handshake"),
            Event::Ready(info) => {
                assert!(ready.is_none(), "ready twice");
                assert!(!is_curve, "somebody without keys was let in");
                assert!(welcome || !asks, "nobody said it was welcome");
                assert!(info.version >= Version::V3_0 || !secure, "{:?} is not secure", info.version);
                assert!(info.socket_type.is_none_or(|peer| own.accepts(peer)), "a peer of the wrong type");
                ready = Some(info.clone());
            }
            _ => assert!(ready.is_some(), "{event:?} before the handshake was over"),
        });
        if result.is_err() {
            return;
        }
    }
}

/// A mechanism and a role, and whether to ask about peers.
fn config_of(choice: u8) -> Config {
    let key = CurveSecret::new([7; 32]);
    let mechanism = match choice % 9 {
        0 | 1 => MechanismConfig::Null,
        2 => MechanismConfig::PlainServer,
        3 => MechanismConfig::PlainClient { username: "user".into(), password: "password".into() },
        4 => MechanismConfig::CurveServer { secret: key },
        5 => {
            let secret = CurveSecret::new([9; 32]);
            MechanismConfig::CurveClient { public: secret.public(), secret, server: key.public() }
        }
        6 => MechanismConfig::GssapiServer { plaintext: choice & 32 != 0 },
        7 => MechanismConfig::GssapiClient { plaintext: choice & 32 != 0 },
        _ => MechanismConfig::Null,
    };
    let mut config = Config::new(if choice & 64 != 0 { SocketType::XPub } else { SocketType::Dealer });
    config.authenticate = !choice.is_multiple_of(9);
    config.limits.message_bytes_max = Some(1 << 20);
    config.mechanism = mechanism;
    config
}

const NAMES: [&[u8]; 8] =
    [b"\x05READY", b"\x05HELLO", b"\x08INITIATE", b"\x07WELCOME", b"\x05ERROR", b"\x07MESSAGE", b"\x04PING", b""];

/// A command, a message, one that goes on, a command that goes on.
const FLAGS: [u8; 4] = [4, 0, 1, 5];
