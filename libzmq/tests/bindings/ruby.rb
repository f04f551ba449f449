# Ruby, through ffi-rzmq (Debian: ruby-ffi-rzmq).
require "ffi-rzmq"

context = ZMQ::Context.new
def must(result)
  raise "#{ZMQ::Util.errno}: #{ZMQ::Util.error_string}" unless ZMQ::Util.resultcode_ok?(result)
end

pair = lambda do |bound, connected, endpoint, id = nil|
  one, other = context.socket(bound), context.socket(connected)
  [one, other].each { |socket| must socket.setsockopt(ZMQ::LINGER, 0) }
  must other.setsockopt(ZMQ::IDENTITY, id) if id
  must one.bind(endpoint)
  must other.connect(endpoint)
  [one, other]
end

["inproc://ruby", "ipc:///tmp/zefiro-ruby-#{$$}", "tcp://127.0.0.1:24732"].each do |endpoint|
  rep, req = pair.call(ZMQ::REP, ZMQ::REQ, endpoint)
  must req.send_string("question")
  must rep.recv_string(text = +"")
  puts text
  must rep.send_strings(["an", "answer", "x" * 1000])
  must req.recv_strings(parts = [])
  puts parts.map(&:size).inspect
  puts rep.send_string("out of turn"), ZMQ::Util.errno == ZMQ::EFSM
  [rep, req].each(&:close)
end

xpub, sub = pair.call(ZMQ::XPUB, ZMQ::SUB, "inproc://news")
must sub.setsockopt(ZMQ::SUBSCRIBE, "a")
must xpub.recv_string(text = +"")
puts text.unpack1("H*")
%w[b ab a].each { |topic| must xpub.send_string(topic) }
2.times { must sub.recv_string(text); puts text }
puts sub.recv_string(text, ZMQ::DONTWAIT), ZMQ::Util.errno == ZMQ::EAGAIN

router, dealer = pair.call(ZMQ::ROUTER, ZMQ::DEALER, "inproc://router", "ann")
must dealer.send_strings(%w[one two])
poller = ZMQ::Poller.new
poller.register(router, ZMQ::POLLIN)
puts poller.poll(5000), poller.readables == [router]
must router.recv_strings(parts = [])
puts parts.inspect
must router.send_strings(%w[ann back])
must dealer.recv_string(text)
puts text
message = ZMQ::Message.new("a message " * 20)
must dealer.sendmsg(message)
must router.recvmsgs(messages = [])
puts messages.map(&:size).inspect
[xpub, sub, router, dealer].each(&:close)
context.terminate
puts "done"
