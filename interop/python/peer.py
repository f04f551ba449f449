# A libzmq peer: python3 peer.py TYPE bind|connect ENDPOINT ACTION COUNT [OPTION=VALUE ...]
# Prints its endpoint, then "done". Messages are those of lib.rs: single, multipart and large ones in turn.
import sys
import zmq

kind, how, endpoint, action, count = sys.argv[1:6]
count = int(count)
context = zmq.Context()
socket = context.socket(getattr(zmq, kind))
socket.rcvtimeo = socket.sndtimeo = 20000
# A subscriber has nothing to say at its end, but would wait to subscribe anew to a publisher that is gone.
socket.linger = 0 if "SUB" in kind else 20000
for option in sys.argv[6:]:
    name, value = option.split("=")
    socket.setsockopt(getattr(zmq, name), value.encode() if name in ("SUBSCRIBE", "ROUTING_ID") else int(value))
if how == "bind":
    socket.bind(endpoint)
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
else:
    socket.connect(endpoint)
print(endpoint, flush=True)


def message(number):
    if number % 10 == 9:
        return [b"topic", bytes([number & 255]) * (1 << 20)]
    if number % 3 == 0:
        return [b"topic", b"", b"%d" % number, b"x" * 300]
    return [b"topic %d" % number]


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
        socket.send_multipart(message(number))
        assert socket.recv_multipart() == message(number), number
elif action == "raw-ask":
    peer = None
    for number in range(count):
        parts = socket.recv_multipart()
        socket.send_multipart(parts)
socket.close()
context.term()
print("done", flush=True)
