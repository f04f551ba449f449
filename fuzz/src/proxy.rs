//! A proxy that damages what it carries, and is driven a step at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::patience::until;

/// Carries one connection at a time, in the caller's thread.
pub(crate) struct Proxy {
    listener: TcpListener,
    endpoint: String,
    server: String,
    link: Option<Link>,
    /// How many connections it still takes.
    links: u8,
    /// How often it still waits for what does not come.
    patience: u8,
    /// Something else than what came was carried, or a connection was cut by a fault.
    pub(crate) damaged: bool,
}

struct Link {
    client: TcpStream,
    server: TcpStream,
}

impl Proxy {
    pub(crate) fn new(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        listener.set_nonblocking(true).expect("it can be set");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        Proxy {
            listener,
            endpoint,
            server: server.into(),
            link: None,
            links: LINKS_MAX,
            patience: PATIENCE,
            damaged: false,
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Carries a piece in one direction, if one comes, as the fault says.
    pub(crate) fn carry(&mut self, fault: u8) {
        if self.accept()
            && let Some(Link { client, server }) = &self.link
        {
            let (from, to) = if fault & 128 == 0 { (client, server) } else { (server, client) };
            if wait(&[from], &mut self.patience) {
                let carried = carry_piece(from, to, fault);
                self.note(carried);
            }
        }
    }

    /// Carries what has come in both directions as it is; whether anything had.
    pub(crate) fn carry_all(&mut self) -> bool {
        if !self.accept() {
            return false;
        }
        let Some(Link { client, server }) = &self.link else { return false };
        if !wait(&[client, server], &mut self.patience) {
            return false;
        }
        let there = carry_piece(client, server, 0);
        let back = carry_piece(server, client, 0);
        self.note(there);
        self.note(back);
        true
    }

    /// Ends the connection, and those that wait to be taken.
    pub(crate) fn cut(&mut self) {
        self.link = None;
        while self.listener.accept().is_ok() {}
    }

    /// Whether there is a connection.
    fn accept(&mut self) -> bool {
        if self.link.is_none() && self.links > 0 && wait(&[&self.listener], &mut self.patience) {
            self.links -= 1;
            let (Ok((client, _)), Ok(server)) = (self.listener.accept(), TcpStream::connect(&self.server)) else {
                return false;
            };
            for stream in [&client, &server] {
                stream.set_nonblocking(true).expect("it can be set");
                stream.set_nodelay(true).expect("it can be set");
            }
            self.link = Some(Link { client, server });
        }
        self.link.is_some()
    }

    fn note(&mut self, carried: Carried) {
        self.damaged |= matches!(carried, Carried::Damaged | Carried::Cut);
        if matches!(carried, Carried::Ended | Carried::Cut) {
            self.link = None;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Carried {
    Whole,
    Damaged,
    /// By the proxy.
    Cut,
    /// By one of the peers.
    Ended,
}

fn carry_piece(mut from: &TcpStream, to: &TcpStream, fault: u8) -> Carried {
    let mut buffer = [0; PIECE_BYTES];
    let count = match from.read(&mut buffer) {
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => return Carried::Whole,
        Ok(0) | Err(_) => return Carried::Ended,
        Ok(count) => count,
    };
    let piece = &buffer[..count];
    let at = usize::from(fault >> 3 & 15) * 13 % count;
    let (mut pieces, mut changed) = (vec![piece], piece.to_vec());
    match fault & 7 {
        1 => {
            changed[at] ^= fault | 1;
            pieces = vec![&changed];
        }
        2 => pieces = vec![&piece[at..]],
        3 => pieces = vec![&piece[..at]],
        4 => pieces.insert(0, &piece[..at]),
        5 => pieces = vec![&piece[..at], &piece[at..]],
        6 if at == 0 => return Carried::Cut,
        _ => {}
    }
    if pieces.iter().any(|piece| !write(to, piece)) {
        return Carried::Ended;
    }
    if pieces.concat() == piece { Carried::Whole } else { Carried::Damaged }
}

/// Whether it could all be written.
fn write(mut to: &TcpStream, mut piece: &[u8]) -> bool {
    let mut is_open = true;
    until("the sockets read", || {
        while !piece.is_empty() {
            match to.write(piece) {
                Ok(count) => piece = &piece[count..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return false,
                Err(_) => {
                    is_open = false;
                    return true;
                }
            }
        }
        true
    });
    is_open
}

/// Whether one of them can be read, or accepted from, within half a millisecond; without patience at once.
fn wait<F: std::os::fd::AsFd>(any: &[&F], patience: &mut u8) -> bool {
    let mut polled: Vec<PollFd> = any.iter().map(|any| PollFd::new(any, PollFlags::IN)).collect();
    let time = Timespec { tv_sec: 0, tv_nsec: if *patience == 0 { 0 } else { WAIT_NANOS } };
    let is_ready = poll(&mut polled, Some(&time)).is_ok_and(|ready| ready > 0);
    *patience -= u8::from(!is_ready && *patience > 0);
    is_ready
}

/// A client that is refused comes again and again.
const LINKS_MAX: u8 = 8;

/// What does not come is waited for so often, and each time so long.
const PATIENCE: u8 = 3;
const WAIT_NANOS: i64 = 500_000;

/// Read at once: a handshake is several of them.
const PIECE_BYTES: usize = 512;
