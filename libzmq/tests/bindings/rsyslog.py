# rsyslog: lines come in over PULL and go out over PUSH and PUB, by CZMQ (Debian: rsyslog-czmq).
import shutil
import signal
import subprocess
import tempfile

import zmq

from servers import end, free_ports


(lines_in,) = free_ports(1)
folder = tempfile.mkdtemp(prefix="zefiro-rsyslog-")
context = zmq.Context()
pull, push, sub = context.socket(zmq.PULL), context.socket(zmq.PUSH), context.socket(zmq.SUB)
pull_port = pull.bind_to_random_port("tcp://127.0.0.1")
sub_port = sub.bind_to_random_port("tcp://127.0.0.1")
sub.subscribe("news")
with open(f"{folder}/rsyslog.conf", "w") as written:
    written.write(f"""
global(workDirectory="{folder}")
module(load="imczmq")
module(load="omczmq")
template(name="line" type="string" string="%msg%")
input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:{lines_in}" ruleset="on")
ruleset(name="on") {{
    action(type="omczmq" socktype="PUSH" endpoints=">tcp://127.0.0.1:{pull_port}" template="line")
    action(type="omczmq" socktype="PUB" endpoints=">tcp://127.0.0.1:{sub_port}" topics="news" template="line")
}}
""")
server = subprocess.Popen(["rsyslogd", "-n", "-f", f"{folder}/rsyslog.conf", "-i", f"{folder}/pid"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    push.connect(f"tcp://127.0.0.1:{lines_in}")
    pull.rcvtimeo = sub.rcvtimeo = 20000
    # Until the subscription has arrived.
    while not sub.poll(100):
        push.send(b"<13>Nov 30 12:00:00 here test: first")
        pull.recv()
    push.send(b"<13>Nov 30 12:00:00 here test: begin")
    while pull.recv() != b" begin":
        pass
    # No more than its PUB's mark, above which that drops.
    for number in range(500):
        push.send(b"<13>Nov 30 12:00:00 here test: line %d" % number)
    print([pull.recv() for _ in range(500)] == [b" line %d" % number for number in range(500)])
    while b"begin" not in sub.recv_multipart()[-1]:
        pass
    print([sub.recv_multipart()[-1] for _ in range(500)][::166])
finally:
    # Debian's ends with a fault of its own, with libzmq, too.
    end(server, signal.SIGTERM, tell=False)
    context.destroy(0)
    shutil.rmtree(folder, ignore_errors=True)
