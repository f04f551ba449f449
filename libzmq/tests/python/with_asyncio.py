"""zmq.asyncio: tasks that wait, that are cancelled, and many at once."""
import asyncio
import zmq
import zmq.asyncio


async def main():
    context = zmq.asyncio.Context()
    rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    req.connect(f"tcp://127.0.0.1:{port}")

    async def serve(count):
        for _ in range(count):
            parts = await rep.recv_multipart()
            await rep.send_multipart(parts + [b"answered"])

    server = asyncio.ensure_future(serve(100))
    for number in range(100):
        await req.send_multipart([b"question", str(number).encode()])
        answer = await asyncio.wait_for(req.recv_multipart(), 5)
    print(answer)
    await server

    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.bind("inproc://flow")
    push.connect("inproc://flow")
    waiting = asyncio.ensure_future(pull.recv())
    await asyncio.sleep(0.05)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        print("cancelled")
    receiving = asyncio.gather(*[pull.recv() for _ in range(50)])
    for number in range(50):
        await push.send(str(number).encode())
    got = await asyncio.wait_for(receiving, 5)
    print(sorted(int(number) for number in got) == list(range(50)))

    try:
        await asyncio.wait_for(pull.recv(), 0.05)
    except asyncio.TimeoutError:
        print("nothing came")
    await push.send(b"last")
    print(await pull.poll(5000), await pull.recv())
    poller = zmq.asyncio.Poller()
    poller.register(pull, zmq.POLLIN)
    poller.register(push, zmq.POLLOUT)
    print([event for _, event in await poller.poll(5000)])

    xpub, sub = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    port = xpub.bind_to_random_port("tcp://127.0.0.1")
    sub.connect(f"tcp://127.0.0.1:{port}")
    sub.subscribe("a")
    print(await asyncio.wait_for(xpub.recv(), 5))
    for number in range(1000):
        await xpub.send(b"a%d" % number)
        if number % 100 == 99:
            for _ in range(100):
                last = await asyncio.wait_for(sub.recv(), 5)
    print(last)
    for socket in rep, req, pull, push, xpub, sub:
        socket.close(linger=0)
    context.term()


asyncio.run(main())
