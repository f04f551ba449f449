# asyncio, through aiozmq's own event loop and its RPC (Debian: python3-aiozmq).
import asyncio

import aiozmq
import aiozmq.rpc
import zmq


class Handler(aiozmq.rpc.AttrHandler):
    @aiozmq.rpc.method
    def add(self, a: int, b: int) -> int:
        return a + b


async def streams():
    router = await aiozmq.create_zmq_stream(zmq.ROUTER, bind="tcp://127.0.0.1:*")
    address = list(router.transport.bindings())[0]
    dealer = await aiozmq.create_zmq_stream(zmq.DEALER, connect=address)
    for number in range(100):
        dealer.write((b"number", str(number).encode()))
        peer, *message = await router.read()
        router.write([peer, b"echo", *message])
        answer = await dealer.read()
        assert answer == [b"echo", b"number", str(number).encode()], answer
    print("streams: 100 echoes")
    dealer.close()
    router.close()


async def calls():
    server = await aiozmq.rpc.serve_rpc(Handler(), bind="tcp://127.0.0.1:*")
    client = await aiozmq.rpc.connect_rpc(connect=list(server.transport.bindings())[0])
    print("calls:", [await client.call.add(number, 1) for number in range(5)])
    client.close()
    server.close()
    await server.wait_closed()


policy = aiozmq.ZmqEventLoopPolicy
for main in (streams, calls):
    loop = policy().new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    except Exception as error:
        print(main.__name__, type(error).__name__, error)
    loop.close()
