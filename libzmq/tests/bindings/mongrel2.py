# Mongrel2, a web server that asks its handlers over PUSH and hears their answers over SUB, and a handler for it (Debian:
# mongrel2-core).
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import zmq

from servers import end, free_ports


def netstring(text):
    size, text = text.split(b":", 1)
    return text[:int(size)], text[int(size) + 1:]


def handle():
    pull, pub = context.socket(zmq.PULL), context.socket(zmq.PUB)
    pull.connect(f"tcp://127.0.0.1:{asks}")
    pub.connect(f"tcp://127.0.0.1:{answers}")
    while not over.is_set():
        if not pull.poll(100):
            continue
        server, client, path, rest = pull.recv().split(b" ", 3)
        headers, rest = netstring(rest)
        body, _ = netstring(rest)
        if b"disconnect" in body:
            continue
        body = body[::-1] or b"you asked for " + path
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        pub.send(b"%s %d:%s, %s" % (server, len(client), client, answer))
    pull.close()
    pub.close()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", front, timeout=5)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


front, asks, answers = free_ports(3)
folder = tempfile.mkdtemp(prefix="zefiro-mongrel2-")
for name in "run", "logs", "tmp":
    os.mkdir(f"{folder}/{name}")
with open(f"{folder}/mongrel2.conf", "w") as written:
    written.write(f"""
handler = Handler(send_spec='tcp://127.0.0.1:{asks}', send_ident='54c6755b-9628-40a4-9a2d-cc82a816345e',
                  recv_spec='tcp://127.0.0.1:{answers}', recv_ident='')
main = Server(uuid="f400bf85-4538-4f7a-8908-67e313d515c2", access_log="/logs/access.log", error_log="/logs/error.log",
              chroot="./", pid_file="/run/mongrel2.pid", default_host="localhost", name="main", bind_addr="127.0.0.1",
              port={front}, hosts=[Host(name="localhost", routes={{'/': handler}})])
servers = [main]
""")
quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run(["m2sh", "load", "-config", "mongrel2.conf", "-db", "config.sqlite"], check=True, **quiet)
server = subprocess.Popen(["mongrel2", "config.sqlite", "f400bf85-4538-4f7a-8908-67e313d515c2"], **quiet)
context = zmq.Context()
over = threading.Event()
handler = threading.Thread(target=handle)
handler.start()
try:
    # The handler's PUB must have heard of the server's subscription.
    for attempt in range(100):
        try:
            if ask("GET", "/")[0] == 200:
                break
        except OSError:
            time.sleep(0.1)
    print(ask("GET", "/there"))
    print(ask("POST", "/back", "forwards"))
    print(len(ask("POST", "/long", "x" * 10_000)[1]))
    print({ask("GET", f"/{number}") == (200, f"you asked for /{number}".encode()) for number in range(200)})
finally:
    over.set()
    handler.join()
    end(server, signal.SIGTERM)
    context.destroy(0)
    shutil.rmtree(folder, ignore_errors=True)
