"""Proxies and devices, in threads of their own, steered and monitored."""
import threading
import zmq
from zmq.devices import ProxySteerable, ThreadDevice, ThreadMonitoredQueue, ThreadProxy, ThreadProxySteerable

context = zmq.Context.instance()


def socket(kind, endpoint):
    made = context.socket(kind)
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = 5000
    made.connect(endpoint)
    return made


device = ThreadDevice(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)
front = device.bind_in_to_random_port("tcp://127.0.0.1")
back = device.bind_out_to_random_port("tcp://127.0.0.1")
device.start()
req, rep = socket(zmq.REQ, f"tcp://127.0.0.1:{front}"), socket(zmq.REP, f"tcp://127.0.0.1:{back}")
for number in range(3):
    req.send_multipart([b"question", str(number).encode()])
    rep.send_multipart(rep.recv_multipart() + [b"answered"])
    print(req.recv_multipart())
req.close(), rep.close()

proxy = ThreadProxy(zmq.PULL, zmq.PUSH, zmq.PUSH)
front = proxy.bind_in_to_random_port("tcp://127.0.0.1")
back = proxy.bind_out_to_random_port("tcp://127.0.0.1")
captured = proxy.bind_mon_to_random_port("tcp://127.0.0.1")
proxy.start()
push, pull = socket(zmq.PUSH, f"tcp://127.0.0.1:{front}"), socket(zmq.PULL, f"tcp://127.0.0.1:{back}")
capture = socket(zmq.PULL, f"tcp://127.0.0.1:{captured}")
for number in range(3):
    push.send_multipart([b"piece", str(number).encode()])
    print(pull.recv_multipart(), capture.recv_multipart())
push.close(), pull.close(), capture.close()

proxy = ThreadProxySteerable(zmq.PULL, zmq.PUSH, zmq.PUSH, zmq.PAIR)
front = proxy.bind_in_to_random_port("tcp://127.0.0.1")
back = proxy.bind_out_to_random_port("tcp://127.0.0.1")
captured = proxy.bind_mon_to_random_port("tcp://127.0.0.1")
steered = proxy.bind_ctrl_to_random_port("tcp://127.0.0.1")
proxy.start()
push, pull = socket(zmq.PUSH, f"tcp://127.0.0.1:{front}"), socket(zmq.PULL, f"tcp://127.0.0.1:{back}")
capture, control = socket(zmq.PULL, f"tcp://127.0.0.1:{captured}"), socket(zmq.PAIR, f"tcp://127.0.0.1:{steered}")
push.send(b"first")
print(pull.recv(), capture.recv())
control.send(b"STATISTICS")
print([int.from_bytes(number, "little") for number in control.recv_multipart()])
control.send(b"TERMINATE")
proxy.join(5)
print(proxy.launcher.is_alive() if hasattr(proxy.launcher, "is_alive") else "?")
push.close(), pull.close(), capture.close(), control.close()

queue = ThreadMonitoredQueue(zmq.ROUTER, zmq.DEALER, zmq.PUB, b"in", b"out")
front = queue.bind_in_to_random_port("tcp://127.0.0.1")
back = queue.bind_out_to_random_port("tcp://127.0.0.1")
monitor = queue.bind_mon_to_random_port("tcp://127.0.0.1")
queue.start()
req, rep = socket(zmq.REQ, f"tcp://127.0.0.1:{front}"), socket(zmq.REP, f"tcp://127.0.0.1:{back}")
sub = context.socket(zmq.SUB)
sub.linger, sub.rcvtimeo = 0, 20
sub.subscribe(b"")
sub.connect(f"tcp://127.0.0.1:{monitor}")
seen = []
while seen[-2:] != [b"in", b"out"]:
    # Until the subscription has got there, what is published is lost: perhaps between the two.
    req.send(b"hello")
    rep.send(rep.recv())
    req.recv()
    try:
        while True:
            seen.append(sub.recv_multipart()[0])
    except zmq.Again:
        pass
print(seen[-2:])
req.close(), rep.close(), sub.close()


def steer(front, back, control, results):
    try:
        results.append(zmq.proxy_steerable(front, back, None, control))
    except zmq.ZMQError as error:
        results.append(error.errno)


results = []
front, back, control = context.socket(zmq.PULL), context.socket(zmq.PUSH), context.socket(zmq.PAIR)
front.bind("inproc://front"), back.bind("inproc://back"), control.bind("inproc://control")
thread = threading.Thread(target=steer, args=(front, back, control, results))
thread.start()
commands = socket(zmq.PAIR, "inproc://control")
commands.send(b"TERMINATE")
thread.join(5)
print(results)
front.close(), back.close(), control.close(), commands.close()
