"""Monitors, through zmq.utils.monitor."""
import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
events = req.get_monitor_socket()
port = rep.bind_to_random_port("tcp://127.0.0.1")
req.connect(f"tcp://127.0.0.1:{port}")
req.send(b"hello")
print(rep.recv())
rep.send(b"back")
print(req.recv())
names = {}
for name in dir(zmq):
    if name.startswith("EVENT_") and name != "EVENT_ALL":
        names[int(getattr(zmq, name))] = name
while True:
    assert events.poll(5000)
    event = recv_monitor_message(events)
    print(names[int(event["event"])], event["endpoint"].replace(str(port).encode(), b"PORT"))
    if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        break
rep.close(linger=0)
while True:
    assert events.poll(5000)
    event = recv_monitor_message(events)
    print(names[int(event["event"])], event["endpoint"].replace(str(port).encode(), b"PORT"))
    if event["event"] == zmq.EVENT_CONNECT_RETRIED:
        break
req.disable_monitor()
events.close()
req.close(linger=0)
context.term()
