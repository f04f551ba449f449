//! A libzmq peer, by way of Python.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::peer::Role;

/// A Python that has libzmq, if there is one.
pub fn find() -> Option<PathBuf> {
    ["python3", "/usr/bin/python3"].into_iter().map(PathBuf::from).find(|python| {
        let tried = Command::new(python)
            .args(["-c", "import zmq"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    })
}

/// Whether [`PROGRAM`] can play the role.
pub fn speaks(role: Role) -> bool {
    role != Role::ProxiedPub
}

/// Plays a role as [`super::peer::play`] does, on libzmq.
pub const PROGRAM: &str = r#"
import os, sys, zmq
role, endpoint, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = zmq.Context()
types = {"push": zmq.PUSH, "rep": zmq.REP, "secret-rep": zmq.REP, "pub": zmq.XPUB, "xpub": zmq.XPUB, "router": zmq.ROUTER,
         "dealer": zmq.DEALER, "pair": zmq.PAIR, "plain-tcp": zmq.STREAM}
socket = context.socket(types[role])
socket.rcvtimeo = socket.sndtimeo = 10000
socket.linger = 10000
if role in ("pub", "xpub"):
    socket.sndhwm = 0
if role == "secret-rep":
    socket.curve_serverkey = os.environb[b"DEMO_SERVER_KEY"]
    socket.curve_publickey = os.environb[b"DEMO_PUBLIC_KEY"]
    socket.curve_secretkey = os.environb[b"DEMO_SECRET_KEY"]
socket.connect(endpoint)

def message(number):
    rest = number % 1000
    if number % 5 == 0:
        size = 0
    elif rest == 999:
        size = 1 << 20 if number % 20000 == 19999 else 100000
    elif rest == 501:
        size = 10000
    else:
        size = rest * 7 % 300
    body = bytes((index * 31 + number) & 255 for index in range(size))
    return [b"topic %d" % number, body, b"%d" % size]

if role in ("push", "pub", "xpub"):
    if role != "push":
        assert socket.recv() == b"\x01topic"
    for number in range(count):
        if role != "push" and number % 10 == 3:
            socket.send(b"another topic")
        socket.send_multipart(message(number))
elif role == "dealer":
    for number in range(count):
        socket.send_multipart(message(number))
        answer = socket.recv_multipart()
        assert answer == message(number), "answer %d came damaged" % number
elif role == "plain-tcp":
    name, nothing = socket.recv_multipart()
    assert nothing == b""
    for number in range(count):
        line = bytes((index + number) & 255 for index in range(1 + number % 3000))
        socket.send_multipart([name, line])
        answer = b""
        while len(answer) < len(line):
            sender, piece = socket.recv_multipart()
            assert sender == name and piece, "answer %d did not come" % number
            answer += piece
        assert answer == line, "answer %d came damaged" % number
    socket.send_multipart([name, b""])
else:
    for number in range(count):
        socket.send_multipart(socket.recv_multipart())
socket.close()
context.term()
"#;
