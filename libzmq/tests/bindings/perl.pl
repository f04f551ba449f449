# Perl, through ZMQ::FFI (Debian: libzmq-ffi-perl).
use strict;
use warnings;
use ZMQ::FFI qw(ZMQ_REQ ZMQ_REP ZMQ_PUSH ZMQ_PULL ZMQ_XPUB ZMQ_SUB ZMQ_ROUTER ZMQ_DEALER ZMQ_DONTWAIT ZMQ_POLLIN);

my $context = ZMQ::FFI->new();

sub pair {
    my ($bound, $connected, $endpoint, $id) = @_;
    my ($one, $other) = ($context->socket($bound), $context->socket($connected));
    $_->set_linger(0) for $one, $other;
    $other->set_identity($id) if $id;
    $one->bind($endpoint);
    $other->connect($endpoint);
    return ($one, $other);
}

for my $endpoint ("inproc://perl", "ipc:///tmp/zefiro-perl-$$", "tcp://127.0.0.1:24731") {
    my ($rep, $req) = pair(ZMQ_REP, ZMQ_REQ, $endpoint);
    $req->send("question");
    print $rep->recv(), "\n";
    $rep->send_multipart(["an", "answer", "x" x 1000]);
    print join(",", map { length } $req->recv_multipart()), "\n";
    eval { $rep->send("out of turn") };
    print $@ =~ /current state/ ? "out of turn\n" : "no error: $@\n";
    $_->close() for $rep, $req;
}

my ($xpub, $sub) = pair(ZMQ_XPUB, ZMQ_SUB, "inproc://news");
$sub->subscribe("a");
print unpack("H*", $xpub->recv()), "\n";
$xpub->send($_) for "b", "ab", "a";
print $sub->recv(), "\n" for 1 .. 2;
print $sub->has_pollin() ? "more\n" : "no more\n";

my ($router, $dealer) = pair(ZMQ_ROUTER, ZMQ_DEALER, "inproc://router", "ann");
$dealer->send_multipart(["one", "two"]);
print join(",", $router->recv_multipart()), "\n";
$router->send_multipart(["ann", "back"]);
print $dealer->recv(), "\n";
eval { $dealer->recv(ZMQ_DONTWAIT) };
print $@ ? "nothing there\n" : "something there\n";
$_->close() for $xpub, $sub, $router, $dealer;
print "done\n";
