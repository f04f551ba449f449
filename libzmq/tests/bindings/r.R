# R, through pbdZMQ (Debian: r-cran-pbdzmq).
suppressPackageStartupMessages(library(pbdZMQ))
types <- .pbd_env$ZMQ.ST
context <- zmq.ctx.new()
pair <- function(bound, connected, endpoint) {
  one <- zmq.socket(context, bound)
  other <- zmq.socket(context, connected)
  cat(zmq.bind(one, endpoint), zmq.connect(other, endpoint), "\n")
  list(one, other)
}
for (endpoint in c("inproc://r", paste0("ipc:///tmp/zefiro-r-", Sys.getpid()), "tcp://127.0.0.1:24734")) {
  sockets <- pair(types$REP, types$REQ, endpoint)
  zmq.send(sockets[[2]], "question")
  print(zmq.recv(sockets[[1]])$buf)
  zmq.send(sockets[[1]], serialize(list(1, "a", rnorm(3) > 9), NULL))
  str(unserialize(zmq.recv(sockets[[2]], 100000L, buf.type = "raw")$buf))
  for (socket in sockets) zmq.close(socket)
}
sockets <- pair(types$PULL, types$PUSH, "tcp://127.0.0.1:24735")
zmq.send.multipart(sockets[[2]], list("a", "b", paste(rep("x", 100), collapse = "")), serialize = TRUE)
str(zmq.recv.multipart(sockets[[1]], unserialize = TRUE))
zmq.poll(list(sockets[[1]]), .pbd_env$ZMQ.PO$POLLIN, timeout = 10L)
cat("there:", zmq.poll.get.revents(1), "\n")
zmq.send(sockets[[2]], "one more")
zmq.poll(list(sockets[[1]]), .pbd_env$ZMQ.PO$POLLIN, timeout = 10000L)
cat("there:", zmq.poll.get.revents(1), "\n")
for (socket in sockets) zmq.close(socket)
cat(zmq.ctx.destroy(context), "\n")
