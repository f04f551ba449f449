// Node, through zeromq.js (npm: zeromq), built against the shared library.
const zmq = require("zeromq")

const context = new zmq.Context()
const made = []
const make = (type, options) => {
  const socket = new type({ context, linger: 0, ...options })
  // Each type has those of the two that it can use.
  for (const timeout of ["sendTimeout", "receiveTimeout"]) if (timeout in socket) socket[timeout] = 5000
  made.push(socket)
  return socket
}
const text = parts => parts.map(part => part.toString("latin1"))
const attempt = async (what, action) => {
  try {
    console.log(what, await action())
  } catch (error) {
    console.log(what, error.code ?? error.name)
  }
}

async function pair(bound, connected, endpoint, options) {
  const [one, other] = [make(bound), make(connected, options)]
  await one.bind(endpoint)
  other.connect(one.lastEndpoint)
  return [one, other]
}

async function requests() {
  for (const endpoint of ["inproc://node", `ipc:///tmp/zefiro-node-${process.pid}`, "tcp://127.0.0.1:*"]) {
    const [rep, req] = await pair(zmq.Reply, zmq.Request, endpoint)
    await req.send("question")
    console.log(endpoint.split(":")[0], text(await rep.receive()))
    await rep.send(["an", "answer", Buffer.alloc(100000, "x")])
    console.log((await req.receive()).map(part => part.length))
    await attempt("out of turn", () => rep.send("again"))
    rep.close()
    req.close()
  }
}

async function topics() {
  const [pub, sub] = await pair(zmq.XPublisher, zmq.Subscriber, "tcp://127.0.0.1:*")
  sub.subscribe("a", "c")
  console.log(text(await pub.receive()), text(await pub.receive()))
  for (const topic of ["b", "ab", "a", "c"]) await pub.send([topic, "body"])
  for (let i = 0; i < 3; i++) console.log(text(await sub.receive()))
  sub.receiveTimeout = 0
  await attempt("no more", () => sub.receive())
}

async function routing() {
  const [router, dealer] = await pair(zmq.Router, zmq.Dealer, "tcp://127.0.0.1:*", { routingId: "ann" })
  await dealer.send(["one", "", "two"])
  console.log(text(await router.receive()))
  await router.send(["ann", "back"])
  console.log(text(await dealer.receive()))
  router.mandatory = true
  await attempt("to nobody", () => router.send(["bob", "lost"]))
}

async function stream() {
  const [pull, push] = await pair(zmq.Pull, zmq.Push, "tcp://127.0.0.1:*")
  const count = 20000
  const sending = (async () => {
    for (let i = 0; i < count; i++) await push.send([String(i), "x".repeat(i % 300)])
  })()
  let [seen, bytes] = [0, 0]
  for await (const [number, body] of pull) {
    if (Number(number) !== seen++) throw new Error("out of order")
    bytes += body.length
    if (seen === count) break
  }
  await sending
  console.log(seen, bytes)
}

async function watch() {
  const [pull, push] = [make(zmq.Pull), make(zmq.Push)]
  const events = []
  const connected = new Promise(done => push.events.on("handshake", done))
  const observe = (name, socket) => {
    for (const event of ["bind", "accept", "connect", "handshake", "end"])
      socket.events.on(event, () => events.push(`${name} ${event}`))
  }
  observe("pull", pull)
  observe("push", push)
  const ended = [pull, push].map(socket => new Promise(done => socket.events.on("end", done)))
  await pull.bind("tcp://127.0.0.1:*")
  push.connect(pull.lastEndpoint)
  await connected
  await push.send("seen")
  await pull.receive()
  const endpoint = push.lastEndpoint
  push.disconnect(endpoint)
  await attempt("disconnect twice", () => push.disconnect(endpoint))
  push.close()
  pull.close()
  await Promise.all(ended)
  console.log(events.sort())
}

async function forwarded() {
  const [front, back] = [make(zmq.Router), make(zmq.Dealer)]
  await front.bind("inproc://front")
  await back.bind("inproc://back")
  const proxy = new zmq.Proxy(front, back)
  const running = proxy.run()
  const [req, rep] = [make(zmq.Request), make(zmq.Reply)]
  req.connect("inproc://front")
  rep.connect("inproc://back")
  await req.send("through")
  console.log(text(await rep.receive()))
  await rep.send("and back")
  console.log(text(await req.receive()))
  proxy.pause()
  proxy.resume()
  proxy.terminate()
  await running
  console.log("proxy ended")
}

async function secrets() {
  const [server, client] = [zmq.curveKeyPair(), zmq.curveKeyPair()]
  const pull = make(zmq.Pull, { curveServer: true, curveSecretKey: server.secretKey })
  const push = make(zmq.Push, {
    curveServerKey: server.publicKey,
    curvePublicKey: client.publicKey,
    curveSecretKey: client.secretKey,
  })
  await pull.bind("tcp://127.0.0.1:*")
  push.connect(pull.lastEndpoint)
  await push.send("secret")
  console.log(text(await pull.receive()), pull.securityMechanism, push.securityMechanism)
}

async function mistakes() {
  const pull = make(zmq.Pull)
  pull.receiveTimeout = 20
  await attempt("nothing there", () => pull.receive())
  await attempt("no transport", () => pull.bind("no endpoint"))
  await attempt("unknown transport", () => pull.connect("foo://bar"))
  await attempt("not bound", () => pull.unbind("tcp://127.0.0.1:1"))
  const waiting = make(zmq.Pull).receive()
  made.at(-1).close()
  await attempt("closed while it waits", () => waiting)
  await attempt("closed", () => made.at(-1).receive())
}

async function main() {
  for (const part of [requests, topics, routing, stream, watch, forwarded, secrets, mistakes]) {
    console.log("--", part.name)
    await part()
  }
  made.forEach(socket => socket.close())
  console.log("done")
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
