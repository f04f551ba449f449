# uWSGI: its emperor, who is told over PULL what to run, and its log, which goes out over PUSH
# (Debian: uwsgi-core uwsgi-plugin-python3).
import http.client
import shutil
import signal
import subprocess
import tempfile
import time

import zmq

from servers import end, free_ports


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until(is_so):
    for attempt in range(300):
        try:
            if is_so():
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def is_gone(port):
    try:
        ask(port, "/text")
    except ConnectionRefusedError:
        return True
    return False


orders, first, second = free_ports(3)
folder = tempfile.mkdtemp(prefix="zefiro-uwsgi-")
with open(f"{folder}/answer.py", "w") as written:
    written.write("""def application(environment, start):
    start("200 OK", [("Content-Length", "10")])
    return [b"some text\\n"]
""")
context = zmq.Context()
logs, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
log_port = logs.bind_to_random_port("tcp://127.0.0.1")
push.connect(f"tcp://127.0.0.1:{orders}")
emperor = subprocess.Popen(
    ["uwsgi", "--plugin", "emperor_zeromq,logzmq", "--emperor", f"zmq://tcp://127.0.0.1:{orders}", "--master"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def order(name, port):
    config = (f"[uwsgi]\nplugins=python3,logzmq\nhttp-socket=127.0.0.1:{port}\npythonpath={folder}\n"
              f"module=answer\nmaster=true\nlogger=zeromq:tcp://127.0.0.1:{log_port}\n")
    push.send_multipart([b"touch", name, config.encode()])


try:
    order(b"first.ini", first)
    order(b"second.ini", second)
    for port in first, second:
        print(until(lambda: ask(port, "/text") == (200, b"some text\n")))
        print({ask(port, "/text") for _ in range(50)})
    lines = []
    while len([line for line in lines if b"GET /text" in line]) < 102 and logs.poll(10000):
        lines.append(logs.recv())
    print(len([line for line in lines if b"GET /text" in line]) >= 102)
    push.send_multipart([b"destroy", b"first.ini"])
    print(until(lambda: is_gone(first)), ask(second, "/text"))
finally:
    end(emperor, signal.SIGINT)
    context.destroy(0)
    shutil.rmtree(folder, ignore_errors=True)
