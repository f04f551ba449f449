"""CURVE with an authenticator of pyzmq's own."""
import os
import tempfile
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

context = zmq.Context()
public, secret = zmq.curve_keypair()
print(len(public), len(secret), zmq.curve_public(secret) == public)
server_public, server_secret = zmq.curve_keypair()
folder = tempfile.mkdtemp()
zmq.auth.create_certificates(folder, "client")
known_public, known_secret = zmq.auth.load_certificate(os.path.join(folder, "client.key_secret"))

authenticator = ThreadAuthenticator(context)
authenticator.start()
authenticator.configure_curve(domain="*", location=folder)

for name, (own_public, own_secret) in (
    ("known", (known_public, known_secret)),
    ("unknown", (public, secret)),
):
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.curve_server, pull.curve_secretkey, pull.curve_publickey = True, server_secret, server_public
    push.curve_serverkey, push.curve_secretkey, push.curve_publickey = server_public, own_secret, own_public
    pull.linger = push.linger = 0
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")
    try:
        push.send(b"secret", zmq.NOBLOCK)
    except zmq.Again:
        # The refusal can come before this, and then nobody is left to send to.
        assert name == "unknown"
    print(name, pull.poll(5000 if name == "known" else 300))
    if name == "known":
        frame = pull.recv(copy=False)
        print(frame.bytes, frame.get("User-Id") == known_public.decode())
    pull.close(), push.close()

authenticator.stop()
context.term()
