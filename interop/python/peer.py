# A libzmq peer: python3 peer.py TYPE bind|connect ENDPOINT ACTION COUNT [OPTION=VALUE ...]
# Prints its endpoint first. Messages are those of lib.rs: single, multipart and large ones in turn. Ends well, or
# with an error when anything differs or takes too long.
import sys
import threading

import zmq

kind, how, endpoint, action, count = sys.argv[1:6]
count = int(count)
TEXTS = ("SUBSCRIBE", "ROUTING_ID", "PLAIN_USERNAME", "PLAIN_PASSWORD", "ZAP_DOMAIN")
context = zmq.Context()
socket = context.socket(getattr(zmq, kind))
socket.rcvtimeo = socket.sndtimeo = 20000
socket.linger = 20000
for option in sys.argv[6:]:
    name, value = option.split("=", 1)
    number = value.isdigit() and name not in TEXTS
    socket.setsockopt(getattr(zmq, name), int(value) if number else value.encode())
if socket.getsockopt(zmq.MECHANISM) == zmq.PLAIN and socket.plain_server:
    # An authenticator that knows one user.
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")

    def authenticate():
        try:
            while True:
                request = handler.recv_multipart()
                known = request[6:] == [b"admin", b"secret"]
                handler.send_multipart([b"1.0", b"1", b"200" if known else b"400", b"", b"", b""])
        except zmq.ZMQError:
            handler.close(linger=0)

    threading.Thread(target=authenticate, daemon=True).start()
if how == "bind":
    socket.bind(endpoint)
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
else:
    socket.connect(endpoint)


def say(line):
    print(line, flush=True)


def wait_for_word():
    assert sys.stdin.readline(), "the test has ended"


def message(number):
    if number % 10 == 9:
        return [b"topic", bytes([number & 255]) * (1 << 20)]
    if number % 3 == 0:
        return [b"topic", b"", b"%d" % number, b"x" * 300]
    return [b"topic %d" % number]


def ask(number, envelope=[]):
    socket.send_multipart(envelope + message(number))
    assert socket.recv_multipart() == envelope + message(number), number


say(endpoint)
if action == "send":
    if kind == "XPUB":
        assert socket.recv() == b"\x01topic"
    for number in range(count):
        socket.send_multipart(message(number))
elif action == "recv":
    for number in range(count):
        assert socket.recv_multipart() == message(number), number
elif action == "echo":
    for number in range(count):
        socket.send_multipart(socket.recv_multipart())
elif action == "ask":
    for number in range(count):
        ask(number)
elif action == "ask-in-envelope":
    for number in range(count):
        ask(number, [b""])
elif action == "ask-when-told":
    for number in range(count):
        wait_for_word()
        ask(number)
elif action == "recv-when-told":
    # Receives nothing, so that the sender's queue fills; then all, up to the word "end".
    wait_for_word()
    received = 0
    while socket.recv() != b"end":
        received += 1
    say(received)
elif action == "fill":
    # Sends until nothing has moved for a while, then the word "end".
    sent = 0
    while socket.poll(500, zmq.POLLOUT):
        socket.send(b"x" * 65536)
        sent += 1
    say(sent)
    socket.send(b"end")
elif action == "publish":
    # Publishes until told to stop: a PUB cannot see when somebody has subscribed.
    poller = zmq.Poller()
    poller.register(sys.stdin, zmq.POLLIN)
    number = 0
    while not poller.poll(2):
        socket.send_multipart([b"other", b"%d" % number])
        socket.send_multipart([b"topic", b"%d" % number])
        number += 1
elif action == "stream-echo":
    # An empty piece tells that a connection came or went.
    left = count
    while left > 0:
        name, data = socket.recv_multipart()
        if data:
            socket.send_multipart([name, data])
            left -= len(data)
else:
    sys.exit("no such action: " + action)
# Who only received has nothing to say: its subscriptions must not wait for a peer that is gone.
socket.close(linger=0 if action.startswith("recv") else None)
context.term()
