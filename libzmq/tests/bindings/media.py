# ffmpeg: a stream published and subscribed to, and a filter that is told over REQ and REP what to do (Debian: ffmpeg).
import socket
import subprocess

import zmq


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def ffmpeg(*arguments, **options):
    return subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", *arguments], **options)


SOURCE = "testsrc=size=64x64:rate=25"
port = free_port()
writer = ffmpeg("-re", "-f", "lavfi", "-i", SOURCE, "-f", "mpegts", f"zmq:tcp://127.0.0.1:{port}")
reader = ffmpeg("-i", f"zmq:tcp://127.0.0.1:{port}", "-frames:v", "10", "-f", "framecrc", "-", stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL)
frames, _ = reader.communicate(timeout=60)
print(len([line for line in frames.splitlines() if not line.startswith(b"#")]), "frames", reader.returncode)
writer.terminate()
writer.wait(20)

port = free_port()
bind = f"zmq=bind_address=tcp\\\\://127.0.0.1\\\\:{port}"
filtering = ffmpeg("-re", "-f", "lavfi", "-i", f"{SOURCE},{bind},drawbox", "-f", "null", "-")
asker = zmq.Context().socket(zmq.REQ)
asker.linger = 0
asker.connect(f"tcp://127.0.0.1:{port}")
for command in ["Parsed_drawbox_2 color red", "Parsed_drawbox_2 nonsense 1", "Nobody color red", "too short"]:
    asker.send_string(command)
    print(command, "->", asker.recv_string() if asker.poll(20_000) else "no answer")
filtering.terminate()
filtering.wait(20)
