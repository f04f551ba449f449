"""Contexts that end: with open sockets, in threads, by with, by collection, after a fork."""
import gc
import os
import threading
import zmq

context = zmq.Context()
sockets = [context.socket(kind) for kind in (zmq.PUSH, zmq.PULL, zmq.PUB, zmq.SUB, zmq.REQ, zmq.REP)]
results = []


def wait():
    socket = context.socket(zmq.PULL)
    ready.set()
    try:
        socket.recv()
    except zmq.ContextTerminated as error:
        results.append(str(error))
    socket.close()


ready = threading.Event()
thread = threading.Thread(target=wait)
thread.start()
ready.wait(5)
for socket in sockets:
    socket.close()
context.term()
thread.join(5)
print(results, context.closed)

context = zmq.Context()
socket = context.socket(zmq.PUSH)
socket.connect("tcp://127.0.0.1:9")
socket.send(b"never delivered")
context.destroy(linger=0)
print(socket.closed, context.closed)
try:
    socket.send(b"closed")
except zmq.ZMQError as error:
    print(error, error.errno == zmq.ENOTSOCK)
try:
    context.socket(zmq.PUSH)
except zmq.ZMQError as error:
    print(error)

with zmq.Context() as context:
    with context.socket(zmq.PUSH) as socket:
        socket.linger = 0
    print(socket.closed)
print(context.closed)

for _ in range(50):
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.linger = 0
    pull.bind("inproc://a")
    push.connect("inproc://a")
    push.send(b"x" * 100, copy=False)
    del pull, push, context
    gc.collect()
print("collected")

context = zmq.Context()
pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
port = pull.bind_to_random_port("tcp://127.0.0.1")
push.connect(f"tcp://127.0.0.1:{port}")
child = os.fork()
if child == 0:
    own = zmq.Context()
    own_push = own.socket(zmq.PUSH)
    own_push.connect(f"tcp://127.0.0.1:{port}")
    own_push.send(b"from the child")
    own_push.close()
    own.term()
    os._exit(0)
print(pull.poll(5000), pull.recv())
print(os.waitpid(child, 0)[1])
push.send(b"from the parent")
print(pull.poll(5000), pull.recv())
context.destroy(linger=0)

context = zmq.Context(io_threads=2)
context.max_sockets = 3
made = [context.socket(zmq.PAIR) for _ in range(3)]
try:
    context.socket(zmq.PAIR)
except zmq.ZMQError as error:
    print(error)
context.destroy(linger=0)
print(zmq.has("ipc"), zmq.has("nonsense"))
