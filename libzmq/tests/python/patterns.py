"""Every pattern, over every transport, as Python programs use them."""
import json
import zmq


def pair(context, one, other, endpoint, **options):
    bound, connected = context.socket(one), context.socket(other)
    for socket in bound, connected:
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = 5000
    for name, value in options.items():
        setattr(connected, name, value)
    bound.bind(endpoint)
    connected.connect(bound.last_endpoint.decode())
    return bound, connected


def transports(name):
    return f"inproc://{name}", "tcp://127.0.0.1:*", "ipc://*"


context = zmq.Context()

for endpoint in transports("reqrep"):
    rep, req = pair(context, zmq.REP, zmq.REQ, endpoint)
    req.send_string("question")
    print(rep.recv_string())
    rep.send_json({"answer": 42, "list": [1, 2, 3]})
    print(json.dumps(req.recv_json(), sort_keys=True))
    req.send_pyobj({"a": (1, 2)})
    print(rep.recv_pyobj())
    try:
        rep.recv()
    except zmq.ZMQError as error:
        print(error, error.errno == zmq.EFSM)
    rep.close(), req.close()

for endpoint in transports("multipart"):
    pull, push = pair(context, zmq.PULL, zmq.PUSH, endpoint)
    push.send_multipart([b"", b"a", b"x" * 100, b"y" * 100000])
    print([len(part) for part in pull.recv_multipart()])
    push.send_multipart([b"frames", b"y" * 70000], copy=False)
    frames = pull.recv_multipart(copy=False)
    print([len(frame.bytes) for frame in frames], [frame.more for frame in frames])
    tracker = push.send(b"z" * 100000, copy=False, track=True)
    print(len(pull.recv(copy=False)))
    tracker.wait(5)
    print(tracker.done)
    push.close(), pull.close()

for endpoint in transports("pubsub"):
    xpub, sub = pair(context, zmq.XPUB, zmq.SUB, endpoint)
    sub.subscribe("news")
    sub.subscribe(b"weather")
    print(sorted([xpub.recv(), xpub.recv()]))
    for topic in b"news", b"sport", b"newsflash", b"weather":
        xpub.send_multipart([topic, b"body"])
    for _ in range(3):
        print(sub.recv_multipart())
    sub.unsubscribe("news")
    print(xpub.recv())
    xpub.close(), sub.close()

for endpoint in transports("router"):
    router, dealer = pair(context, zmq.ROUTER, zmq.DEALER, endpoint, routing_id=b"ann")
    dealer.send_multipart([b"one", b"two"])
    print(router.recv_multipart())
    router.send_multipart([b"ann", b"back"])
    print(dealer.recv_multipart())
    router.router_mandatory = True
    try:
        router.send_multipart([b"bob", b"lost"])
    except zmq.ZMQError as error:
        print(error)
    router.close(), dealer.close()

one, other = pair(context, zmq.PAIR, zmq.PAIR, "inproc://pair")
one.send(b"there")
print(other.recv())
other.send(b"back")
print(one.recv())
try:
    one.recv(zmq.DONTWAIT)
except zmq.Again as error:
    print(error)
frame = zmq.Frame(b"a frame")
one.send(frame)
print(bytes(other.recv(copy=False)))
one.close(), other.close()

server, client = pair(context, zmq.REP, zmq.REQ, "tcp://127.0.0.1:*", routing_id=b"ann")
client.send(b"hello")
frame = server.recv(copy=False)
print(frame.get("Socket-Type"), frame.get("Peer-Address"), frame["Identity"])
server.close(), client.close()

context.term()
print(context.closed)
