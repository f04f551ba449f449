# A Jupyter kernel, named by the argument, and its client: shell, iopub, control and heartbeat channels (Debian:
# python3-ipykernel, xpython, python3-jupyter-client).

import sys

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name=sys.argv[1], startup_timeout=60)


def run(code, **options):
    """The texts that the code prints, what it comes to, and how it ends."""
    said = []

    def hook(message):
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "stream":
            said.append((content["name"], content["text"]))
        elif kind == "execute_result":
            said.append(("result", content["data"]["text/plain"]))
        elif kind == "error":
            said.append(("error", content["ename"]))

    reply = client.execute_interactive(code, timeout=60, output_hook=hook, **options)
    texts = {}
    for name, text in said:
        texts[name] = texts.get(name, "") + text
    return reply["content"]["status"], texts


print(run("6 * 7"))
print(run("print('hello')"))
print(run("1 / 0"))
print(run("import sys; print('to the errors', file=sys.stderr)"))
length = len(run("print('x' * 300000)")[1]["stdout"])
print("long", length)
for count in range(200):
    assert run(f"{count} + 1") == ("ok", {"result": str(count + 1)}), count
print("many")
client.kernel_info()
print("heart", client.hb_channel.is_beating())
client.complete("impor", 5)
client.shutdown()
manager.finish_shutdown()
client.stop_channels()
print("alive", manager.is_alive())
