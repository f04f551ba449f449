import zmq

context = zmq.Context()
socket = context.socket(zmq.REQ)
socket.connect("tcp://localhost:5555")

for request in range(10):
    socket.send(b"Hello")
    message = socket.recv()
    print(f"Received reply {request} [ {message} ]")
