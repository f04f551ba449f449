"""Waiting: Poller, zmq.select, socket.poll, EVENTS and the descriptor."""
import os
import select
import threading
import zmq

context = zmq.Context()
pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
pull.linger = push.linger = 0
port = pull.bind_to_random_port("tcp://127.0.0.1")
push.connect(f"tcp://127.0.0.1:{port}")

poller = zmq.Poller()
poller.register(pull, zmq.POLLIN)
poller.register(push, zmq.POLLOUT)
print(poller.poll(5000) == [(push, zmq.POLLOUT)])
print(pull.poll(0), pull.poll(20), push.poll(0, zmq.POLLOUT))
push.send(b"one")
print(pull.poll(5000))
print(dict(poller.poll()) == {pull: zmq.POLLIN, push: zmq.POLLOUT})
print(pull.recv())
poller.modify(push, 0)
print(poller.poll(0))

reading, writing = os.pipe()
poller.register(reading, zmq.POLLIN)
os.write(writing, b"x")
print(poller.poll(5000) == [(reading, zmq.POLLIN)])
os.read(reading, 1)
print(poller.poll(0))
os.close(reading), os.close(writing)

readable, writable, failed = zmq.select([pull], [push], [pull], timeout=5)
print(readable, writable == [push], failed)

waiting = select.epoll()
waiting.register(pull.fd, select.EPOLLIN | select.EPOLLET)
count = 0
for _ in range(500):
    push.send(b"x")
while count < 500:
    while pull.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        pull.recv(zmq.DONTWAIT)
        count += 1
    if count < 500 and not waiting.poll(5):
        print("nothing wakes")
        break
print(count)


def send_later():
    event.wait(5)
    push.send(b"late")


event = threading.Event()
thread = threading.Thread(target=send_later)
thread.start()
event.set()
print(pull.poll(5000), pull.recv())
thread.join()

try:
    zmq.Poller().register(None, zmq.POLLIN)
except Exception as error:
    print(type(error).__name__)
pull.close(), push.close()
try:
    pull.poll(0)
except zmq.ZMQError as error:
    print(error)
context.term()
