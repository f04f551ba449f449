# Pushpin, a reverse proxy of five programs that talk over libzmq: requests through it, and lines published to a client
# that holds on (Debian: pushpin).

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from servers import free_ports


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        if self.path == "/stream":
            self.send_header("Grip-Hold", "stream")
            self.send_header("Grip-Channel", "news")
        body = f"you asked for {self.path}\n".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *arguments):
        pass


def ask(method, path, body=None, at=None):
    connection = http.client.HTTPConnection("127.0.0.1", at or front, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
threading.Thread(target=backend.serve_forever, daemon=True).start()
front, push, sub, publish, command = free_ports(5)
folder = tempfile.mkdtemp(prefix="zefiro-pushpin-")
with open("/etc/pushpin/pushpin.conf") as given:
    lines = given.read().splitlines()
settings = {
    "rundir": folder, "logdir": folder, "http_port": front, "push_in_spec": f"tcp://127.0.0.1:{push}",
    "push_in_sub_specs": f"tcp://127.0.0.1:{sub}", "push_in_http_port": publish,
    "command_spec": f"tcp://127.0.0.1:{command}", "routesfile": f"{folder}/routes",
}
# Debian's zurl, which asks the backend, refuses to ask anybody on this machine: this one may.
with open(f"{folder}/zurl.conf", "w") as written:
    written.write(f"[General]\nin_spec=ipc://{folder}/zurl-in\nin_stream_spec=ipc://{folder}/zurl-in-stream\n"
                  f"out_spec=ipc://{folder}/zurl-out\nin_req_spec=\ndefpolicy=allow\nallow=\ndeny=\n"
                  "max_open_requests=2000\nbuffer_size=200000\ntimeout=600\nin_hwm=1000\nout_hwm=1000\n")
place = lines.index("[proxy]") + 1
lines[place:place] = [f"zurl_out_specs=ipc://{folder}/zurl-in", f"zurl_out_stream_specs=ipc://{folder}/zurl-in-stream",
                      f"zurl_in_specs=ipc://{folder}/zurl-out"]
names = {line: line.split("=")[0].strip() for line in lines}
lines = [f"{names[line]}={settings[names[line]]}" if names[line] in settings else line for line in lines]
with open(f"{folder}/pushpin.conf", "w") as written:
    written.write("\n".join(lines))
with open(f"{folder}/routes", "w") as written:
    written.write(f"* 127.0.0.1:{backend.server_port}\n")


def start(*command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


zurl = start("zurl", f"--config={folder}/zurl.conf")
pushpin = start("pushpin", f"--config={folder}/pushpin.conf")
try:
    for attempt in range(100):
        try:
            if ask("GET", "/")[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    print(ask("GET", "/there"))
    print(ask("POST", "/back", "forwards"))
    print(len(ask("POST", "/long", "x" * 500_000)[1]))
    print({ask("GET", f"/{number}") == (200, f"you asked for /{number}\n".encode()) for number in range(200)})
    holding = http.client.HTTPConnection("127.0.0.1", front, timeout=10)
    holding.request("GET", "/stream")
    stream = holding.getresponse()
    print(stream.readline())
    for number in range(20):
        item = {"channel": "news", "formats": {"http-stream": {"content": f"line {number}\n"}}}
        assert ask("POST", "/publish/", json.dumps({"items": [item]}), publish)[0] == 200
        print(stream.readline())
    holding.close()
finally:
    os.killpg(zurl.pid, signal.SIGTERM)
    print("zurl ended", zurl.wait(20))
    os.killpg(pushpin.pid, signal.SIGTERM)
    try:
        print("pushpin ended", pushpin.wait(20))
    except subprocess.TimeoutExpired:
        os.killpg(pushpin.pid, signal.SIGKILL)
        print("killed")
    shutil.rmtree(folder, ignore_errors=True)
