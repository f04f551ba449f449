# monerod, alone in a chain of its own: its RPC by REP, and the blocks that it publishes (Debian: monero).
import http.client
import json
import shutil
import subprocess
import tempfile
import time

import zmq

from servers import free_ports


def call(method, **parameters):
    connection = http.client.HTTPConnection("127.0.0.1", rpc, timeout=30)
    connection.request("POST", "/json_rpc", json.dumps({"id": 0, "method": method, "params": parameters}))
    return json.load(connection.getresponse()).get("result")


# Of a wallet that is nobody's.
ADDRESS = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A"
rpc, messages, published, peers = free_ports(4)
folder = tempfile.mkdtemp(prefix="zefiro-monero-")
daemon = subprocess.Popen(
    ["monerod", "--regtest", "--offline", "--fixed-difficulty", "1", "--non-interactive", "--data-dir", folder,
     "--rpc-bind-port", str(rpc), "--zmq-rpc-bind-port", str(messages), "--p2p-bind-port", str(peers),
     "--zmq-pub", f"tcp://127.0.0.1:{published}"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
context = zmq.Context()
try:
    for attempt in range(300):
        try:
            if call("get_block_count"):
                break
        except OSError:
            pass
        time.sleep(0.1)
    blocks = context.socket(zmq.SUB)
    blocks.subscribe("json-minimal-chain_main")
    blocks.connect(f"tcp://127.0.0.1:{published}")
    # It is subscribed when a block arrives.
    made = 0
    while not blocks.poll(200):
        made += call("generateblocks", amount_of_blocks=1, wallet_address=ADDRESS) is not None
    first = json.loads(blocks.recv_string().partition(":")[2])["first_height"]
    while blocks.poll(200):
        blocks.recv()
    call("generateblocks", amount_of_blocks=20, wallet_address=ADDRESS)
    heights = [json.loads(blocks.recv_string().partition(":")[2])["first_height"] for _ in range(20)]
    print("published:", [height - heights[0] for height in heights])
    asker = context.socket(zmq.REQ)
    asker.connect(f"tcp://127.0.0.1:{messages}")
    answers = set()
    for method in ["get_height", "get_info", "no_such_method"] * 20:
        asker.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}})
        answer = asker.recv_json()
        answers.add((method, "result" in answer, answer.get("error", {}).get("message")))
    print("answered:", sorted(answers))
finally:
    call("stop_daemon")
    daemon.terminate()
    print("ended", daemon.wait(30))
    context.destroy(0)
    shutil.rmtree(folder, ignore_errors=True)
