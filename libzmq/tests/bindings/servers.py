# What the programs here that start other people's servers share.
import socket
import subprocess


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def end(server, signal, tell=True):
    """Ends a server, and says how it ended: with what, unless that is not to be told."""
    server.send_signal(signal)
    try:
        code = server.wait(30)
        print(*["ended", code][:2 if tell else 1])
    except subprocess.TimeoutExpired:
        server.kill()
        print("killed")
